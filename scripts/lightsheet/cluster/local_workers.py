"""Dask workers as processes on this machine, in the job's own allocation."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dask
from distributed import Client, LocalCluster, Scheduler
from distributed.security import Security

from lightsheet.cluster.local_gpus import prepare_workers
from lightsheet.cluster.privacy import DASHBOARD, describe_dashboard
from lightsheet.cluster.worker_pool import WorkerLoss, list_free_slots
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.system import FEW_PAGE_FAULTS, hide_main, logger, start_fork_server, write_number

MODULES = ("distributed", "lightsheet.processing.deconvolve", "lightsheet.deconvolution.fused")
"""What local workers import."""

DASHBOARD_SECONDS = 10.0
"""Time after which local workers get a dashboard: it takes 0.4 s to load, and shorter runs are over by then."""


@contextmanager
def start_local_workers(request: WorkerRequest, engine: str) -> Iterator["LocalWorkers"]:
    """Start worker processes here, with what Dask is set to; they are gone at the end of the block."""
    # No memory limit: Dask would pause a worker for ever whose one volume takes more than its share.
    with (
        hide_main(),
        _copy_workers(),
        LocalCluster(
            n_workers=request.number,
            threads_per_worker=request.slots,
            memory_limit=0,
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address=DASHBOARD,
            scheduler_kwargs={"dashboard": False},
            silence_logs=40,
            env=dict(os.environ),  # that of the process of which they are copies is older
        ) as cluster,
        Client(cluster) as client,
    ):
        cluster.loop.add_callback(cluster.loop.call_later, DASHBOARD_SECONDS, _load_dashboard, cluster.scheduler)
        workers = write_number(request.number, "Dask worker")
        logger.info("%s on %s; %s", workers, os.uname().nodename, describe_dashboard(cluster))
        if engine == "gpu":
            prepare_workers(client)
        yield LocalWorkers(client, request.slots)


@contextmanager
def _copy_workers() -> Iterator[None]:
    """Let workers that start in the block be copies of one process that has imported everything, where that can be.

    Dask's own setting for that would import all it knows, pandas too, in this process.
    """
    try:
        start_fork_server(MODULES, FEW_PAGE_FAULTS)
    except OSError:
        yield
        return
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("forkserver", force=True)
    try:
        with dask.config.set({"distributed.worker.multiprocessing-method": None}):
            yield
    finally:
        multiprocessing.set_start_method(before, force=True)


def _load_dashboard(scheduler: Scheduler) -> None:
    """Add its pages to a scheduler's server."""
    from distributed.dashboard.scheduler import connect

    connect(scheduler.http_application, scheduler.http_server, scheduler)


@dataclass
class LocalWorkers:
    """Worker processes on this machine, with `slots` volumes at a time; each has a nanny, which replaces it."""

    client: Client
    slots: int
    news: threading.Event = field(default_factory=threading.Event)

    def maintain(self, volumes: int, busy: Sequence[str]) -> None:
        """Leave it to the nannies."""

    def list_connected(self) -> set[str]:
        """Return the addresses of all workers that are connected."""
        return set(self.client.nthreads())

    def count_workers(self) -> tuple[int, int, str]:
        """Count those that are connected; no other is waited for."""
        return len(self.list_connected()), 0, ""

    def list_free(self, busy: Sequence[str]) -> list[str]:
        """Return workers by their free slots."""
        return list_free_slots(sorted(self.list_connected()), self.slots, busy)

    def explain_loss(self, address: str) -> WorkerLoss:
        """Suspect the volume: everything else on this machine still runs."""
        return WorkerLoss(f"the worker process at {address} died", volume_suspected=True)

    def record_duration(self, address: str, seconds: float) -> None:
        """Do nothing: these workers have no walltime."""
