"""How Snakemake's main process makes sure that no SLURM job outlives its run.

Snakemake cancels the jobs that it submitted upon Ctrl-C; not upon SIGTERM, not while its plugin asks after them, and
it knows nothing of Dask workers. All jobs of a run carry its label in their names, so the queue itself says which
are left.
"""

import argparse
import atexit
import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from snakemake.cli import get_profile_dir  # type: ignore[import-untyped]
from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.cluster import HEAD_JOB, JOBQUEUE, cancel_jobs, forget_queue, label_jobs
from lightsheet.run import Jobs
from lightsheet.workflow.slurm_plugin import prepare_plugin, settle_cluster

SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # they end a run as Ctrl-C does
SWEEP_SECONDS = 2.0
LEAVE_SECONDS = 30.0
PATIENCE_SECONDS = 3.0  # jobs that have nothing more to do end by themselves within it
GRACE_SECONDS = 5.0  # Ctrl-C in a terminal reaches jobs on this machine too; later than that they are terminated

SCRIPTS = f".snakemake{os.sep}scripts{os.sep}"
"""Part of the command line of each job that Snakemake runs on this machine."""


def prepare_clean_end(workflow: Any, jobs: Jobs) -> None:
    """Prepare Snakemake's `workflow` before its first job, when it holds the lock and has something to do."""
    results, is_local = jobs.run.results, workflow.local_exec and jobs.dask_cluster == "local"
    label, logs = label_jobs(results.folder), [results.folder / "logs" / name for name in ("slurm", "workers")]
    if not is_local:
        settle_cluster(job for job in workflow.dag.needrun_jobs() if not job.is_local)
    # Without a cluster, SLURM's commands may take a minute to say so. An earlier run may have used one nevertheless.
    if (not is_local or any(log.exists() for log in logs)) and (ids := cancel_jobs(label, LEAVE_SECONDS)):
        logger.warning(f"Cancelled SLURM jobs that an earlier, killed run left behind: {' '.join(ids)}")
    if is_local:
        return
    forget_queue(results.queue)
    atexit.register(cancel_jobs, label, patience=PATIENCE_SECONDS)
    _sweep_upon_cancel(workflow.scheduler, label)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background job would ignore it
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    use_jobqueue_file()
    os.environ[HEAD_JOB] = os.environ.get("SLURM_JOB_ID", "")
    if hasattr(workflow.executor_settings, "jobname_prefix"):
        due = Counter(job.name for job in workflow.dag.needrun_jobs() if not job.is_local)
        prepare_plugin(workflow.scheduler._executor, label, results, due)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (as signals are handled)
    """Do what Ctrl-C does at this moment, once: scancel and a dying terminal send several signals."""
    _ignore(SIGNALS)
    handler = signal.getsignal(signal.SIGINT)  # asyncio has its own while it runs
    if callable(handler):
        handler(signal.SIGINT, frame)


def _ignore(signals: Iterable[signal.Signals]) -> None:
    for number in signals:
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which children would inherit


def _sweep_upon_cancel(scheduler: Any, label: str) -> None:
    """Cancel whatever of the run gets into the queue, from the moment at which Snakemake gives up until it ends."""
    cancel, local = scheduler._executor.cancel, scheduler._local_executor

    def sweep_and_cancel() -> None:
        _ignore([signal.SIGINT, *SIGNALS])
        atexit.unregister(cancel_jobs)  # which would be patient with jobs that are cancelled already
        atexit.register(cancel_jobs, label)
        threading.Thread(target=_sweep, args=(label,), daemon=True).start()
        cancel()
        if local:
            local.shutdown()  # else Snakemake would not wait for jobs on this machine, and stumble over them

    scheduler._executor.cancel = sweep_and_cancel


def _sweep(label: str) -> None:
    """Cancel the run's jobs again and again until this process ends: some may be submitted meanwhile."""
    logger.warning("Stopping: the SLURM jobs of this run are cancelled.")
    cancel_jobs(label)
    time.sleep(GRACE_SECONDS)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(SCRIPTS in word for word in child.cmdline()):
                child.terminate()
    while True:
        cancel_jobs(label)
        time.sleep(SWEEP_SECONDS)


def use_jobqueue_file() -> None:
    """Let this process and its jobs use the jobqueue.yaml beside the profile, unless the environment names another."""
    if path := find_jobqueue_file():
        os.environ.setdefault(JOBQUEUE, str(path))


def find_jobqueue_file() -> Path | None:
    """Return the jobqueue.yaml beside the profile in use; None if there is none."""
    return next((path for folder in list_profiles() if (path := folder / "jobqueue.yaml").is_file()), None)


def list_profiles() -> list[Path]:
    """Return the folders of the profiles in use, found as Snakemake finds them, the one that counts most first."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--profile", action="append")
    profiles = parser.parse_known_args()[0].profile or [os.environ.get("SNAKEMAKE_PROFILE") or "none"]
    folders = [get_profile_dir(profile) for profile in reversed(profiles)]
    return [Path(folder[0]).absolute() for folder in folders if folder]
