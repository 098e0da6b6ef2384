"""What a run prints: what is made and why, a line for each rule, what is wrong, and the end. The logs have the rest.

A log handler as Snakemake's plugins have it. It is no plugin that a profile names: wherever that were not installed,
`snakemake` would end at that line.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from logging import WARNING, Handler, LogRecord
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from lightsheet.cluster import FINAL
from lightsheet.system import UNEXPECTED
from lightsheet.workflow.failures import describe_end
from lightsheet.workflow.job_log import JobLog
from lightsheet.workflow.parts import list_targets
from lightsheet.workflow.screen import Screen
from lightsheet.workflow.silence import Silence
from lightsheet.workflow.stages import Stage, describe_plan, list_progress

LIBRARY = Path(__file__).parents[1]
CHECKOUT = Path(__file__).parents[3]

NOTHING = "Nothing to be done"
DRY = "This was a dry-run"
INTERRUPTED = "Terminating processes on user request"
NEEDLESS = (
    *("RuleException:\nCalledProcessError", "Exiting because a job execution failed"),  # a job's log has said it
    "You are running snakemake in a SLURM job context",  # which `head.sbatch` does
)
"""How messages of Snakemake begin."""

CALM = "Stopping: jobs end, and what they have finished is kept. The same command goes on from here."

STOPPING = "Still stopping: it ends by itself."


class Terminal(Handler):
    """Prints what a person wants to know of Snakemake's log."""

    screen: Screen

    def __init__(self, workflow: Any, describe: Callable[[], Sequence[str]], *, is_dry: bool) -> None:
        super().__init__()
        self.workflow, self.describe, self.is_dry = workflow, describe, is_dry
        self.stages: dict[str, Stage] = {}
        self.rules: dict[int, str] = {}  # of jobs that have begun, by Snakemake's number
        self.targets: list[str] = []  # rules whose log is what the user asks for
        self.news: list[str] = []  # how far SLURM's jobs are
        self.progress: list[str] = []  # lines that were written last of how far jobs are
        self.sentences = set[str]()  # that jobs have said, of what is wrong
        self.silence = Silence()  # of the next job that fails
        self.is_stopping = self.is_explained = False
        self.turn = threading.RLock()  # one line at a time

    def emit(self, record: LogRecord) -> None:
        """Print a record, or what follows from it; no run fails because of what it says of itself."""
        with self.turn:
            try:
                self._answer(record)
            except Exception:
                self.handleError(record)

    def _answer(self, record: LogRecord) -> None:
        answers: dict[Any, Callable[[Any], None]] = {
            LogEvent.RUN_INFO: self._plan,
            LogEvent.JOB_INFO: self._begin_job,
            LogEvent.JOB_FINISHED: self._finish_job,
            LogEvent.JOB_ERROR: self._tell_error,
        }
        if answer := answers.get(getattr(record, "event", None)):
            answer(record)
        elif record.msg is not None and getattr(record, "event", None) in (None, LogEvent.ERROR):
            self._tell_message(record)

    def _plan(self, record: Any) -> None:
        totals = {rule: number for rule, number in record.stats.items() if rule != "total"}
        if not self.stages:
            self.screen.write(describe_plan(totals))
            self.targets = list_targets(self.workflow)
        self.stages = {rule: Stage(rule, number) for rule, number in totals.items() if rule != "all"}

    def _begin_job(self, record: Any) -> None:
        if self.is_dry or record.rule_name not in self.stages:
            return
        self.rules[record.jobid] = record.rule_name
        self.stages[record.rule_name].begin_job(record.jobid, JobLog(record.log))

    def _finish_job(self, record: Any) -> None:
        stage = self.stages.get(self.rules.get(record.job_id, ""))
        if not stage or not (log := stage.logs.get(record.job_id)):
            return
        self._read_log(stage, log)
        stage.finish_job(record.job_id)
        if stage.is_over:
            self.news = [line for line in self.news if not line.startswith(stage.rule)]
        self._draw()
        if stage.is_over:
            self.screen.write(stage.describe_end())

    def _tell_error(self, record: Any) -> None:
        stage = self.stages.get(record.rule_name)
        if self.is_stopping or not stage or not (log := stage.logs.get(record.jobid)):
            return
        self._read_log(stage, log)
        if record.rule_msg:  # of SLURM's jobs
            self.screen.write(f"{record.rule_name}: {describe_end(record.rule_msg)}")
        elif not log.has_error:
            self.screen.write(f"{record.rule_name}: {self.silence.explain(list(map(str, record.log)))}")
        self.silence = Silence()
        del stage.logs[record.jobid]

    def _tell_message(self, record: LogRecord) -> None:
        text = record.getMessage().strip("\n")
        if text.startswith(INTERRUPTED):
            self._stop()
        elif text.startswith(NOTHING):
            self.screen.write(
                "\n".join([f"{NOTHING}: what there is is what the configuration says.", *self.describe()])
            )
        elif text.startswith(DRY):
            self.screen.write("Nothing was done: this was a dry run (-n).")
        elif hasattr(record, "progress") and not self.is_stopping:
            self.news = record.progress
            if self.screen.is_terminal:
                self._draw()
            else:
                self.screen.write(text)
        elif _is_ours(record):
            is_repeated = record.levelno > WARNING and text.partition(" ")[2] in self.sentences  # kind, and its volume
            if not is_repeated and (not self.is_stopping or record.levelno == WARNING):
                self.screen.write(text)
        elif text.startswith(NEEDLESS):
            self.silence.note_exit(text)
        elif record.levelno >= WARNING and not self.is_stopping:
            self.screen.write(text)

    def _stop(self) -> None:
        """Say that the run ends, and let no other Ctrl-C end it before the jobs of a cluster are cancelled."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, lambda *_: self.screen.write(STOPPING))
        self.is_stopping = True
        self.screen.draw([])
        self.screen.write(CALM)

    def _draw(self) -> None:
        self.screen.draw([*self._list_progress(), *self.news])

    def _list_progress(self) -> Iterator[str]:
        """Yield how far the jobs are of which SLURM says nothing, as their logs have it."""
        rules = {line.partition(":")[0].partition(" ")[0] for line in self.news}
        return list_progress({rule: stage for rule, stage in self.stages.items() if rule not in rules})

    def _read_log(self, stage: Stage, log: JobLog) -> None:
        for line in log.read_news():
            if self.is_stopping:
                continue
            if line.level == "NOTICE":
                self.screen.write(line.text)
            elif line.level != "INFO":
                place = f"; see {' and '.join(log.paths)}" if line.text.startswith(UNEXPECTED) else ""
                self._tell_once(f"{stage.rule}: ", f"{line.text}{place}")
            elif stage.rule in self.targets and not line.is_progress:
                self.screen.write(line.text)

    def _tell_once(self, subject: str, text: str) -> None:
        """Write lines, but for those of which a sentence was told before: of a volume that failed, by several jobs."""
        lines = [line for line in text.splitlines() if line != FINAL]  # which is for SLURM's jobs alone
        if not lines:
            return
        first, *rest = lines
        new, is_known = [line for line in rest if line not in self.sentences], first in self.sentences
        self.sentences.update(lines)
        if new or not is_known:
            head = f"{first.removesuffix(':')}, as said above" if rest and not new else first
            self.screen.write(subject + "\n".join([head, *new]))

    def tell_line(self, line: str) -> None:
        """Write what a process has written to the standard error, not to its log."""
        with self.turn:
            if not self.is_stopping:
                self.silence.note_line(line)
                self.screen.write(line)

    def look(self) -> None:
        """Read the logs of the jobs that run, and draw how far they are."""
        with self.turn:
            for stage in self.stages.values():
                for log in list(stage.logs.values()):
                    self._read_log(stage, log)
            if not self.is_stopping:
                self._draw()

    def tell_progress(self) -> None:
        """Write how far the jobs are, where that cannot be drawn, unless it is what was written last."""
        with self.turn:
            if not (self.screen.is_terminal or self.is_stopping):
                lines = list(self._list_progress())
                for line in lines:
                    if line not in self.progress:
                        self.screen.write(line)
                self.progress = lines


def _is_ours(record: LogRecord) -> bool:
    """Tell whether the Snakefile, or what it calls, has logged a record, and not Snakemake."""
    path = Path(record.pathname)
    return LIBRARY in path.parents or path == CHECKOUT / "Snakefile"
