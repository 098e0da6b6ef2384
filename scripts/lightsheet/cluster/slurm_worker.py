"""The life of one Dask worker's SLURM job: submitted, connected, tried, ready for volumes, and how it ended."""

import random
import time
from dataclasses import dataclass
from pathlib import Path

from distributed import Client, Future

from lightsheet.cluster.dispatch import WorkerLoss
from lightsheet.cluster.slurm import SlurmJob
from lightsheet.deconvolution import try_engine

UNEXPLAINED_SECONDS = 60.0
"""A worker that does not answer, though SLURM says that its job runs, is given up after this time."""

EXTERNAL_ENDS = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED"}
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
    end: SlurmJob | None = None  # the job once it has ended, with the cause that SLURM or else its log says

    def start_trial(self, client: Client, address: str, engine: str, lifetime: float) -> None:
        """Try the engine on a worker that has connected: its node may lack a GPU, or half of the software."""
        self.address = address
        self.retire_time = time.monotonic() + lifetime * random.uniform(0.9, 1)
        self.trial = client.submit(try_engine, engine, pure=False, workers=[address], allow_other_workers=False)

    def has_time(self, seconds: float) -> bool:
        """Tell whether a volume of so many seconds ends in time; the first one is tried whatever time is left."""
        return self.volumes == 0 or time.monotonic() + seconds <= self.retire_time

    def judge_loss(self) -> WorkerLoss | None:
        """Say why a worker does not answer, and whether its volume may be the cause; None until SLURM knows."""
        self.lost_time = self.lost_time or time.monotonic()
        if self.end:
            return WorkerLoss(self.describe_end(), self.end.state not in EXTERNAL_ENDS)
        if time.monotonic() - self.lost_time > UNEXPLAINED_SECONDS:
            reason = f"job {self.job_id} does not answer, though SLURM says that it runs"
            return WorkerLoss(reason, volume_suspected=True)
        return None

    def describe_end(self) -> str:
        """Say how the job ended, and where its log is."""
        assert self.end
        return f"{self.end.words}; log: {self.log}"
