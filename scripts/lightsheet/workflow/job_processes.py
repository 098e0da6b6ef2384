"""Jobs on this machine as copies of one process that has imported their libraries: most do less than these imports.

Snakemake starts a Python for each script. Here, this project's scripts, where they run in Snakemake's own environment,
are run by copies of a fork server instead, which starts before the first job; all else is as Snakemake has it. Where
that cannot be, or another Snakemake has no place for it, jobs start as ever. So does a pilot, which measures how long
Python takes.
"""

import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil
from snakemake.script import PythonScript  # type: ignore[import-untyped]
from snakemake.shell import shell  # type: ignore[import-untyped]

from lightsheet.run import Jobs
from lightsheet.system import (
    FEW_PAGE_FAULTS,
    LIBRARY_THREADS,
    find_missing_parts,
    hide_main,
    log_rest_of_job,
    share_fork_server,
    start_fork_server,
    stop_fork_server,
    was_server_interrupted,
)

MODULES = (
    *("snakemake.logging", "snakemake.iocontainers", "snakemake.script", "numpy", "numcodecs", "scipy.fft"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg"),
    *("lightsheet.psf.preparation", "lightsheet.psf.figure", "lightsheet.acquisition.inventory"),
    *("lightsheet.processing.ingest", "lightsheet.processing.blocks", "lightsheet.processing.deconvolve"),
    *("lightsheet.cluster.workers", "lightsheet.deconvolution.fused", "lightsheet.run.consolidate"),
    *("lightsheet.provenance.crate", "lightsheet.viewing.report"),
)
"""What jobs import, with what these import in turn."""

SCRIPTS = Path(__file__).resolve().parents[2]
PILOT = SCRIPTS / "pilot.py"

NO_COPY = None

SERVER_LOST = 255
"""Exit code by which multiprocessing says so, but with which a script may end as well."""

END_SECONDS = 10.0

_reading_ends = threading.Lock()
"""To start a copy reads the ends of others, too, and who comes second reads that the server is gone."""


def may_fork_jobs(workflow: Any, jobs: Jobs, due: Collection[str]) -> bool:
    """Tell whether all jobs run on this machine, and there are some.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    jobs : Jobs, of the run
    due : collection of str, the outputs that are to be made
    """
    return bool(due and workflow.local_exec and jobs.dask_cluster == "local")


@contextmanager
def fork_jobs() -> Iterator[None]:
    """Let jobs that start in the block be copies of a process which has imported their libraries."""
    if find_missing_parts(PythonScript, ("execute_script",)) or find_missing_parts(shell, ("_processes", "_lock")):
        yield
        return
    try:
        start_fork_server(MODULES, FEW_PAGE_FAULTS)
    except OSError:
        yield
        return
    start_python = PythonScript.execute_script
    PythonScript.execute_script = _make_execute(start_python)
    try:
        yield
    finally:
        PythonScript.execute_script = start_python
        stop_fork_server()


def _make_execute(start_python: Callable[..., None]) -> Callable[..., None]:
    def execute_script(script: Any, path: str, edit: bool = False) -> None:
        exit_code = run_copy(script, path) if may_fork(script) else NO_COPY
        if exit_code is NO_COPY:
            start_python(script, path, edit)
        elif exit_code:
            raise subprocess.CalledProcessError(exit_code, f"{sys.executable} {path}")

    return execute_script


def may_fork(script: Any) -> bool:
    """Tell whether a script is this project's, and runs in Snakemake's own environment.

    Others, of a workflow that uses this one as a module, may expect what a copy has not: standard input, functions that
    Python calls at its end, random numbers that no other process has.
    """
    wrappers = script.conda_env, script.container_img, script.env_modules, script.bench_record
    source = Path(script.path.get_path_or_uri(secret_free=True)).resolve()
    return not any(wrappers) and not script.resources.get("shell_exec") and source.parent == SCRIPTS and source != PILOT


def run_copy(script: Any, path: str) -> int | None:
    """Run a script in a copy of the fork server; return its exit code, or `NO_COPY` if the server is gone."""
    job = path, _make_environment(script), script.log[0]
    process = get_context("forkserver").Process(target=run_script, args=job)
    try:
        with _reading_ends, hide_main():
            process.start()
    except (OSError, EOFError):
        return NO_COPY
    with shell._lock:
        shell._processes[script.jobid] = process
    wait([process.sentinel])
    with shell._lock:
        shell._processes.pop(script.jobid, None)
    with _reading_ends:
        process.join()
    return NO_COPY if process.exitcode == SERVER_LOST and _end_process(process.pid) else process.exitcode


def _end_process(number: int | None) -> bool:
    """Kill a copy whose server is gone, and wait for its end: none may work on beside the next; False if it has ended.

    Copies of a server that is gone are nobody's children here.
    """
    try:
        process = psutil.Process(number)
        process.kill()
        process.wait(END_SECONDS)
    except psutil.NoSuchProcess:
        return False
    except psutil.TimeoutExpired:  # a zombie, where process 1 collects none
        pass
    return True


def _make_environment(script: Any) -> dict[str, str]:
    """Return the environment in which Snakemake would start a script."""
    environment = {**os.environ, **dict.fromkeys(LIBRARY_THREADS, str(script.threads))}
    if folder := script.resources.get("tmpdir"):
        environment.update(dict.fromkeys(("TMPDIR", "TMP", "TEMPDIR", "TEMP"), str(folder)))
    return environment


def run_script(path: str, environment: dict[str, str], log: str) -> None:
    """Run a script in this process, a copy of the fork server, as Python does in one of its own.

    Parameters
    ----------
    path : str, of the script
    environment : dict, all of it; the server's is older
    log : str, the path of the job's log, for an error outside of what the script logs itself
    """
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # the server may have set it by its own environment
    share_fork_server()
    sys.argv = [path]
    with log_rest_of_job(log):
        if was_server_interrupted():
            raise KeyboardInterrupt
        runpy.run_path(path, run_name="__main__")
