"""Corrections to Snakemake's SLURM plugin (2.8), set on its executor: names, what jobs run, which jobs it tries."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.cluster import FINAL
from lightsheet.store import Results
from lightsheet.workflow.job_watch import JobWatch
from lightsheet.workflow.progress_line import ProgressLine
from lightsheet.workflow.resubmission import retry_refused_jobs

CLOCK_SECONDS = 60.0  # by which the clocks of machines may differ


def prepare_settings(settings: Any) -> None:
    """Change settings of the plugin, if it is that, of which it makes use when Snakemake makes it.

    It looks after its first job soon, and gives no advice on commands with which it does not ask SLURM here.
    """
    if hasattr(settings, "init_seconds_before_status_checks"):
        settings.init_seconds_before_status_checks = 1
        settings.status_command = None


def prepare_plugin(executor: Any, label: str, results: Results, totals: Mapping[str, int]) -> None:
    """Correct the plugin before it submits its first job.

    Jobs' names begin with `label`, and their logs go to the results folder unless the user said otherwise. `totals` are
    the jobs to be done, by rule.
    """
    settings = executor.workflow.executor_settings
    os.environ.setdefault("SBATCH_OPEN_MODE", "append")  # else a log loses what the job said before it was requeued
    executor.run_uuid = f"{label}_{executor.run_uuid}"
    if not settings.logdir:
        executor.slurm_logdir = (results.folder / "logs" / "slurm").absolute()
    if executor.array_jobs:
        logger.warning("Warning: array jobs are not used here; every job is submitted by itself.")
        executor.array_jobs = set()
    run_rules_directly(executor)
    spare_vain_tries(executor)
    watch = JobWatch(executor, results.queue, label)
    watch.tell = ProgressLine(results, label, totals).tell
    watch.start()
    retry_refused_jobs(executor, watch)


def run_rules_directly(executor: Any) -> None:
    """Let a job's script be Snakemake that runs the rule, with no more threads than the job has.

    The plugin would have it start `srun` with a second Snakemake. As the script's only process, in place of the shell,
    it gets SLURM's SIGTERM: a shell would die of it, and SLURM then kill at once what it had started.
    """
    get_python, get_arguments = executor.get_python_executable, executor.get_job_args
    executor.additional_general_args = lambda: "--executor local"
    executor.get_python_executable = lambda: f"exec {get_python()}"
    executor.get_job_args = lambda job: f"{get_arguments(job)} --cores {job.threads}"  # the last one counts


def spare_vain_tries(executor: Any) -> None:
    """Let a job whose log says so fail for good, whatever `retries` are left; an earlier run's last words are none."""
    report_job_error, start = executor.report_job_error, time.time() - CLOCK_SECONDS

    def report(info: Any, *arguments: Any, **options: Any) -> None:
        if any(_read_last_line(Path(log), start).endswith(FINAL) for log in info.job.log):
            info.job.attempt = max(info.job.attempt, info.job.restart_times + 1)
        report_job_error(info, *arguments, **options)

    executor.report_job_error = report


def _read_last_line(log: Path, start: float) -> str:
    """Return the last line of a log that has grown since a time, in seconds since 1970."""
    try:
        if log.stat().st_mtime < start:
            return ""
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
