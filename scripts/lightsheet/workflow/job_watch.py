"""How Snakemake hears of the end of its SLURM jobs: from their outputs within seconds, of failures from the queue.

Its plugin would ask squeue, and later than that. The main process looks once a second whether what a job is to make is
there, and anew; the queue that all processes of the run share tells of the jobs that end without it.
"""

import asyncio
import math
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from lightsheet.cluster import Queue, SlurmJob, ask_queue, cancel_ids, recall_job

CHECK_SECONDS = 1.0
STEP_SECONDS = 0.25  # within which a check's pause ends with the run

START_SECONDS, LONGEST_SECONDS = 3.0, 15.0
"""How long squeue is not asked after a job's submission, unless that goes on for so long."""

SETTLE_SECONDS = 2.0
"""How long after its output the end of a job is waited for that its log does not tell."""

SUCCESS = b"1 of 1 steps (100%) done"
FAILED = b"Exiting because a job execution failed"
"""What Snakemake writes into the log of a job at its end."""

RETURNING = {"BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "REVOKED", "UNKNOWN"}
"""States after which SLURM may have a job wait again, as if it had not begun."""

MOST_DOUBTS = 3
"""How often in a row squeue must say so before such a job is believed to be over."""

Identity = tuple[int, int, int]


@dataclass
class _Submission:
    """What is known of a job that has not ended. Times are monotonic seconds."""

    time: float = field(default_factory=time.monotonic)  # when it was seen first
    output_time: float | None = None  # when its outputs were there first
    doubts: int = 0  # how often in a row squeue has said that it is over


class JobWatch:
    """The jobs that Snakemake's SLURM plugin has submitted.

    All methods but `refresh` are called by the plugin's threads; none waits for a controller that does not answer.
    """

    def __init__(self, executor: Any, path: Path, label: str) -> None:
        self.executor, self.path, self.label = executor, path, label
        self.queue: Queue | None = None  # the latest answer
        self.ids = set[str]()  # of all jobs submitted by this run
        self.before: dict[Any, list[Identity | None]] = {}  # of outputs, when a job was submitted, by Snakemake's id
        self.answer_time = time.monotonic()  # when squeue was asked whose answer was used last
        self.submissions: dict[str, _Submission] = {}  # by SLURM's id
        self.thread: Thread | None = None
        self.rules: dict[str, str] = {}  # of the jobs that have not ended, by SLURM's id
        self.successes = Counter[str]()  # jobs that succeeded, by rule
        self.done = set[str]()  # these jobs, by SLURM's id
        self.tell: Callable[[JobWatch], None] | None = None  # called after each look at the jobs

    def start(self) -> None:
        """Put this watch in the place of the plugin's questions to SLURM."""
        run_job, report_submission = self.executor.run_job, self.executor.report_job_submission

        def run(job: Any) -> None:
            self.before[job.jobid] = [_identify(path) for path in _list_outputs(job)]
            run_job(job)

        def report(info: Any, *arguments: Any, **options: Any) -> None:
            self.ids.add(info.external_jobid)
            report_submission(info, *arguments, **options)

        self.executor.run_job, self.executor.report_job_submission = run, report
        self.executor.check_active_jobs, self.executor.sleep = self.check, self.pause

    async def pause(self) -> None:
        """Wait until the next check, or until the run ends."""
        end = time.monotonic() + CHECK_SECONDS
        while self.executor.wait and time.monotonic() < end:
            await asyncio.sleep(STEP_SECONDS)

    async def check(self, infos: list[Any]) -> AsyncIterator[Any]:
        """Report to Snakemake the jobs that have ended, and yield the others."""
        if not infos:
            return
        for info in infos:
            self.submissions.setdefault(info.external_jobid, _Submission())
        if not self._expects_starts():
            self.refresh()
        queue, jobs = self._take_answer()
        for folder in {path.parent for info in infos for path in _list_outputs(info.job)}:
            with suppress(OSError):
                list(folder.iterdir())  # makes NFS ask the server
        self.rules = {info.external_jobid: info.job.name for info in infos}
        for info in infos:
            if self._has_output(info):
                self._report_success(info)
            elif not queue or not await self._is_over(info, jobs, queue.time):
                yield info
        if self.tell:
            self.tell(self)

    def refresh(self) -> None:
        """Ask for the queue, in a thread: a busy controller may take a minute to answer."""
        if not self.thread or not self.thread.is_alive():
            self.thread = Thread(target=self._ask, daemon=True)
            self.thread.start()

    def _ask(self) -> None:
        self.queue = ask_queue(self.path, self.label)

    def _expects_starts(self) -> bool:
        """Tell whether jobs were submitted a moment ago, of which squeue would say only that they wait."""
        now = time.monotonic()
        latest = max((submission.time for submission in self.submissions.values()), default=-math.inf)
        return now < latest + START_SECONDS and now < self.answer_time + LONGEST_SECONDS

    def _take_answer(self) -> tuple[Queue | None, dict[str, SlurmJob]]:
        """Return the queue, with its jobs by their ids, once after each answer of squeue."""
        queue = self.queue
        if not queue or queue.jobs is None or queue.time < self.answer_time + CHECK_SECONDS:
            return None, {}
        self.answer_time = queue.time
        self._cancel_ghosts(queue.jobs)
        return queue, {job.id: job for job in queue.jobs}

    def _cancel_ghosts(self, jobs: Iterable[SlurmJob]) -> None:
        """Cancel jobs that wait again after their end, as their node failed at that moment: others use their output."""
        if ghosts := [job.id for job in jobs if job.id in self.done and job.is_waiting]:
            Thread(target=cancel_ids, args=(ghosts,), daemon=True).start()  # the next answer has those that are left

    def _has_output(self, info: Any) -> bool:
        """Tell whether a job has made all its outputs, and has ended or is about to."""
        now = [_identify(path) for path in _list_outputs(info.job)]
        before, submission = self.before.get(info.job.jobid, now), self.submissions[info.external_jobid]
        if not now or not all(identity and identity != old for identity, old in zip(now, before, strict=True)):
            submission.output_time = None
            return False
        submission.output_time = submission.output_time or time.monotonic()
        end = _read_end(info.aux["slurm_logfile"])
        return SUCCESS in end or (FAILED not in end and time.monotonic() > submission.output_time + SETTLE_SECONDS)

    async def _is_over(self, info: Any, jobs: dict[str, SlurmJob], asked_at: float) -> bool:
        """Report the end of a job of which the queue says that it is over, or which it has forgotten."""
        number = info.external_jobid
        job, submission = jobs.get(number), self.submissions[number]
        if not job and asked_at < submission.time:
            return False
        job = job or SlurmJob(number, "UNKNOWN")
        submission.doubts = submission.doubts + 1 if job.is_over else 0
        if not job.is_over or (job.state in RETURNING and submission.doubts < MOST_DOUBTS):
            return False
        if job.state == "UNKNOWN":
            job = await asyncio.to_thread(recall_job, number)
            if job.state != "UNKNOWN" and not job.is_over:
                return False
        if job.state == "COMPLETED":
            self._report_success(info)
        else:  # in the plugin's words, which `list_failures` reads
            self._forget(info)
            message = f"SLURM-job '{number}' failed, SLURM status is: '{job.state}'. "
            self.executor.report_job_error(info, msg=message, aux_logs=[str(info.aux["slurm_logfile"])])
        return True

    def _report_success(self, info: Any) -> None:
        self._forget(info)
        self.successes[info.job.name] += 1
        self.done.add(info.external_jobid)
        self.executor.report_job_success(info)
        if not self.executor.workflow.executor_settings.keep_successful_logs:
            with suppress(OSError):
                info.aux["slurm_logfile"].unlink()

    def _forget(self, info: Any) -> None:
        for jobs in (self.rules, self.submissions):
            jobs.pop(info.external_jobid, None)


def _list_outputs(job: Any) -> list[Path]:
    """Return what a job is to make; nothing of a group of jobs, whose end the queue tells."""
    return [] if job.is_group() else [Path(path) for path in job.output]


def _identify(path: Path) -> Identity | None:
    """Return what changes when a file is made again; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read_end(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 2000))
            return file.read()
    except OSError:
        return b""
