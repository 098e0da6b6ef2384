"""Dask workers for the volumes of one job: processes on this machine, or SLURM jobs. Only this file knows which."""

import logging
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from tempfile import TemporaryDirectory

import dask
from distributed import WorkerPlugin

from lightsheet.cluster.local_workers import start_local_workers
from lightsheet.cluster.section import read_section
from lightsheet.cluster.worker_pool import WorkerPool
from lightsheet.cluster.worker_process import REST
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.system import FEW_PAGE_FAULTS, logger, silence_tifffile

SILENT_SECONDS = 300.0
"""A worker that hangs, so that it sends no heartbeat, counts as lost after this time; a local one is started anew."""


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
        workers = start_local_workers(request, engine)
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
