"""What several test files of planning share."""

import os
from pathlib import Path

import pytest

from lightsheet.psf import preparation
from lightsheet.psf.measure import save_psf
from lightsheet.run.run import Run
from tests.support import tiny_run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for images, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return Path("images")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep which jobqueue.yaml the command chooses from the tests that follow in this process."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with its PSFs, and nothing else done."""
    folder = tmp_path_factory.mktemp("pilot")
    tiny_run.simulate(folder / "my data")
    run = tiny_run.prepare(folder)
    for channel in run.channels:
        psf, _ = preparation.prepare_psf_file(Path(run.find_psf_file(channel)), **run.psf_settings[channel])
        save_psf(psf, tiny_run.VOXEL, run.results.psf(channel, ".tif"))
    return run
