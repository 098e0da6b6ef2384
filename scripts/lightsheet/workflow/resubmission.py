"""Jobs that SLURM refuses for a reason that passes: too many in the queue, or a busy controller."""

import re
import time
from collections import deque
from threading import Lock, Timer
from typing import Any

from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.cluster import PERMANENT, SILENCE, TEMPORARY, ask_queue, cancel_ids
from lightsheet.workflow.failures import REFUSAL
from lightsheet.workflow.job_watch import JobWatch

PAUSE_SECONDS = (30.0, 60.0)
"""Before a refused job is submitted again: the first time, and if that was in vain."""

REGISTER_SECONDS = 3.0
"""Time within which a job that SLURM has taken is known here."""

EXCEPTION = re.compile(r"Job submission failed with exception: (.*)", re.DOTALL)
"""What the plugin reports where sacctmgr or sinfo, which it asks for account and partition, gave no answer."""

LIMIT = re.compile(r"job submit limit|MaxJobCount")
REASON = re.compile(r"\b(?:QOS|Assoc)(?!\w*Submit)\w+Limit\b")
"""sbatch says of any limit of an account that it may be that of submitted jobs; besides, it may name another one."""


class Resubmission:
    """Jobs that wait here until SLURM takes them; they count as running for Snakemake."""

    def __init__(self, executor: Any, watch: JobWatch) -> None:
        self.executor, self.watch = executor, watch
        self.report_error = executor._report_job_error_threadsafe
        self.jobs = deque[Any]()
        self.lock = Lock()
        self.timer: Timer | None = None
        self.refusals = 0
        self.time = 0.0  # of the latest refusal
        self.words = ""

    def answer_error(self, info: Any, message: str) -> None:
        """Keep a job for later that was refused for a reason that passes; report any other error."""
        match = REFUSAL.search(message) or EXCEPTION.search(message)
        words = " ".join(match[1].split()) if match else ""
        if not is_passing(words):
            self.report_error(info, message)
            return
        with self.lock:
            if words != self.words:
                logger.info(f"SLURM takes no more jobs now; they are submitted again later. It says: {words}")
            self.words, self.time = words, time.monotonic()
            self.refusals += 1
            self.jobs.append(info.job)
            if not self.timer:
                self._start_timer(PAUSE_SECONDS[0])

    def _start_timer(self, seconds: float) -> None:
        self.timer = Timer(seconds, self._try_again)
        self.timer.daemon = True
        self.timer.start()

    def _try_again(self) -> None:
        """Submit the jobs one after the other, until SLURM refuses one again."""
        refusals = self.refusals
        if self.executor.wait and self._cancel_strays():
            while self.jobs and self.executor.wait and self.refusals == refusals:
                self.executor.run_job(self.jobs.popleft())
        with self.lock:
            self.timer = None
            if self.jobs and self.executor.wait:
                self._start_timer(PAUSE_SECONDS[1])

    def _cancel_strays(self) -> bool:
        """Cancel jobs that SLURM took although it said nothing in time; False if it does not tell of any yet."""
        if not SILENCE.search(self.words):
            return True
        queue = ask_queue(self.watch.path, self.watch.label)
        if not queue or queue.jobs is None or queue.time < self.time:
            return False
        time.sleep(REGISTER_SECONDS)
        names = [job.id for job in queue.jobs if job.name == self.executor.run_uuid and not job.is_over]
        cancel_ids([number for number in names if number not in self.watch.ids])
        return True


def retry_refused_jobs(executor: Any, watch: JobWatch) -> None:
    """Let no refusal that passes count as a job's failure."""
    executor._report_job_error_threadsafe = Resubmission(executor, watch).answer_error


def is_passing(words: str) -> bool:
    """Tell whether sbatch may take a job later, after what it said."""
    if TEMPORARY.search(words):
        return True
    return bool(LIMIT.search(words)) and not REASON.search(words) and not PERMANENT.search(words)
