"""Dask workers for a job's volumes: on this machine, or jobs of SLURM. The only file that knows which."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dask
from distributed import Client, LocalCluster

from lightsheet.cluster.dispatch import WorkerLoss, WorkerPool, free_slots
from lightsheet.cluster.jobqueue import read_section
from lightsheet.deconvolution import count_slots, resolve_engine
from lightsheet.system import logger


@dataclass(frozen=True)
class WorkerRequest:
    """What a block asks for.

    Parameters
    ----------
    kind : str
        `local`: processes on this machine, in this job's own allocation; else a section of jobqueue.yaml.
    number : int
        How many at most. A worker uses its cores inside one volume; with a GPU it has others in hand meanwhile.
    threads : int
        Cores that workers on this machine share; a section of jobqueue.yaml says its own.
    name : str
        What the workers' SLURM jobs are called; no two coordinators share it at a time.
    logs : Path
        Folder for the workers' logs, seen by all nodes.
    """

    kind: str
    number: int
    threads: int
    name: str
    logs: Path

    @property
    def cores(self) -> int:
        """How many cores one worker uses inside a volume."""
        if self.kind == "local":
            return max(1, self.threads // self.number)
        return read_section(self.kind).cores

    def engine(self, asked: str) -> str:
        """Name the engine that an `engine` setting stands for on these workers, which this machine may be unlike."""
        if asked == "auto" and self.kind != "local":
            return "gpu" if read_section(self.kind).gpu else "cpu"
        return resolve_engine(asked)


@contextmanager
def start_workers(asked: WorkerRequest, engine: str, memory: int) -> Iterator[WorkerPool]:
    """Start workers, and stop them at the end of the block.

    Parameters
    ----------
    asked : Workers
        Which, and how many.
    engine : str
        What the workers compute with; SLURM's are tried with it before they get a volume.
    memory : int
        Bytes that a worker needs; SLURM's are asked for it unless their section of jobqueue.yaml says otherwise.

    Yields
    ------
    Pool
        To be handed to `lightsheet.cluster.dispatch.map_volumes`.
    """
    # `dispatch` decides what a lost worker means; Dask would cancel its job before SLURM could say how it ended.
    ours = {"distributed.scheduler.allowed-failures": 0, "distributed.deploy.lost-worker-timeout": "1 day"}
    with dask.config.set(ours):
        if asked.kind == "local":
            with _local(asked, count_slots(engine)) as pool:
                yield pool
        else:
            from lightsheet.cluster.slurm_workers import start_slurm_workers

            section = read_section(asked.kind)
            with start_slurm_workers(section, asked.number, asked.name, asked.logs, memory, engine) as pool:
                yield pool


class LocalWorkers:
    """Worker processes on this machine, with `slots` volumes at a time; each has a nanny, which replaces it."""

    def __init__(self, client: Client, slots: int) -> None:
        self.client, self.slots = client, slots

    def tend(self, left: int, busy: Sequence[str]) -> None:
        """Leave it to the nannies."""

    def here(self) -> set[str]:
        """Return the addresses of all workers that are connected."""
        return set(self.client.nthreads())

    def free(self, busy: Sequence[str]) -> list[str]:
        """Return the workers by their free slots; those with the fewest volumes first."""
        return free_slots(sorted(self.here()), self.slots, busy)

    def loss(self, address: str) -> WorkerLoss:
        """Blame the volume: what else runs here runs on."""
        return WorkerLoss(f"the worker process at {address} died", blamed=True)

    def took(self, address: str, seconds: float) -> None:
        """Learn nothing: these workers stay."""


@contextmanager
def _local(asked: WorkerRequest, slots: int) -> Iterator[LocalWorkers]:
    # No memory limit: Dask would pause a worker for ever whose one volume takes more than its share.
    with (
        LocalCluster(
            n_workers=asked.number, threads_per_worker=slots, memory_limit=0, dashboard_address=":0", silence_logs=40
        ) as cluster,
        Client(cluster) as client,
    ):
        logger.info(
            "%d Dask worker(s) on %s; dashboard at %s", asked.number, os.uname().nodename, cluster.dashboard_link
        )
        client.forward_logging(logger.name)
        yield LocalWorkers(client, slots)
