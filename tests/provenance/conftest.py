"""What several test files of provenance share."""

import shutil
from pathlib import Path

import pytest

from lightsheet.run.run import Run
from tests.support import tiny_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Whose provenance is damaged for a while, and restored."""
    return tiny_run.make(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def original(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The provenance of the run alone, to compare with."""
    copied = tmp_path_factory.mktemp("original")
    shutil.copytree(run.results.folder / "provenance", copied / "provenance")
    shutil.copy(run.results.crate, copied)
    return copied


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Not to be changed."""
    return tiny_run.make(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> Path:
    """A results folder to be changed; its inputs are those of `finished`."""
    return shutil.copytree(finished.results.folder, tmp_path / "tiny")
