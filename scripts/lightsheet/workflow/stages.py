"""How far the jobs of each rule are, as lines that a person reads."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lightsheet.system import format_duration, write_number
from lightsheet.workflow.job_log import Count, JobLog
from lightsheet.workflow.screen import draw_bar

WIDTH = 13
"""Characters of a rule's name, in a column."""


@dataclass
class Stage:
    """The jobs of one rule; times in monotonic seconds."""

    rule: str
    total: int
    start: float = 0.0  # of the first job
    done: int = 0
    logs: dict[int, JobLog] = field(default_factory=dict)  # of the jobs that run, by Snakemake's number
    steps: int = 0  # that jobs have done which have ended
    unit: str = ""  # what is done in a step

    def begin_job(self, number: int, log: JobLog) -> None:
        """Take a job as one that runs."""
        self.start = self.start or time.monotonic()
        self.logs[number] = log

    def finish_job(self, number: int) -> None:
        """Count a job as done."""
        self.done += 1
        if (log := self.logs.pop(number, None)) and log.count:
            self.steps, self.unit = self.steps + log.count.done, log.count.unit

    @property
    def is_over(self) -> bool:
        """Whether no job of it is left."""
        return self.done >= self.total

    def describe_end(self) -> str:
        """Say what was done, and in which time."""
        seconds = format_duration(time.monotonic() - self.start)
        return f"{self.rule:{WIDTH}}{self._count_work()}done in {seconds}"

    def describe_progress(self) -> str:
        """Say how far it is: a bar, volumes, rate and time left, as the jobs that run say."""
        counts = [log.count for log in self.logs.values() if log.count]
        share = sum((count.done / count.total for count in counts), float(self.done)) / max(1, self.total)
        return f"{self.rule:{WIDTH}}{draw_bar(share)} {self._describe_jobs(counts)}"

    def _describe_jobs(self, counts: list[Count]) -> str:
        jobs = f"{self.done} of {self.total} jobs; " if self.total > 1 else ""
        if len(counts) == 1:
            count = counts[0]
            action = count.action.removeprefix(self.rule).strip(", ")
            return f"{jobs}{f'{action}: ' if action else ''}{count.done} of {count.total} {count.unit}s, {count.rate}"
        if counts:
            done, total = sum(count.done for count in counts), sum(count.total for count in counts)
            return f"{jobs}{done} of {total} {counts[0].unit}s in the {len(counts)} that run"
        return jobs + next((log.latest.partition("; ")[0] for log in self.logs.values() if log.latest), "starts")

    def _count_work(self) -> str:
        steps = f"{write_number(self.steps, self.unit)} " if self.steps else ""
        return steps + (f"in {self.total} jobs " if self.total > 1 else "")


def describe_plan(totals: Mapping[str, int]) -> str:
    """List the jobs of a run by rule; the rule that only collects others is none."""
    parts = [f"{rule} {number}" for rule, number in totals.items() if rule != "all"]
    return f"jobs: {', '.join(parts)}"


def list_progress(stages: Mapping[str, Stage]) -> Iterator[str]:
    """Yield a line for each rule of which jobs run."""
    for stage in stages.values():
        if stage.logs:
            yield stage.describe_progress()
