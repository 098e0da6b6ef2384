"""The process of a worker ends with it, whatever the volume in its hands does."""

import concurrent.futures
import ctypes
import os
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
from tests.support.patience import wait_until
from tests.support.project import ROOT
from tests.support.wakes import count_wakes

pytestmark = pytest.mark.slow

LONG_END = "from lightsheet.cluster import worker_process; worker_process.END_SECONDS = 600"
LIFETIME_SECONDS = 6
"""Of a worker that must have begun with a volume before it is over."""


def compute_in_threads(seconds: float, trace: str) -> None:
    """Be busy as a volume is, with a pool for whose threads Python waits at its end."""
    Path(trace).touch()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, seconds).result()


def hold_lock(seconds: float, trace: str) -> None:
    """Be in a library that does not let go of Python's lock."""
    Path(trace).touch()
    ctypes.PyDLL(None).sleep(int(seconds))


def wait_for_file(path: str, trace: str) -> None:
    """Be at work until there is a file."""
    Path(trace).touch()
    while not Path(path).exists():
        time.sleep(0.05)


@dataclass
class Coordinator:
    """A scheduler here, and one worker in a process of its own."""

    cluster: LocalCluster
    client: Client
    worker: subprocess.Popen[bytes]
    trace: Path

    def keep_busy(self, function: Callable[[float, str], None]) -> None:
        self.future = self.client.submit(function, 600, str(self.trace), pure=False)
        wait_until(self.trace.exists, 120, "the worker at work")

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
            client.wait_for_workers(1, timeout=120)
            yield Coordinator(cluster, client, worker, tmp_path / "trace")
        finally:
            worker.kill()


def test_a_worker_sleeps_beside_its_volume_and_ends_well_when_it_is_asked_to(coordinator: Coordinator) -> None:
    assert coordinator.client.submit(count_wakes).result(timeout=120) < 50, "as Dask comes, it is some 100"
    jobqueue.close_workers(coordinator.cluster, list(coordinator.client.nthreads()))  # type: ignore[arg-type]
    assert coordinator.worker.wait(END_SECONDS + 60) == 0


def test_a_busy_worker_ends_after_its_coordinator(coordinator: Coordinator) -> None:
    coordinator.keep_busy(compute_in_threads)
    coordinator.leave()
    assert coordinator.worker.wait(END_SECONDS + 60) == 1


@pytest.mark.parametrize("function", [compute_in_threads, hold_lock])
def test_a_worker_that_is_terminated_ends_at_once(
    function: Callable[[float, str], None], coordinator: Coordinator
) -> None:
    coordinator.keep_busy(function)
    coordinator.worker.send_signal(signal.SIGTERM)
    assert coordinator.worker.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("options", [["--preload", LONG_END]])
def test_a_worker_that_is_terminated_while_it_closes_ends_at_once(coordinator: Coordinator) -> None:
    """It would take ten minutes for its end."""
    coordinator.keep_busy(compute_in_threads)
    coordinator.leave()
    time.sleep(0.5)
    coordinator.worker.send_signal(signal.SIGTERM)
    assert coordinator.worker.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("options", [["--lifetime", f"{LIFETIME_SECONDS} s"]])
def test_a_worker_whose_lifetime_ends_does_its_volume_first(coordinator: Coordinator, tmp_path: Path) -> None:
    future = coordinator.client.submit(wait_for_file, str(tmp_path / "end"), str(coordinator.trace), pure=False)
    wait_until(coordinator.trace.exists, 120, "the worker at work")
    time.sleep(LIFETIME_SECONDS)
    assert coordinator.worker.poll() is None
    (tmp_path / "end").touch()
    assert future.result(timeout=120) is None
    assert coordinator.worker.wait(END_SECONDS + 60) == 0
