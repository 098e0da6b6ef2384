import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.cluster import slurm
from lightsheet.store import Results
from lightsheet.workflow import clean_end
from tests.support.fake_commands import command
from tests.support.patience import wait_until

PROGRAM = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from lightsheet.store import Results
from lightsheet.workflow import clean_end
from lightsheet.workflow.clean_end import prepare_clean_end

clean_end.PATIENCE_SECONDS = 0.2
results = Path("results/a").absolute()
executor = SimpleNamespace(cancel=lambda: time.sleep(0.3))
workflow = SimpleNamespace(
    dag=SimpleNamespace(needrun_jobs=list),
    local_exec=False, executor_settings=None, scheduler=SimpleNamespace(_executor=executor, _local_executor=None)
)
run = SimpleNamespace(results=Results(results))
prepare_clean_end(workflow, SimpleNamespace(dask_cluster="cpu", run=run))
try:
    Path("ready").touch()
    time.sleep(120)
except KeyboardInterrupt:
    executor.cancel()
    sys.exit(1)
"""
"""What Snakemake's main process does, as far as `clean_end` is concerned."""

SQUEUE = 'while read -r id name; do echo "$id|RUNNING|None|c1|$name"; done < queue'
SCANCEL = 'shift; for id; do sed -i "/^$id /d" queue; echo "$id" >> cancelled; done'


@pytest.fixture
def place(commands: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and commands in SLURM's place; `tests/slurm` has the real ones."""
    command(commands, "squeue", SQUEUE)
    command(commands, "scancel", SCANCEL)
    monkeypatch.chdir(commands)
    return commands


def start(place: Path, *before: str) -> subprocess.Popen[bytes]:
    scripts = str(Path(clean_end.__file__).parents[1])
    running = subprocess.Popen(
        [*before, sys.executable, "-c", PROGRAM], cwd=place, env={**os.environ, "PYTHONPATH": scripts}
    )
    wait_until((place / "ready").exists)
    return running


def queue(place: Path, *names: str) -> None:
    (place / "queue").write_text("".join(f"{number} {name}\n" for number, name in enumerate(names, 1)))


@pytest.mark.slow
def test_what_a_killed_run_left_is_cancelled_at_the_start_and_nothing_else(place: Path) -> None:
    label = slurm.label_jobs(Path("results/a"))
    queue(place, f"{label}_1234", "somebody-elses", f"{label}-t0000", slurm.label_jobs(Path("results/b")))
    running = start(place)
    running.kill()
    running.wait()
    assert (place / "cancelled").read_text().split() == ["1", "3"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_cancels_its_jobs(place: Path, number: signal.Signals) -> None:
    queue(place)
    running = start(place)
    queue(place, f"{slurm.label_jobs(Path('results/a'))}-t0000")
    running.send_signal(number)
    time.sleep(0.1)
    running.send_signal(signal.SIGTERM)  # as a dying terminal, or scancel, sends several
    assert running.wait(60) == 1  # not by the signal itself
    assert (place / "queue").read_text() == ""


@pytest.mark.slow
def test_with_nohup_a_lost_terminal_ends_nothing(place: Path) -> None:
    queue(place)
    running = start(place, "nohup")
    running.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.5)
    running.terminate()
    running.wait(60)


def test_a_run_without_slurm_jobs_never_asks_slurm(place: Path) -> None:
    command(place, "squeue", "touch asked")
    before = signal.getsignal(signal.SIGTERM)
    run = SimpleNamespace(results=Results(Path("results/a")))
    clean_end.prepare_clean_end(SimpleNamespace(local_exec=True), SimpleNamespace(dask_cluster="local", run=run))  # type: ignore[arg-type]
    assert not (place / "asked").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_without_slurm_jobs_cancels_those_of_an_earlier_run(place: Path) -> None:
    queue(place, f"{slurm.label_jobs(Path('results/a'))}-t0000")
    Path("results/a/logs/workers").mkdir(parents=True)
    run = SimpleNamespace(results=Results(Path("results/a")))
    clean_end.prepare_clean_end(SimpleNamespace(local_exec=True), SimpleNamespace(dask_cluster="local", run=run))  # type: ignore[arg-type]
    assert (place / "queue").read_text() == ""


def profile(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("jobs: 1\n")
    (folder / "jobqueue.yaml").touch()
    return folder / "jobqueue.yaml"


@pytest.mark.parametrize(
    "arguments", [["--profile", "site"], ["-n", "--profile=site"], ["--profile", "other", "--profile", "site"]]
)
def test_the_jobqueue_file_lies_beside_the_profile_in_use(place: Path, monkeypatch: Any, arguments: list[str]) -> None:
    jobqueue_file = profile(place / "site")
    (place / "other").mkdir()
    (place / "other" / "config.yaml").touch()
    monkeypatch.setattr(sys, "argv", ["snakemake", *arguments])
    assert clean_end.find_jobqueue_file() == jobqueue_file


def test_a_profile_in_the_environment_is_found_and_none_is_no_error(place: Path, monkeypatch: Any) -> None:
    jobqueue_file = profile(place / "mine" / "slurm")
    monkeypatch.setattr(sys, "argv", ["snakemake", "--cores", "all"])
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    assert clean_end.find_jobqueue_file() is None
    monkeypatch.setenv("SNAKEMAKE_PROFILE", str(place / "mine" / "slurm"))
    assert clean_end.find_jobqueue_file() == jobqueue_file
