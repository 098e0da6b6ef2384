"""Nobody but the user of a run gets anything done by its workers."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from distributed import LocalCluster

from lightsheet.cluster import privacy, workers
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.store import Results
from lightsheet.system.errors import InputError
from tests.support.intruder import attack, list_listeners

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")

MEMBER = """
import os, sys
from pathlib import Path
from lightsheet.cluster import jobqueue, section
section = section.read_section("cpu")
os.setgroups([1000]); os.setgid(1000); os.setuid(int(sys.argv[1])); os.umask(0o002); os.environ["HOME"] = "/tmp"
if __name__ == "__main__":
    with jobqueue.start_scheduler(section, "ls-demo-1-t0000", Path(sys.argv[2]), 10**9, 1):
        if sys.argv[3] == "killed":
            os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
@as_root
def test_another_user_of_the_machine_gets_no_answer_from_local_workers(tmp_path: Path) -> None:
    with workers.start_workers(WorkerRequest("local", 1, 1, Results(tmp_path), "t0000"), "cpu", 0):
        listeners = list_listeners()
        assert len(listeners) >= 4, "a scheduler, its dashboard, a nanny and a worker listen"
        assert {host for host, _ in listeners} == {"127.0.0.1"}
        assert attack(listeners) == ""


def list_import_folders() -> list[str]:
    return sys.path


@pytest.mark.slow
def test_no_module_is_imported_from_a_folder_that_somebody_else_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "dask-scratch-space"  # Dask would use it, as it can write there
    trap.mkdir()
    trap.chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = set(sys.path)
    with workers.start_workers(WorkerRequest("local", 1, 1, Results(tmp_path), "t0000"), "cpu", 0) as pool:
        folders = {*sys.path, *pool.client.submit(list_import_folders).result()} - before
        (scratch,) = [path for path in tmp_path.iterdir() if path.name.startswith("lightsheet-")]
        assert scratch.stat().st_mode & 0o777 == 0o700
        assert any(Path(folder).is_relative_to(scratch) for folder in folders)
        assert not any(Path(folder).is_relative_to(trap) for folder in folders)
    assert not scratch.exists()


@pytest.mark.slow
@as_root
def test_the_intruder_of_these_tests_would_be_answered_without_keys() -> None:
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster:
        assert "'type': 'Scheduler'" in attack([("127.0.0.1", cluster.scheduler.port)], seconds=60)


def test_keys_are_the_users_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with privacy.create_key_files(tmp_path / "logs", "ls-a-t0000"):
            (folder,) = (tmp_path / "logs").iterdir()
            modes = {path.name: path.stat().st_mode & 0o777 for path in [folder, *folder.iterdir()]}
    finally:
        os.umask(umask)
    assert modes == {folder.name: 0o700, "cert.pem": 0o600, "key.pem": 0o600}
    assert not folder.exists()


def test_keys_are_gone_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), privacy.create_key_files(tmp_path, "ls-a-t0000"):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_killed_coordinators_keys_are_removed_by_the_next_of_its_name_alone(tmp_path: Path) -> None:
    left = [tmp_path / f".keys.ls-a-{block}.k1l2m3n4" for block in ("t1000", "t10000")]
    for folder in left:
        folder.mkdir()
        (folder / "key.pem").touch()
    with privacy.create_key_files(tmp_path, "ls-a-t1000"):
        assert not left[0].exists()
        assert left[1].exists()


@pytest.mark.slow
@as_root
def test_a_second_member_of_a_group_can_run_in_the_same_folder() -> None:
    with TemporaryDirectory() as name:
        logs = Path(name, "logs")
        logs.mkdir()
        os.chown(logs, 1001, 1000)
        logs.chmod(0o2775)
        Path(name).chmod(0o755)
        ends = [
            subprocess.run([sys.executable, "-c", MEMBER, user, logs, end], check=False, cwd="/").returncode
            for user, end in (("1001", "killed"), ("1002", "well"))
        ]
        assert ends == [-signal.SIGKILL, 0]
        (left,) = logs.iterdir()
        assert left.stat().st_uid == 1001, "what the first has left is the first's to remove"


def test_a_file_system_without_permissions_is_no_place_for_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_open_folder(prefix: str, dir: Path) -> str:
        (dir / prefix).mkdir(mode=0o755)
        return str(dir / prefix)

    monkeypatch.setattr("tempfile.mkdtemp", make_open_folder)
    with (
        pytest.raises(InputError, match="other users can read all files there"),
        privacy.create_key_files(tmp_path, "a"),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("address", "places"),
    [
        (None, "127.0.0.1:0"),
        (False, "127.0.0.1:0"),
        (8787, ["127.0.0.1:8787"]),
        (":8787", ["127.0.0.1:8787"]),
        ("8787", ["127.0.0.1:8787"]),
        ("localhost:8787", ["localhost:8787"]),
    ],
)
def test_a_dashboard_listens_on_the_loopback_address(
    address: Any, places: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert privacy.choose_dashboard(address) == places
    assert not caplog.text


def test_a_dashboard_that_is_opened_on_purpose_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert privacy.choose_dashboard("0.0.0.0:8787") == ["0.0.0.0:8787"]
    assert "opens Dask's dashboard to all who reach 0.0.0.0:8787: it asks for no password" in caplog.text


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="dashboard_address 'localhost:http' is none; a port is enough"):
        privacy.choose_dashboard("localhost:http")
