"""Scripts of Snakemake's in copies of one process: what they find there, how they end, and which are none."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import snakemake.api  # noqa: F401 (the other modules of Snakemake need it first)
from snakemake.script import PythonScript
from snakemake.shell import shell
from snakemake.sourcecache import LocalSourceFile

from lightsheet.system import fork_server
from lightsheet.workflow import job_processes
from lightsheet.workflow.job_processes import fork_jobs, may_fork_jobs
from tests.support.families import parametrize
from tests.support.project import ROOT

DESCRIBE = """
import json, os, sys, tempfile
from pathlib import Path
names = "OMP_NUM_THREADS", "NEWS", "MALLOC_TRIM_THRESHOLD_"
facts = [__name__, sys.argv, tempfile.gettempdir(), [os.environ.get(name) for name in names], os.getppid()]
Path("facts").write_text(json.dumps(facts))
"""


def make_script(source: Path = ROOT / "scripts" / "psf.py", **facts: Any) -> SimpleNamespace:
    defaults = dict.fromkeys(("conda_env", "container_img", "env_modules", "bench_record"))
    path = LocalSourceFile(str(source))
    job = {"resources": {}, "threads": 3, "jobid": 5, "log": ["job.log"]}
    return SimpleNamespace(**{**defaults, **job, "path": path, **facts})


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """Scripts for which a Python is started, while others are run by copies."""
    started: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job_processes, "MODULES", ("lightsheet.workflow.job_processes",))
    monkeypatch.setattr(PythonScript, "execute_script", lambda _script, path, _edit=False: started.append(path))
    fork_server.stop_fork_server()  # that another test has left
    with fork_jobs():
        yield started


def execute(script: SimpleNamespace, code: str) -> None:
    Path("script.py").write_text(code)
    PythonScript.execute_script(script, "script.py")


def test_a_script_finds_itself_as_in_a_python_of_its_own(
    starts: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NEWS", "later than the server")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)  # which Dask's nannies of another test have left
    execute(make_script(resources={"tmpdir": str(tmp_path)}), DESCRIBE)
    name, arguments, folder, variables, parent = json.loads(Path("facts").read_text())
    assert (name, arguments, folder) == ("__main__", ["script.py"], str(tmp_path))
    assert variables == ["3", "later than the server", None]  # the last is the server's alone
    assert parent != os.getpid()
    assert starts == []


@parametrize(
    ("code", "exit_code"),
    [("raise SystemExit(130)", 130), ("1 / 0", 1), ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL)],
)
def test_a_script_that_fails_fails_its_job(starts: list[str], code: str, exit_code: int) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        execute(make_script(), code)
    assert caught.value.returncode == exit_code
    assert starts == []


def test_a_script_that_dies_before_it_logs_says_so_in_its_log(
    starts: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        execute(make_script(), "import no_such_module")
    text = Path("job.log").read_text()
    assert "ERROR this job failed: ModuleNotFoundError: No module named 'no_such_module'\nTraceback" in text
    assert "ForkServerProcess" not in capfd.readouterr().err
    assert starts == []


@pytest.mark.parametrize(
    "facts",
    [
        {"conda_env": "env"},
        {"container_img": "image"},
        {"env_modules": ["python"]},
        {"resources": {"shell_exec": "zsh"}},
        {"source": ROOT / "scripts" / "pilot.py"},
        {"source": Path("scripts/psf.py")},  # of a workflow that uses this one as a module
    ],
)
def test_a_script_of_others_and_a_pilot_start_a_python(starts: list[str], facts: dict[str, Any]) -> None:
    execute(make_script(**facts), "1 / 0")
    assert starts == ["script.py"]


@pytest.mark.slow
def test_snakemake_can_end_a_job_that_is_a_copy(starts: list[str]) -> None:
    def end() -> None:
        while 5 not in shell._processes:
            time.sleep(0.02)
        shell.terminate(5)

    threading.Thread(target=end, daemon=True).start()
    with pytest.raises(subprocess.CalledProcessError):
        execute(make_script(), "import time; time.sleep(60)")
    assert shell._processes == {}
    assert starts == []


@pytest.mark.slow
def test_a_script_is_begun_anew_whose_server_is_killed_and_never_works_beside_itself(starts: list[str]) -> None:
    def kill_server() -> None:
        while not Path("pid").is_symlink():
            time.sleep(0.02)
        os.kill(fork_server.forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]

    threading.Thread(target=kill_server, daemon=True).start()
    execute(make_script(), "import os, time; os.symlink(str(os.getpid()), 'pid'); time.sleep(60)")
    assert starts == ["script.py"]
    assert not psutil.pid_exists(int(str(Path("pid").readlink())))


@pytest.mark.slow
def test_a_job_that_ends_while_others_start_keeps_its_exit_code(
    starts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start reads the ends of earlier copies, and a pipe says but once how a copy ended."""
    read_signed = forkserver.read_signed

    def read_slowly(pipe: int) -> int:
        time.sleep(0.05)  # both would be here
        return read_signed(pipe)

    monkeypatch.setattr(forkserver, "read_signed", read_slowly)
    Path("script.py").touch()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda job: PythonScript.execute_script(make_script(jobid=job), "script.py"), range(12)))
    assert starts == []


def test_without_a_server_jobs_start_as_ever(starts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fork_server.stop_fork_server()

    def refuse() -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(fork_server.forkserver._forkserver, "ensure_running", refuse)
    execute(make_script(), "1 / 0")
    assert starts == ["script.py"]
    plain = PythonScript.execute_script
    with fork_jobs():
        assert PythonScript.execute_script is plain


@pytest.mark.parametrize(
    ("due", "local", "cluster", "may"),
    [
        ({"a"}, True, "local", True),
        (set(), True, "local", False),
        ({"a"}, False, "local", False),
        ({"a"}, True, "cpu", False),
    ],
)
def test_jobs_are_copies_where_all_run_here(due: set[str], local: bool, cluster: str, may: bool) -> None:
    jobs: Any = SimpleNamespace(dask_cluster=cluster)
    assert may_fork_jobs(SimpleNamespace(local_exec=local), jobs, due) == may
