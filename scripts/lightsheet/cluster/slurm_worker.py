"""The life of one Dask worker's SLURM job: submitted, connected, tried, ready for volumes, and how it ended."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dask_jobqueue.slurm import SLURMCluster
from distributed import Client, Future

from lightsheet.cluster.dispatch import WorkerLoss
from lightsheet.cluster.jobqueue import replace_jobs
from lightsheet.cluster.slurm import SlurmJob, explain_end
from lightsheet.deconvolution import try_engine

UNEXPLAINED_SECONDS = 60.0
"""A worker that does not answer, though SLURM says that its job runs, is given up after this time."""

INNOCENT = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED"}
"""SLURM's states of ended jobs that a volume cannot have caused."""


@dataclass
class SlurmWorker:
    """A worker and its job: what Dask and SLURM have said of them so far."""

    name: str
    job_id: str
    memory: int  # bytes that the job asked for
    log: Path
    node: str = ""
    address: str | None = None  # once it has connected to the scheduler
    trial: Future[None] | None = None  # of the engine
    is_ready: bool = False  # the trial has passed
    volumes: int = 0  # that it has finished
    retire_time: float = float("inf")  # after this (monotonic seconds) it gets no volume that it might not finish
    lost_time: float | None = None  # when it was missed first, monotonic seconds
    is_released: bool = False  # its job was cancelled by us
    end: SlurmJob | None = None  # the job once it has ended

    def start_trial(self, client: Client, address: str, engine: str, lifetime: float) -> None:
        """Try the engine on a worker that has connected: its node may lack a GPU, or half of the software."""
        self.address = address
        self.retire_time = time.monotonic() + lifetime * random.uniform(0.9, 1)
        self.trial = client.submit(try_engine, engine, pure=False, workers=[address], allow_other_workers=False)

    def has_time(self, seconds: float) -> bool:
        """Tell whether a volume of so many seconds ends in time; the first one is tried whatever time is left."""
        return self.volumes == 0 or time.monotonic() + seconds <= self.retire_time

    def decide_end(self) -> WorkerLoss | None:
        """Judge the loss of a worker that does not answer; None until SLURM knows how its job ended."""
        self.lost_time = self.lost_time or time.monotonic()
        if self.end:
            return WorkerLoss(self.describe_end(), self.end.state not in INNOCENT)
        if time.monotonic() - self.lost_time > UNEXPLAINED_SECONDS:
            reason = f"job {self.job_id} does not answer, though SLURM says that it runs"
            return WorkerLoss(reason, volume_suspected=True)
        return None

    def record_end(self, job: SlurmJob) -> None:
        """Keep how the job ended, as SLURM or else its log says."""
        self.end = explain_end(job, self.log)

    def describe_end(self) -> str:
        """Say how the job ended, and where its log is."""
        assert self.end
        return f"{self.end.words}; log: {self.log}"


def submit_workers(
    cluster: SLURMCluster, names: Sequence[str], memory: int, log_prefix: Path
) -> tuple[list[SlurmWorker], str]:
    """Submit a job for each name; return the workers whose jobs SLURM took, and why sbatch refused the others."""
    refusal = replace_jobs(cluster, submit=names)
    jobs = {name: job.job_id for name in names if (job := cluster.workers.get(name)) and job.job_id}
    if refusal:
        replace_jobs(cluster, cancel=set(names) - set(jobs))
    workers = [SlurmWorker(name, job_id, memory, Path(f"{log_prefix}-{job_id}.err")) for name, job_id in jobs.items()]
    return workers, refusal
