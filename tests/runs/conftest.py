"""One finished run for all tests of this folder, and copies of it for those that change something."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.project import Project, finish_small_run
from tests.support.shared_folder import make_once


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two channels x three timepoints in one block, all done; to look at, not to change."""
    return Project(make_once(tmp_path_factory, "finished", finish_small_run))


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run."""
    shutil.copytree(finished.folder, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture
def fresh(finished: Project, tmp_path: Path) -> Project:
    """The same acquisition, nothing done yet."""
    folder = tmp_path / "fresh"
    shutil.copytree(finished.folder / "data", folder / "data")
    shutil.copy(finished.folder / "my.yaml", folder)
    return Project(folder)


@pytest.fixture
def small(finished: Project, tmp_path: Path) -> Project:
    """Its first volume alone, nothing done yet."""
    folder = tmp_path / "small"
    shutil.copytree(finished.folder / "data" / "psf", folder / "data" / "psf")
    shutil.copy(finished.tiffs()[0], folder / "data")
    project = Project(folder)
    project.configure_one_channel()
    return project


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system in memory, with options like `size=1m`."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a small disk to fill")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)
