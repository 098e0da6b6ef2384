"""Dask workers for a job's volumes. The only file that knows where they run."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from distributed import Client, LocalCluster, as_completed

from lightsheet.errors import InputError
from lightsheet.log import logger


@contextmanager
def start(kind: str, workers: int) -> Iterator[Client]:
    """Start workers, and stop them at the end of the block.

    Parameters
    ----------
    kind : str
        `local`: processes on this machine.
    workers : int
        How many. One worker holds one volume at a time and uses its cores inside that volume.

    Yields
    ------
    distributed.Client
        Connected to the workers.
    """
    if kind != "local":
        raise InputError(f"resource dask_cluster: {kind!r} is not known; it may be local")
    # No memory limit: Dask would pause a worker for ever whose one volume takes more than its share.
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=":0", silence_logs=40
    )
    with cluster, Client(cluster) as client:
        logger.info("%d Dask worker(s) here; dashboard at %s", workers, client.dashboard_link)
        yield client


def each(
    client: Client, function: Callable[..., Any], tasks: Mapping[Any, Mapping[str, Any]]
) -> Iterator[tuple[Any, Any]]:
    """Call `function` once a task on the workers.

    Parameters
    ----------
    client : distributed.Client
        See `start`.
    function : callable
        Importable on the workers; its results are on the disk when it returns.
    tasks : mapping
        Keyword arguments per task name.

    Yields
    ------
    name, outcome
        As tasks finish: the value returned, or the exception that the task raised.
    """
    futures = {client.submit(function, **kwargs, pure=False): name for name, kwargs in tasks.items()}
    for future in as_completed(futures):
        outcome = future.exception() if future.status != "finished" else future.result()
        yield futures[future], outcome
