"""What several test files share."""

import gc
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.reference_data import DATA

# No example is timed: machines stall. `make check` takes the smallest profile, `make fuzz` the largest. That one alone
# draws new examples each time: what it finds is mended, while the same code passes the others today and tomorrow.
QUIET = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow,)}
settings.register_profile("quick", max_examples=10, derandomize=True, **QUIET)
settings.register_profile("ci", max_examples=30, derandomize=True, **QUIET)
settings.register_profile("fuzz", max_examples=3000, **QUIET)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Third-party images that are no part of the project."""
    if not (DATA / "README.md").exists():
        pytest.skip(f"no reference data at {DATA}: set LIGHTSHEET_DATA")
    return DATA.resolve()


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands in SLURM's place, which are waited for; `tests/slurm` asks the real ones."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("lightsheet.cluster.questions.SECONDS", 60.0)
    return tmp_path


@pytest.fixture(autouse=True)
def forget_scheduler() -> Iterator[None]:
    """Let no test inherit Dask's scheduler from one whose cluster was killed before its client could be closed."""
    yield
    if "dask" in sys.modules:
        sys.modules["dask"].config.config.pop("scheduler", None)


@pytest.fixture(autouse=True)
def forget_silence() -> Iterator[None]:
    """Let no test inherit from one that played a command or a job that tifffile is silent."""
    level = logging.getLogger("tifffile").level
    yield
    logging.getLogger("tifffile").setLevel(level)


@pytest.fixture(autouse=True, scope="session")
def skip_flushes() -> Iterator[None]:
    """Let no test of this process wait for the disk; one of a disk that fails then takes `posix.fsync`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # of a handle that is none it is an error as well
        yield


def pytest_collection_finish() -> None:
    """Let the garbage collector look neither at the tests nor, as often as it would, at all that was imported."""
    gc.freeze()
    gc.set_threshold(700, 10, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest first, so that no process ends long after the others: the cluster's tests, then whole runs."""
    slow = ("slurm", "workflow")
    items.sort(key=lambda item: next((n for n, mark in enumerate(slow) if item.get_closest_marker(mark)), len(slow)))


class _ByFile(LoadScopeScheduling):
    """Run the tests of a file in one process, but for the cells of chaos, which share their folder with any process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return nodeid if file.endswith("test_chaos.py") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Use `_ByFile`: xdist 3.8 ignores its marks for groups under pytest 9.2 (pytest-xdist issue 1386)."""
    return _ByFile(config, log)
