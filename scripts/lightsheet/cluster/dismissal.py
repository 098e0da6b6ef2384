"""How workers leave that are wanted no more: by themselves where they can, so that their jobs end well."""

import time
from collections.abc import Sequence
from contextlib import suppress

from dask_jobqueue.slurm import SLURMCluster

from lightsheet.cluster.jobqueue import close_workers, update_jobs
from lightsheet.cluster.slurm import NoAnswerError, cancel_ids, wait_for_ends
from lightsheet.cluster.slurm_worker import CLOSE_SECONDS, SlurmWorker


def dismiss_workers(cluster: SLURMCluster, workers: Sequence[SlurmWorker]) -> None:
    """Ask connected workers to end; those that do not are to be cancelled when they cling to their jobs."""
    for worker in workers:
        worker.is_released, worker.dismiss_time = True, worker.dismiss_time or time.monotonic()
    close_workers(cluster, [worker.address for worker in workers if worker.address])


def cancel_workers(cluster: SLURMCluster, workers: Sequence[SlurmWorker]) -> None:
    """Cancel the jobs of workers that cannot be asked."""
    for worker in workers:
        worker.is_released, worker.dismiss_time = True, None
    if workers:
        update_jobs(cluster, cancel=[worker.name for worker in workers])


def end_workers(cluster: SLURMCluster, workers: Sequence[SlurmWorker], name: str) -> None:
    """Cancel jobs that have no worker yet, ask the others to end, and wait some seconds for those of this `name`."""
    assert cluster.scheduler
    addresses = {worker.name: worker.address for worker in list(cluster.scheduler.workers.values())}
    with suppress(NoAnswerError):
        cancel_ids([worker.job_id for worker in workers if worker.name not in addresses and not worker.is_released])
    connected = [worker for worker in workers if worker.name in addresses]
    for worker in connected:
        worker.address = addresses[worker.name]
    dismiss_workers(cluster, connected)
    if any(worker.dismiss_time for worker in workers):
        wait_for_ends(name, CLOSE_SECONDS)
