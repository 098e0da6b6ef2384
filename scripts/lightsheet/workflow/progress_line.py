"""What a SLURM run says of itself while it works: a line at each change, and else one each half minute at most.

The coordinators say of their blocks how far they are, squeue which jobs run and why others wait.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.cluster import SlurmJob
from lightsheet.store import BlockStatus, Results, read_statuses
from lightsheet.system import format_duration, write_number
from lightsheet.workflow.job_watch import JobWatch

PAUSE_SECONDS = 30.0
CHANGE_SECONDS = 2.0
"""The least time between two lines: while volumes are done, and when jobs, workers or failures have changed."""

STALE_SECONDS = 60.0
"""Time after which an unchanged status tells nothing: a coordinator that lives writes a new one every 15 s."""

STARVING_SECONDS = 20.0
STARVING = "this run's own jobs hold the cores that its workers wait for"


class ProgressLine:
    """The line of a run whose jobs' names begin with `label`; `totals` are its jobs to be done, by rule."""

    def __init__(self, results: Results, label: str, totals: Mapping[str, int]) -> None:
        self.results, self.label, self.totals = results, label, totals
        self.text, self.state, self.time = "", "", 0.0  # the latest line that was logged
        self.starving_since: float | None = None
        self.news: dict[
            str, tuple[float, float]
        ] = {}  # by block: the time of its latest status, and of its first reading

    def tell(self, watch: JobWatch) -> None:
        """Log how far the run is, if that is news."""
        with suppress(Exception):  # no run shall fail because of what it says of itself
            jobs = watch.queue.jobs if watch.queue else []
            statuses = self._read_statuses()
            parts = list(self._describe(watch, jobs, statuses))
            text = " | ".join(parts)
            workers = [(s.block, s.failed, s.workers, s.workers_waiting, s.reason) for s in statuses]
            state = repr((watch.rules, watch.successes, [(job.id, job.state) for job in jobs or []], workers))
            pause = PAUSE_SECONDS if state == self.state else CHANGE_SECONDS
            if text not in ("", self.text) and time.monotonic() > self.time + pause:
                self.text, self.state, self.time = text, state, time.monotonic()
                logger.info(text, extra={"progress": parts})

    def _read_statuses(self) -> list[BlockStatus]:
        """Return what living coordinators say of their blocks, whatever time it is for their nodes."""
        now, statuses = time.monotonic(), read_statuses(self.results)
        for status in statuses:
            if status.block not in self.news or self.news[status.block][0] != status.time:
                self.news[status.block] = status.time, now
        return [status for status in statuses if now <= self.news[status.block][1] + STALE_SECONDS]

    def _describe(
        self, watch: JobWatch, jobs: Sequence[SlurmJob] | None, statuses: Sequence[BlockStatus]
    ) -> Iterator[str]:
        """Yield the parts of the line."""
        queue = {job.id: job for job in jobs or []}
        jobs_by_id = {**{status.job_id: SlurmJob(status.job_id, "RUNNING") for status in statuses}, **queue}
        for rule in dict.fromkeys(watch.rules.values()):
            ids = [number for number, name in watch.rules.items() if name == rule]
            running = [number for number in ids if not (number in queue and queue[number].is_waiting)]
            blocks = [status for status in statuses if status.job_id in running]
            total = self.totals.get(rule, 1)
            if total > 1 or not blocks:
                yield f"{rule}: {describe_jobs(total, watch.successes[rule], ids, jobs_by_id)}"
            for status in blocks:
                subject = f"{rule} {status.block}" if total > 1 else rule
                yield f"{subject}: {describe_block(status, self._find_reason(status, queue))}"
        if jobs is None:
            yield "squeue does not answer"
        elif watch.rules and self._are_workers_stuck(jobs):
            yield STARVING

    def _find_reason(self, status: BlockStatus, queue: Mapping[str, SlurmJob]) -> str:
        name = f"{self.label}-{status.block}"
        return join_reasons(job for job in queue.values() if job.name == name and job.is_waiting)

    def _are_workers_stuck(self, jobs: Sequence[SlurmJob]) -> bool:
        """Tell whether, for some time, all workers have waited while more jobs than a coordinator run."""
        workers = [job for job in jobs if job.name.startswith(f"{self.label}-") and not job.is_over]
        coordinators = [
            job for job in jobs if job.name.startswith(f"{self.label}_") and not (job.is_over or job.is_waiting)
        ]
        if not workers or len(coordinators) < 2 or not all(job.is_waiting for job in workers):
            self.starving_since = None
            return False
        self.starving_since = self.starving_since or time.monotonic()
        return time.monotonic() > self.starving_since + STARVING_SECONDS


def describe_jobs(total: int, finished: int, ids: Sequence[str], queue: Mapping[str, SlurmJob]) -> str:
    """Describe a rule's jobs: `3 of 8 jobs done, 2 run, 3 wait (Priority)`; `ids` are those that have not ended."""
    jobs = [queue[number] for number in ids if number in queue]
    waiting = [job for job in jobs if job.is_waiting]
    reasons = f" ({join_reasons(waiting)})"
    if total == 1:
        return f"waits{reasons}" if waiting else "runs" if jobs else "submitted"
    parts = [f"{finished} of {total} jobs done"]
    if running := len(jobs) - len(waiting):
        parts.append(f"{running} run{'s' * (running == 1)}")
    if waiting:
        parts.append(f"{len(waiting)} wait{'s' * (len(waiting) == 1)}{reasons}")
    if submitted := len(ids) - len(jobs):
        parts.append(f"{submitted} submitted")
    return ", ".join(parts)


def join_reasons(jobs: Iterable[SlurmJob]) -> str:
    """Return why jobs wait, in squeue's words."""
    return ", ".join(sorted({job.reason for job in jobs}))


def describe_block(status: BlockStatus, reason: str) -> str:
    """Describe a block: `12 of 24 volumes, 4 in flight, 8 to do; 3.2 volumes per minute, 3 min left; 4 workers`.

    `reason` is why workers wait, where the coordinator does not know it yet.
    """
    volumes = [f"{status.done} of {status.volumes} volumes", f"{status.in_flight} in flight", f"{status.waiting} to do"]
    volumes += [f"{status.failed} failed"] if status.failed else []
    rate = [_format_rate(status.volumes_per_second)] if status.volumes_per_second else []
    rate += [f"{format_duration(status.seconds_left)} left"] if status.seconds_left is not None else []
    workers = [write_number(status.workers, "worker")]
    reason = status.reason or reason
    if number := status.workers_waiting:
        workers.append(f"{number} wait{'s' * (number == 1)}{f' ({reason})' if reason else ''}")
    return "; ".join(", ".join(part) for part in (volumes, rate, workers) if part)


def _format_rate(per_second: float) -> str:
    number, unit = (per_second * 60, "minute") if per_second * 60 >= 1 else (per_second * 3600, "hour")
    return f"{number:.{int(number < 10)}f} volumes per {unit}"
