"""Dask workers for the volumes of one job: processes on this machine, or SLURM jobs. Only this file knows which."""

import logging
import math
import multiprocessing
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
from distributed import Client, LocalCluster, Scheduler, WorkerPlugin
from distributed.security import Security

from lightsheet.cluster.dispatch import WorkerLoss, WorkerPool, list_free_slots
from lightsheet.cluster.fit import MOST_CORES
from lightsheet.cluster.local_gpus import prepare_workers
from lightsheet.cluster.privacy import DASHBOARD, describe_dashboard
from lightsheet.cluster.questions import ask_site
from lightsheet.cluster.request import request_this_job
from lightsheet.cluster.section import read_section
from lightsheet.cluster.slurm import label_jobs
from lightsheet.cluster.survey import fit_width
from lightsheet.cluster.width import Needs
from lightsheet.cluster.worker_number import (
    AUTO,
    choose_local_slots,
    choose_number,
    count_devices,
    limit_to_devices,
)
from lightsheet.cluster.worker_process import REST
from lightsheet.deconvolution import resolve_engine
from lightsheet.store import Results
from lightsheet.system import (
    FEW_PAGE_FAULTS,
    find_memory_limit,
    hide_main,
    logger,
    silence_tifffile,
    start_fork_server,
    write_number,
)

SILENT_SECONDS = 300.0
"""A worker that hangs, so that it sends no heartbeat, counts as lost after this time; a local one is started anew."""

MODULES = ("distributed", "lightsheet.processing.deconvolve", "lightsheet.deconvolution.fused")
"""What local workers import."""

DASHBOARD_SECONDS = 10.0
"""Time after which local workers get a dashboard: it takes 0.4 s to load, and shorter runs are over by then."""


@dataclass(frozen=True)
class WorkerRequest:
    """The workers that a job asks for."""

    kind: str  # `local`: processes on this machine, in this job's own allocation; else a section of jobqueue.yaml
    number: int  # at most, or `AUTO`
    threads: int  # cores that workers on this machine share
    results: Results  # of the run; its folder is seen by all nodes
    block: str  # what they work on; no two coordinators may work on one at a time
    fitted_cores: int = 0  # of each SLURM job, where the section of jobqueue.yaml leaves that to the cluster
    slots: int = 1  # volumes that each worker has in hand at a time
    volume_threads: int = 0  # of each; 0: all cores of the worker
    memory: int = 0  # bytes that each worker needs for them

    @property
    def label(self) -> str:
        """What the names of the run's SLURM jobs begin with."""
        return label_jobs(self.results.folder)

    @property
    def name(self) -> str:
        """The name of the workers' SLURM jobs."""
        return f"{self.label}-{self.block}"

    @property
    def logs(self) -> Path:
        """Folder for the workers' logs."""
        return self.results.folder / "logs" / "workers"

    @property
    def cores(self) -> int:
        """How many cores one worker has."""
        if self.kind == "local":
            return max(1, self.threads // max(1, self.number))
        return self.fitted_cores or read_section(self.kind).cores or MOST_CORES

    def choose_engine(self, setting: str) -> str:
        """Return the engine that an `engine` setting means on these workers, from which this machine may differ."""
        if setting == "auto" and self.kind != "local":
            return read_section(self.kind).choose_engine(setting)
        return resolve_engine(setting)


def fit_request(request: WorkerRequest, needs: Needs, volumes: int, engine: str) -> WorkerRequest:
    """Return a request for no more workers than there are volumes and room, and for as many cores as fit the nodes.

    On this machine `choose_number` says how many, where that is left open; each has one volume at a time, or with a GPU
    as many as keep it busy. SLURM is asked, if workers are its jobs: of what the whole cluster has, as the jobs of
    others end, but cores that are idle now say how large a worker is. One worker is always left: its reason to wait is
    squeue's to tell.

    Parameters
    ----------
    request : WorkerRequest, of the coordinator that runs in this process
    needs : Needs, of a volume
    volumes : int, to be done
    engine : str, what they compute with
    """
    number = min(request.number, volumes)
    if request.kind == "local":
        if request.number == AUTO:
            number = choose_number(request.threads, volumes, needs, find_memory_limit(), count_devices(engine))
        number = max(1, min(limit_to_devices(number, engine), request.threads))
        request = replace(request, number=number)
        slots = choose_local_slots(needs, request.cores, volumes, number, find_memory_limit())
        return _set_slots(request, needs, slots)
    section = read_section(request.kind)
    width = fit_width(section, needs, volumes, ask_site(), request_this_job(), number, is_seated=True)
    number = int(max(1, min(number, width.workers, math.ceil(volumes / width.slots))))
    logger.info(
        "up to %d workers of %d cores each, of section %s; each has %d volume(s) in hand",
        *(number, width.cores, section.name, width.slots),
    )
    request = replace(request, number=number, fitted_cores=width.cores)
    return _set_slots(request, needs, width.slots)


def _set_slots(request: WorkerRequest, needs: Needs, slots: int) -> WorkerRequest:
    threads, memory = needs.choose_threads(request.cores, slots), needs.count_bytes(slots)
    return replace(request, slots=slots, volume_threads=threads, memory=memory)


@contextmanager
def start_workers(request: WorkerRequest, engine: str, memory: int) -> Iterator[WorkerPool]:
    """Start workers, and stop them at the end of the block.

    Parameters
    ----------
    request : WorkerRequest, where they run and how many there are
    engine : str, what they compute with; SLURM's, and those with GPUs, must pass a trial of it before a volume
    memory : int, bytes that SLURM's jobs ask for, unless their section of jobqueue.yaml says otherwise

    Yields
    ------
    WorkerPool, for `map_volumes`
    """
    # `dispatch` decides what a lost worker means; Dask would cancel its job before SLURM could say how it ended.
    settings = {
        **REST,
        "distributed.scheduler.allowed-failures": 0,
        "distributed.deploy.lost-worker-timeout": "1 day",
        "distributed.scheduler.worker-ttl": f"{SILENT_SECONDS} s",
        **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in FEW_PAGE_FAULTS.items()},
    }
    workers: AbstractContextManager[WorkerPool]
    if request.kind == "local":
        workers = _start_local_workers(request, engine)
    else:
        from lightsheet.cluster.slurm_workers import start_slurm_workers

        workers = start_slurm_workers(read_section(request.kind), request, memory, engine)
    # Dask imports modules from its folder for temporary files, which in /tmp anybody may have made before us.
    with (
        TemporaryDirectory(prefix="lightsheet-", ignore_cleanup_errors=True) as scratch,
        dask.config.set({**settings, "temporary-directory": scratch}),
        workers as pool,
    ):
        pool.client.forward_logging(logger.name)
        pool.client.register_plugin(QuietLog())
        yield pool


class QuietLog(WorkerPlugin):
    """Keeps a worker's traceback out of its log where a sentence says all: the coordinator logs that."""

    def setup(self, worker: object) -> None:  # noqa: ARG002 (as Dask calls it)
        """Filter the worker's own log, and silence what a damaged TIFF would add to it."""
        silence_tifffile()
        logging.getLogger("distributed.worker").addFilter(_is_no_refusal)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not (text.startswith("Compute Failed") and re.search(r"Exception: .(Input|Disk|DamagedVolume)Error\(", text))


@contextmanager
def _start_local_workers(request: WorkerRequest, engine: str) -> Iterator["LocalWorkers"]:
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
