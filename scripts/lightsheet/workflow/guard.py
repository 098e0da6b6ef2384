"""One run at a time in a results folder, in whatever state a killed one left it."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import psutil

from lightsheet.store import RUNS, Results, hold_lock
from lightsheet.system import InputError, describe_disk_error, hasten_exit, list_full_disks
from lightsheet.workflow.job_processes import fork_jobs
from lightsheet.workflow.module_use import NO_HANDLERS, Handlers, add_handlers
from lightsheet.workflow.output import print_run
from lightsheet.workflow.remnants import date_back, end_orphans, end_processes, free_files
from lightsheet.workflow.run_error import RunError
from lightsheet.workflow.signals import answer_signals_aside
from lightsheet.workflow.slurm_plugin import prepare_settings

WAIT_SECONDS = 2.0
"""How long the end of a thread is awaited that sleeps for a second at a time."""


def guard_execution(
    workflow: Any,
    results: Results,
    find_work: Callable[[], None],
    handlers: Handlers = NO_HANDLERS,
    describe: Callable[[], Sequence[str]] = list,
    may_fork: Callable[[], bool] = bool,
) -> None:
    """Let Snakemake execute only while it alone works in the results folder; to plan, or to look, it needs no lock.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    results : Results, of the run
    find_work : callable, called before Snakemake plans jobs, when nobody else changes the results folder any more
    handlers : Handlers, called before the first job and at the end
    describe : callable, returns lines about what there is, for a run that has nothing to do
    may_fork : callable, tells after `find_work` whether jobs may be copies of one process; see `fork_jobs`
    """
    answer_signals_aside()
    hasten_exit()
    ignore_clocks()
    logging.raiseExceptions = False  # on a full disk each line of Snakemake's own log would be a traceback
    if not workflow.is_main_process:
        return
    execute: Callable[..., Any] = workflow.execute

    def execute_alone(executor_plugin: Any, **arguments: Any) -> Any:
        # Under a lock nobody else is at the files that a killed run left unfinished: their jobs run again.
        workflow.dag_settings.force_incomplete = True
        prepare_settings(arguments.get("executor_settings"))
        is_dry = executor_plugin.common_settings.dryrun_exec
        work = (
            _plan_dry(workflow, find_work) if is_dry else _work_alone(workflow, results, find_work, handlers, may_fork)
        )
        try:
            with _explain_errors(results), print_run(workflow, describe, is_dry=is_dry), work:
                return execute(executor_plugin=executor_plugin, **arguments)
        finally:
            cancel_timers()
            end_wait(workflow)

    workflow.execute = execute_alone


@contextmanager
def _plan_dry(workflow: Any, find_work: Callable[[], None]) -> Iterator[None]:
    """Let the block plan jobs, whoever works in the folder, and whatever locks of Snakemake's a dead run has left."""
    prepare: Callable[..., None] = workflow._prepare_dag
    workflow.execution_settings.lock = False
    workflow._prepare_dag = lambda **options: prepare(**{**options, "lock_warn_only": False})
    find_work()
    yield


@contextmanager
def _work_alone(
    workflow: Any, results: Results, find_work: Callable[[], None], handlers: Handlers, may_fork: Callable[[], bool]
) -> Iterator[None]:
    """Let the block plan and run jobs, with the folder to itself."""
    with _take_folder(results) as token:
        find_work()
        add_handlers(workflow, handlers)
        mark = _mark_processes(f"{token} {os.path.realpath(results.folder)}")
        with mark, fork_jobs() if may_fork() else nullcontext():
            yield


@contextmanager
def _explain_errors(results: Results) -> Iterator[None]:
    """End the block's errors that a user can mend in a sentence, without a traceback."""
    try:
        yield
    except InputError as error:
        raise RunError(str(error)) from None
    except OSError as error:  # of Snakemake's own files
        if sentence := describe_disk_error(error):
            full = [] if error.filename else list_full_disks(list_folders(results))
            raise RunError("\n".join(full) or sentence) from None
        raise


@contextmanager
def _take_folder(results: Results) -> Iterator[str]:
    """Hold the lock of a results folder during the block, rid of what a killed run left there; yield its token."""
    with hold_lock(results.lock, _end_run) as token:
        end_orphans(os.path.realpath(results.folder))
        free_files(results.folder)
        date_back(results)
        yield token


def end_wait(workflow: Any) -> None:
    """End the thread that looks after SLURM's jobs, where a run was refused before its first: it would stumble later.

    It would print `cannot schedule new futures after shutdown` below the sentence.
    """
    executor: Any = getattr(getattr(workflow, "scheduler", None), "_executor", None)
    if getattr(executor, "wait", False):
        executor.wait = False
        thread: threading.Thread = executor.wait_thread
        thread.join(WAIT_SECONDS)


def cancel_timers() -> None:
    """Keep this process, when its last job has ended, from waiting for the second after which it might submit more."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def list_folders(results: Results) -> list[Path]:
    """Return folders on all disks on which Snakemake and its jobs write: a full one may be any of them."""
    return [results.folder, Path(), Path(os.environ.get("TMPDIR") or gettempdir())]


def ignore_clocks() -> None:
    """Keep Snakemake from failing a job, after its work, because an input seems to be newer than its output.

    The clock of a node, or of a file server, is wrong then; what is to be done is found from records.
    """

    async def check_nothing(*_: Any) -> None:
        pass

    import_module("snakemake.dag").DAG.check_output_mtime = check_nothing


@contextmanager
def _mark_processes(run: str) -> Iterator[None]:
    """Let each process that is started in the block say to which run it belongs."""
    before = os.environ.get(RUNS, "")  # names the run of which this one is a job, if it is one
    os.environ[RUNS] = f"{before}\n{run}".strip()
    try:
        yield
    finally:
        os.environ[RUNS] = before


def _end_run(sentence: str) -> None:
    """End this run at once, because another one works in its folder: not a byte more may be written.

    So Snakemake is not asked to end. SLURM jobs of this run end by themselves (see `end_with_run`): to cancel them by
    their names would hit the other one's.
    """
    print(f"\n{sentence}", file=sys.stderr, flush=True)
    end_processes(psutil.Process().children(recursive=True))
    os._exit(1)
