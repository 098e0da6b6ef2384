"""How workers leave that are wanted no more: by themselves where they can, so that their jobs end well."""

import time
from collections.abc import Iterable, Sequence

from dask_jobqueue.slurm import SLURMCluster

from lightsheet.cluster.jobqueue import close_workers, update_jobs
from lightsheet.cluster.shared_queue import read_queue
from lightsheet.cluster.slurm import cancel_ids
from lightsheet.cluster.slurm_worker import CLOSE_SECONDS, SlurmWorker
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.system import logger

POLL_SECONDS = 0.1


def cancel_left(request: WorkerRequest) -> None:
    """Cancel the workers of a coordinator that was killed, as far as the run's queue knows of them."""
    jobs = read_queue(request.results.queue, request.label) or []
    ids = [job.id for job in jobs if job.name == request.name and not job.is_over]
    if ids:
        logger.info("cancelling %d worker(s) of an earlier coordinator: %s", len(ids), " ".join(ids))
    cancel_ids(ids)


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


def end_workers(cluster: SLURMCluster, workers: Sequence[SlurmWorker]) -> None:
    """Cancel jobs that have no worker yet, ask the others to end, and cancel after some seconds those that do not.

    A worker that has left is not awaited further: its process ends by itself, hard if need be (`MortalWorker`).
    """
    addresses = list_addresses(cluster)
    _cancel([worker for worker in workers if worker.name not in addresses and not worker.dismiss_time])
    connected = [worker for worker in workers if worker.name in addresses]
    for worker in connected:
        worker.address = addresses[worker.name]
    dismiss_workers(cluster, connected)
    end = time.monotonic() + CLOSE_SECONDS
    while time.monotonic() < end and any(worker.name in list_addresses(cluster) for worker in workers):
        time.sleep(POLL_SECONDS)
    _cancel([worker for worker in connected if worker.name in list_addresses(cluster)])


def list_addresses(cluster: SLURMCluster) -> dict[str, str]:
    """Return the address of each connected worker, by name; the scheduler lives in this process."""
    assert cluster.scheduler
    return {worker.name: worker.address for worker in list(cluster.scheduler.workers.values())}


def _cancel(workers: Iterable[SlurmWorker]) -> None:
    cancel_ids([worker.job_id for worker in workers])
