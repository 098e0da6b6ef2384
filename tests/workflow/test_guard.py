"""What Snakemake may execute, and what a killed run leaves it."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import snakemake.api  # noqa: F401 (the other modules of Snakemake need it first)
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError

from lightsheet.cluster import label_jobs
from lightsheet.store import RUNS, Results, hold_lock
from lightsheet.system import write_text
from lightsheet.workflow import guard
from lightsheet.workflow.guard import date_back, end_orphans, free_files, guard_execution

SUSPENDED = """
import subprocess, sys, time
from pathlib import Path
from lightsheet.store import hold_lock, lock
from lightsheet.store.lock_holder import describe_this_process
from lightsheet.workflow import guard

lock.RENEW_SECONDS = 0.05
path = Path("results/a/lock.json")
with hold_lock(path, guard._end_run):
    child = subprocess.Popen(["sleep", "60"])
    Path("child").write_text(str(child.pid))
    path.write_text(describe_this_process().to_json())
    time.sleep(30)
"""
"""A run that finds another one's lock in the place of its own, as after a suspension."""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """A results folder in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(RUNS, raising=False)
    return Results(Path("results/a"))


def prepare_workflow(results: Results, main: bool = True) -> SimpleNamespace:
    """Return a guarded workflow whose execution writes down what holds meanwhile."""
    workflow = SimpleNamespace(
        is_main_process=main,
        dag_settings=SimpleNamespace(force_incomplete=False),
        execution_settings=SimpleNamespace(lock=True),
        seen={},
        _prepare_dag=lambda **options: workflow.seen.update(options),
        _onstart=None,
        _onsuccess=None,
        _onerror=None,
    )

    def look() -> None:
        workflow.seen = {"planned under lock": results.lock.exists()}

    def execute(executor_plugin: Any, targets: str) -> str:  # noqa: ARG001 (Snakemake passes it)
        workflow._prepare_dag(lock_warn_only=True)
        workflow.seen |= {"locked": results.lock.exists(), "run": os.environ.get(RUNS, "")}
        return targets

    workflow.execute = execute
    guard_execution(workflow, results, look)
    return workflow


def executor(dry: bool) -> SimpleNamespace:
    return SimpleNamespace(common_settings=SimpleNamespace(dryrun_exec=dry))


def test_snakemake_executes_under_the_lock_and_marks_its_processes(results: Results) -> None:
    workflow = prepare_workflow(results)
    assert workflow.execute(executor_plugin=executor(dry=False), targets="all") == "all"
    assert workflow.seen["planned under lock"]
    assert workflow.seen["locked"]
    assert workflow.seen["run"].endswith(f" {results.folder.absolute()}")
    assert workflow.dag_settings.force_incomplete
    assert workflow.execution_settings.lock, "Snakemake still locks what is not in the results folder"
    assert not results.lock.exists()
    assert not os.environ[RUNS]


def test_a_run_that_is_refused_leaves_no_thread_that_looks_after_jobs(results: Results) -> None:
    workflow = prepare_workflow(results)
    plugin = SimpleNamespace(wait=True)

    def look() -> None:
        while plugin.wait:
            time.sleep(0.01)

    def refuse(**_: Any) -> None:
        plugin.wait_thread = threading.Thread(target=look, daemon=True)
        plugin.wait_thread.start()
        workflow.scheduler = SimpleNamespace(_executor=plugin)
        raise WorkflowError("no partition")

    workflow.execute = refuse
    guard_execution(workflow, results, lambda: None)
    with pytest.raises(WorkflowError, match="no partition"):
        workflow.execute(executor_plugin=executor(dry=False), targets="all")
    assert not plugin.wait_thread.is_alive()


def test_no_timer_holds_the_end_of_a_run(results: Results) -> None:
    """Snakemake starts one with each job, to submit more a second later."""
    workflow = prepare_workflow(results)
    timer = threading.Timer(60, print)
    timer.start()
    workflow.execute(executor_plugin=executor(dry=False), targets="all")
    timer.join(10)
    assert not timer.is_alive()


def test_a_second_run_is_refused_and_a_dry_one_is_not(results: Results) -> None:
    workflow = prepare_workflow(results)
    with hold_lock(results.lock, print):
        with pytest.raises(WorkflowError, match="another run works in this results folder"):
            workflow.execute(executor_plugin=executor(dry=False), targets="all")
        assert workflow.execute(executor_plugin=executor(dry=True), targets="all") == "all"


def test_a_dry_run_and_a_job_take_no_lock(results: Results) -> None:
    workflow = prepare_workflow(results)
    workflow.execute(executor_plugin=executor(dry=True), targets="all")
    assert not workflow.seen["locked"]
    assert not workflow.seen["lock_warn_only"], "nor does it say that something is to be unlocked"
    assert workflow.dag_settings.force_incomplete, "it plans what a run would do"
    job = prepare_workflow(results, main=False)
    job.execute(executor_plugin=executor(dry=False), targets="all")
    assert not job.seen["locked"]
    assert not results.folder.exists()


def write_locks(**files: list[str]) -> Path:
    folder = Path(".snakemake/locks")
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / f"0.{name}.lock").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_files_of_a_killed_run_are_freed_by_whichever_path(results: Results) -> None:
    free_files(results.folder)  # as the killed run did, before it locked its files
    inside, outside = "results/a/work/manifests/x.json", "results/ab/report.html"
    folder = write_locks(output=[inside, f"link/{Path(inside).name}"], input=[outside, str(Path(inside).absolute())])
    Path(inside).parent.mkdir(parents=True)
    Path("link").symlink_to(Path(inside).parent)
    free_files(results.folder)
    assert (folder / "0.input.lock").read_text() == f"{outside}\n"
    assert not (folder / "0.output.lock").exists()


def test_locks_of_runs_in_other_folders_are_not_touched_and_may_vanish(results: Results) -> None:
    """They may be another member's of the group, or end at this moment."""
    free_files(results.folder)
    folder = write_locks(output=["results/ab/report.html"])
    (folder / "0.input.lock").symlink_to("vanished")
    os.utime(folder / "0.output.lock", (0, 0))
    free_files(results.folder)
    assert (folder / "0.output.lock").stat().st_mtime == 0


def test_results_from_the_future_are_dated_as_of_now_in_the_order_of_their_jobs(results: Results) -> None:
    """Snakemake fails a job whose input is younger than its new output: the clock was set right between two runs."""
    order = [
        results.psf("ch0", ".tif"),
        *map(results.manifest, ("ingest.ch0.t0000", "deconvolve.t0000")),
        results.report,
    ]
    for age, path in enumerate(reversed(order)):
        write_text(path, "")
        os.utime(path, (2e9 + age, 2e9 + age))
    old = results.inventory
    write_text(old, "")
    os.utime(old, (1e9, 1e9))
    date_back(results)
    times = [path.stat().st_mtime for path in order]
    assert times == sorted(times)
    assert times[-1] <= time.time()
    assert old.stat().st_mtime == 1e9


def test_locks_that_no_run_of_this_folder_wrote_are_heeded(results: Results) -> None:
    files = ["results/a/report.html"]
    folder = write_locks(output=files)
    (folder / f"{label_jobs(Path('results/b'))}.mark").touch()
    free_files(results.folder)
    assert (folder / "0.output.lock").read_text().split() == files


@pytest.fixture
def processes(results: Results) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Processes that killed runs left: of this folder (one ignores SIGTERM), of another, of a SLURM job."""
    place = str(results.folder.absolute())
    environments = {
        "orphan": {RUNS: f"0123 /elsewhere\n4567 {place}"},
        "other": {RUNS: f"4567 {place}b"},
        "job": {RUNS: f"4567 {place}", "SLURM_JOB_ID": "7"},
    }
    running = {
        name: subprocess.Popen(["sleep", "60"], env={**os.environ, **environment})
        for name, environment in environments.items()
    }
    yield running
    for process in running.values():
        process.kill()
        process.wait()


def test_processes_of_a_killed_run_are_ended_and_no_others(
    results: Results, processes: dict[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    end_orphans(str(results.folder.absolute()))
    assert processes["orphan"].poll() is not None or not psutil.pid_exists(processes["orphan"].pid)
    assert processes["other"].poll() is None
    assert processes["job"].poll() is None


@pytest.mark.slow
def test_a_run_that_lost_its_lock_ends_at_once_with_its_processes(results: Results) -> None:
    scripts = str(Path(guard.__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", SUSPENDED],
        env={**os.environ, "PYTHONPATH": scripts},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "another run has taken it over" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not psutil.pid_exists(int(Path("child").read_text()))
    assert results.lock.exists(), "it is the other run's"


def test_no_job_fails_after_its_work_for_a_clock_that_is_wrong(results: Results) -> None:
    prepare_workflow(results, main=False)
    asyncio.run(DAG.check_output_mtime(None, None, ["an output that would be older than an input"]))
