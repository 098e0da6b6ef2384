"""A measurement in a Dask worker, as a run on this machine starts them."""

import tempfile
from pathlib import Path

from support.peers import Measured, Method, measure

from lightsheet.cluster import WorkerRequest, start_workers
from lightsheet.store import Results


def measure_in_worker(folder: Path, method: Method, iterations: int, threads: int) -> Measured:
    """Do what `measure` does in a worker that has all threads."""
    with tempfile.TemporaryDirectory() as results:
        request = WorkerRequest("local", 1, threads, Results(Path(results)), "benchmark")
        with start_workers(request, "cpu", 0) as workers:
            measured: Measured = workers.client.submit(measure, folder, method, iterations, threads).result()
    return measured
