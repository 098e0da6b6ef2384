"""The life of one Dask worker's SLURM job: submitted, connected, tried, ready for volumes, and how it ended or hung."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client, Future

from lightsheet.cluster.slurm import SlurmJob
from lightsheet.cluster.worker_pool import WorkerLoss
from lightsheet.deconvolution import try_engine
from lightsheet.system import format_duration

CONNECT_SECONDS = 600.0
"""A worker that has not connected so long after its job has begun to run is given up; Python may start slowly."""

TRIAL_SECONDS = 600.0
"""A worker whose trial of the engine takes longer is given up: by then libraries are loaded and GPU code compiled."""

LOST_SECONDS = 60.0
"""A worker that has lost its connection, though SLURM says that its job runs, is given up after this time."""

CLOSE_SECONDS = 10.0
"""A worker that was asked to end, and whose job has not ended after this time, is cancelled."""

DOUBT_SECONDS = 10.0
"""Time for which SLURM must not know a job before it counts as ended: a controller may have restarted."""

MOST_DOUBTS = 3  # how often in a row SLURM must not have known a job, besides

EXTERNAL_ENDS = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED"}
"""SLURM's states of ended jobs that a volume cannot have caused."""


@dataclass
class SlurmWorker:
    """A worker and its job: what Dask and SLURM have said of them so far. All times are monotonic seconds."""

    name: str
    job_id: str
    memory: int  # bytes that the job asked for
    log: Path
    submit_time: float = 0.0  # before which SLURM did not know the job
    node: str = ""
    state: str = "UNKNOWN"  # of the job, as SLURM said last
    address: str | None = None  # once it has connected to the scheduler
    trial: Future[None] | None = None  # of the engine
    is_ready: bool = False  # the trial has passed
    volumes: int = 0  # that it has finished
    retire_time: float = float("inf")  # after this it gets no volume that it might not finish
    run_time: float | None = None  # when SLURM was first heard to run the job
    trial_time: float | None = None  # when the trial began
    lost_time: float | None = None  # when it was missed first
    doubts: list[float] = field(default_factory=list)  # when SLURM did not know the job, since it last did
    hang: str = ""  # why it was given up, though its job ran
    is_released: bool = False  # its end is wanted and no news
    dismiss_time: float | None = None  # when it was asked to end
    end: SlurmJob | None = None  # the job once it has ended, with the cause that SLURM or else its log says

    @property
    def place(self) -> str:
        """The job, and its node once that is known: `job 12 on c1`."""
        return f"job {self.job_id}" + (f" on {self.node}" if self.node else "")

    def start_trial(
        self, client: Client, address: str, node: str, engine: str, lifetime: float, when_done: Callable[[], None]
    ) -> None:
        """Try the engine on a worker that has connected: its node may lack a GPU, or half of the software."""
        self.address, self.node = address, self.node or node
        self.trial_time = time.monotonic()
        self.retire_time = time.monotonic() + lifetime * random.uniform(0.9, 1)
        self.trial = client.submit(try_engine, engine, pure=False, workers=[address], allow_other_workers=False)
        self.trial.add_done_callback(lambda _trial: when_done())

    def has_time(self, seconds: float) -> bool:
        """Tell whether a volume of so many seconds ends in time; the first one is tried whatever time is left."""
        return self.volumes == 0 or time.monotonic() + seconds <= self.retire_time

    def note_job(self, job: SlurmJob) -> bool:
        """Note what SLURM says of the job; tell whether it has ended, which one answer without the job does not say."""
        self.node, self.state = job.node or self.node, job.state
        self.run_time = self.run_time or time.monotonic() if job.state == "RUNNING" else None
        if job.state != "UNKNOWN":
            self.doubts.clear()
            return job.is_over
        self.doubts.append(time.monotonic())
        return len(self.doubts) >= MOST_DOUBTS and self.doubts[-1] - self.doubts[0] >= DOUBT_SECONDS

    @property
    def is_overdue(self) -> bool:
        """Whether its job should have ended by itself by now, and has not."""
        return self.dismiss_time is not None and time.monotonic() - self.dismiss_time > CLOSE_SECONDS

    def find_hang(self, is_connected: bool) -> bool:
        """Tell whether the worker has been of no use for too long, though its job runs."""
        is_lost = self.address is not None and not is_connected
        self.lost_time = (self.lost_time or time.monotonic()) if is_lost else None
        for start, seconds, words in (
            (self.lost_time, LOST_SECONDS, "does not answer"),
            (None if self.is_ready else self.trial_time, TRIAL_SECONDS, "has not ended its trial of the engine"),
            (None if self.address else self.run_time, CONNECT_SECONDS, "has not connected"),
        ):
            if start is not None and time.monotonic() - start > seconds:
                self.hang = f"the worker {words} for {format_duration(seconds)} ({self.state})"
                return True
        return False

    def judge_loss(self) -> WorkerLoss | None:
        """Say why a worker does not answer, and whether its volume may be the cause; None until that is known."""
        if self.hang:
            return WorkerLoss(f"{self.place}: {self.hang}", volume_suspected=self.state != "SUSPENDED")
        if self.end:
            return WorkerLoss(self.describe_end(), self.end.state not in EXTERNAL_ENDS)
        return None

    def describe_end(self) -> str:
        """Say how the job ended, and where its log is."""
        assert self.end
        return f"{self.end.words}; log: {self.log}"
