"""A SLURM on this machine for the tests of this folder: see minislurm.py for its nodes and partitions."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support import minislurm
from tests.support.minislurm import Cluster
from tests.support.project import Project, finish_small_run
from tests.support.shared_folder import make_once
from tests.support.slurm_project import SlurmProject


@contextmanager
def running(request: pytest.FixtureRequest, accounting: bool = False) -> Iterator[Cluster]:
    """Run a cluster; its folder, with the logs, stays until the next one starts if something failed."""
    cluster = Cluster(minislurm.own_folder())
    failed_before = request.session.testsfailed
    try:
        cluster.start(accounting)
        yield cluster
    finally:
        cluster.stop()
    if request.session.testsfailed == failed_before:
        shutil.rmtree(cluster.folder)
    else:
        print(f"SLURM's logs are in {cluster.folder}/log")


@pytest.fixture(scope="session")
def _slurm(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if reason := minislurm.why_not():
        pytest.skip(reason)
    try:
        minislurm.hide_link()
    except OSError as error:
        pytest.skip(f"root may not mount here: {error}")
    minislurm.sweep()
    with pytest.MonkeyPatch.context() as patch, running(request) as cluster:
        patch.delenv("SLURM_CONF", raising=False)  # tests find the cluster as users do, where SLURM looks by default
        yield cluster


@pytest.fixture
def slurm(_slurm: Cluster) -> Iterator[Cluster]:
    """Yield a cluster with an empty queue and all its nodes."""
    yield _slurm
    _slurm.revive_all()
    _slurm.cancel_all()
    _slurm.kill_leftovers()


@pytest.fixture
def slurm_with_accounting(slurm: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Yield another cluster, in whose place `slurm` is not found meanwhile: `sacct` works on it."""
    slurm.unlink()
    try:
        with running(request, accounting=True) as cluster:
            yield cluster
    finally:
        slurm.link()


@dataclass(frozen=True)
class User:
    """An unprivileged user, whose home is `folder`."""

    name: str
    folder: Path

    def run(self, *command: str | Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command as this user in their home, with a fresh environment."""
        change = ("setpriv", f"--reuid={self.name}", f"--regid={self.name}", "--init-groups", "--reset-env", "--")
        return subprocess.run(
            [*change, *command], cwd=self.folder, capture_output=True, text=True, timeout=seconds, check=False
        )


@pytest.fixture
def as_user(slurm: Cluster) -> Iterator[User]:
    """Yield a user made for this test."""
    user = User("lightsheet-test", Path(tempfile.mkdtemp(prefix="lightsheet-test-")) / "home")
    user.folder.parent.chmod(0o755)
    remove_user(user)
    subprocess.run(
        ["useradd", "--user-group", "--create-home", f"--home-dir={user.folder}", "--shell=/bin/bash", user.name],
        check=True,
    )
    try:
        yield user
    finally:
        slurm.cancel_all()
        remove_user(user)
        shutil.rmtree(user.folder.parent)


def remove_user(user: User) -> None:
    """Kill all that a user left running, and remove the user if it exists."""
    for process in psutil.process_iter(["username"]):
        if process.info["username"] == user.name:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    subprocess.run(["userdel", "--force", user.name], capture_output=True, check=False)


@pytest.fixture(scope="session")
def _local_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished run of tests/runs, which nothing disturbed, without SLURM."""
    return Project(make_once(tmp_path_factory, "finished", finish_small_run))


@pytest.fixture
def fresh(_local_run: Project, slurm: Cluster, tmp_path: Path) -> Iterator[SlurmProject]:
    """The same acquisition, nothing done yet."""
    project = SlurmProject(tmp_path / "fresh", slurm, _local_run.digests())
    shutil.copytree(_local_run.folder / "data", project.folder / "data")
    shutil.copy(_local_run.folder / "my.yaml", project.folder)
    project.offer()
    yield project
    project.end()


@pytest.fixture
def project(
    request: pytest.FixtureRequest, _local_run: Project, slurm: Cluster, tmp_path: Path
) -> Iterator[SlurmProject]:
    """The same acquisition, ingested; nothing deconvolved yet. It lies in a folder of the name that a module says."""
    project = SlurmProject(tmp_path / request.module.PLACE, slurm, _local_run.digests())
    shutil.copytree(_local_run.folder, project.folder)
    done = ["records/result", "work/result", "small.ome.zarr", "raw", "provenance", "report.html"]
    for place in [*done, *(f"work/manifests/{name}.json" for name in ("deconvolve.t0000", "consolidate"))]:
        path = project.results / place
        path.unlink() if path.is_file() else shutil.rmtree(path)
    project.offer()
    yield project
    project.end()
