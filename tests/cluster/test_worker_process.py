"""The process of a worker ends with it, whatever the volume in its hands does."""

import concurrent.futures
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from lightsheet.cluster import jobqueue
from lightsheet.cluster.worker_process import END_SECONDS
from tests.support.project import ROOT

pytestmark = pytest.mark.slow


def compute_in_threads(seconds: float, trace: str) -> None:
    """Be busy as a volume is, with a pool for whose threads Python waits at its end."""
    Path(trace).touch()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, seconds).result()


def hold_lock(seconds: float, trace: str) -> None:
    """Be in a library that does not let go of Python's lock."""
    Path(trace).touch()
    ctypes.PyDLL(None).sleep(int(seconds))


def count_wakes() -> int:
    """Count how often a thread of the process wakes in a second in which a volume needs no Python."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    time.sleep(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before


@dataclass
class Coordinator:
    """A scheduler here, and one worker in a process of its own."""

    cluster: LocalCluster
    client: Client
    worker: subprocess.Popen[bytes]
    trace: Path

    def keep_busy(self, function: Callable[[float, str], None]) -> None:
        self.future = self.client.submit(function, 60, str(self.trace), pure=False)
        while not self.trace.exists():
            time.sleep(0.05)

    def leave(self) -> None:
        self.client.close()
        self.cluster.close()


@pytest.fixture
def options() -> list[str]:
    return []


@pytest.fixture
def coordinator(tmp_path: Path, options: list[str]) -> Iterator[Coordinator]:
    options = [*options, "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path)]
    options += ["--worker-class", jobqueue.WORKER_CLASS]
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster,
        Client(cluster) as client,
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address, *options],
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT}"},
            stderr=subprocess.DEVNULL,
        ) as worker,
    ):
        try:
            client.wait_for_workers(1, timeout=60)
            yield Coordinator(cluster, client, worker, tmp_path / "trace")
        finally:
            worker.kill()


def test_a_worker_sleeps_beside_its_volume_and_ends_well_when_it_is_asked_to(coordinator: Coordinator) -> None:
    assert coordinator.client.submit(count_wakes).result(timeout=60) < 50, "as Dask comes, it is some 100"
    jobqueue.close_workers(coordinator.cluster, list(coordinator.client.nthreads()))  # type: ignore[arg-type]
    assert coordinator.worker.wait(END_SECONDS + 30) == 0


def test_a_busy_worker_ends_after_its_coordinator(coordinator: Coordinator) -> None:
    coordinator.keep_busy(compute_in_threads)
    coordinator.leave()
    assert coordinator.worker.wait(END_SECONDS + 30) == 1


@pytest.mark.parametrize("function", [compute_in_threads, hold_lock])
def test_a_worker_that_is_terminated_ends_at_once(
    function: Callable[[float, str], None], coordinator: Coordinator
) -> None:
    coordinator.keep_busy(function)
    coordinator.worker.send_signal(signal.SIGTERM)
    assert coordinator.worker.wait(30) == -signal.SIGTERM


def test_a_worker_that_is_terminated_while_it_closes_ends_at_once(coordinator: Coordinator) -> None:
    coordinator.keep_busy(compute_in_threads)
    coordinator.leave()
    time.sleep(0.5)
    coordinator.worker.send_signal(signal.SIGTERM)
    assert coordinator.worker.wait(30) == -signal.SIGTERM


@pytest.mark.parametrize("options", [["--lifetime", "2 s"]])
def test_a_worker_whose_lifetime_ends_does_its_volume_first(coordinator: Coordinator) -> None:
    future = coordinator.client.submit(compute_in_threads, 4, str(coordinator.trace), pure=False)
    assert future.result(timeout=60) is None
    assert coordinator.worker.wait(END_SECONDS + 30) == 0
