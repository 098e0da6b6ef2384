"""A disk that fills up: a sentence that names it, and the same command goes on when there is room. Needs root."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import CHANNELS, ONE_WORKER, Project
from tests.support.small_disk import mount_memory, resize_memory, unmount

FORECAST_OF_THE_PAST = """
import shutil
shutil.disk_usage = lambda _path: shutil._ntuple_diskusage(10**12, 0, 10**12)
"""
"""What Python's start runs: the disk had room when the run looked, before somebody else filled it."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project of one channel and two timepoints, its results on a disk of their own."""
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "sitecustomize.py").write_text(FORECAST_OF_THE_PAST)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "start"))
    project = Project(tmp_path)
    project.simulate(timepoints=2, channels=1)
    project.configure_one_channel()
    mount_memory(tmp_path / "results", 210)
    yield project
    unmount(tmp_path / "results")


@pytest.mark.slow
@pytest.mark.workflow
def test_a_disk_that_fills_up_is_named_and_with_room_the_same_command_goes_on(project: Project) -> None:
    ended = project.run()
    text = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "Traceback" not in text, text
    disk = f"the disk at {project.folder}/results is full"
    assert any(f"work/result/{CHANNELS[0]}" in line and disk in line for line in text.splitlines()), text
    assert disk in "\n".join(text.splitlines()[-8:]), "at the end, where people look"
    assert list((project.folder / "results").rglob(".part.*")) == []
    records = project.finished("raw")
    assert len(records) == 2
    assert project.record("result", 0, 0) is None or project.record("result", 0, 0)["status"] == "done"
    resize_memory(project.folder / "results", 50_000)
    project.succeed("--until", "deconvolve", *ONE_WORKER)
    assert project.finished("raw") == records
    assert len(project.finished("result")) == 2
