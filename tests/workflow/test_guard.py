"""When Snakemake may execute, and what it finds then."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import snakemake.api  # noqa: F401 (the other modules of Snakemake need it first)
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError

from lightsheet.store import RUNS, Results, hold_lock
from lightsheet.workflow import guard
from lightsheet.workflow.guard import guard_execution

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
