"""Jobs of workers that are handed to sbatch, and what follows when it refuses one."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from dask_jobqueue.slurm import SLURMCluster

from lightsheet.cluster.faults import FINAL, PERMANENT, TEMPORARY
from lightsheet.cluster.jobqueue import set_job_options, update_jobs
from lightsheet.cluster.section import Section, choose_lifetime
from lightsheet.cluster.slurm_worker import SlurmWorker
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.system import InputError, logger

REFUSAL_SECONDS = 60.0
"""Pause after a refusal, until sbatch is tried again."""


@dataclass
class Submission:
    """Submits jobs of one section, a minute after a refusal at the earliest."""

    cluster: SLURMCluster
    section: Section
    request: WorkerRequest
    refusal: str = ""  # what sbatch said last, if it refused a job
    refusals: set[str] = field(default_factory=set)  # all that it said so far
    time: float = 0.0  # before it, sbatch is not tried again; monotonic seconds
    count: Iterator[int] = field(default_factory=itertools.count)

    @property
    def is_due(self) -> bool:
        """Whether sbatch may be tried."""
        return time.monotonic() > self.time

    def submit(self, number: int, memory: int, volume_seconds: float) -> list[SlurmWorker]:
        """Submit so many jobs of so many bytes; return the workers whose jobs sbatch took."""
        lifetime = choose_lifetime(self.section.walltime, volume_seconds)
        margin = self.section.walltime - lifetime
        set_job_options(self.cluster, self.section, memory, lifetime + margin / 2, margin / 4, self.request.slots)
        names = [f"worker-{next(self.count)}" for _ in range(number)]
        self.refusal = update_jobs(self.cluster, submit=names)
        jobs = {name: job.job_id for name in names if (job := self.cluster.workers.get(name)) and job.job_id}
        if jobs:
            logger.info("%d worker job(s) submitted: %s", len(jobs), " ".join(jobs.values()))
        if self.refusal:
            update_jobs(self.cluster, cancel=set(names) - set(jobs))
        return [
            SlurmWorker(name, number, memory, self.request.logs / f"{self.request.name}-{number}.err", time.monotonic())
            for name, number in jobs.items()
        ]

    def judge_refusal(self, has_workers: bool) -> bool:
        """Tell whether sbatch will never take such a job, and log the refusal; else it is tried again later.

        Raises
        ------
        InputError
            If the run has no worker, and the refusal does not pass by itself.
        """
        self.time = time.monotonic() + REFUSAL_SECONDS
        is_permanent = bool(PERMANENT.search(self.refusal))
        if not has_workers and not TEMPORARY.search(self.refusal):
            remark = f" {FINAL}" if is_permanent else ""
            raise InputError(
                f"SLURM refuses the workers of section {self.section.name} of jobqueue.yaml: {self.refusal}{remark}"
            )
        if self.refusal not in self.refusals:
            logger.warning("sbatch refused a worker: %s", self.refusal)
        self.refusals.add(self.refusal)
        return is_permanent
