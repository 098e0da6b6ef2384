"""Corrections to Snakemake's SLURM plugin (2.8), set on its executor: names, what jobs run, which jobs it tries."""

import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError  # type: ignore[import-untyped]
from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.cluster import FINAL, list_clusters, read_job_id
from lightsheet.store import Results
from lightsheet.system import InputError
from lightsheet.workflow.job_watch import JobWatch
from lightsheet.workflow.progress_line import ProgressLine
from lightsheet.workflow.resubmission import retry_refused_jobs

PLACE = {name: os.environ[name] for name in ("SLURM_CONF", "SLURM_CLUSTERS") if name in os.environ}
"""Variables that say where SLURM is, when the Snakefile is parsed."""

CLUSTER_RESOURCES = ("clusters", "slurm_cluster", "cluster")

CLOCK_SECONDS = 60.0  # the most by which clocks of machines differ


def prepare_settings(settings: Any) -> None:
    """Change the settings that the SLURM plugin, if it is in use, reads when Snakemake creates it.

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
    if re.match("ls-", executor.run_uuid):
        raise InputError(
            "two acquisitions cannot share one run on SLURM, as two modules of one Snakefile do: run them one by one"
        )
    settings = executor.workflow.executor_settings
    read_ids_among_banners(executor)
    executor._fallback_account_arg = ""  # none is SLURM's default; the plugin would guess, in vain, and say so
    os.environ.setdefault("SBATCH_OPEN_MODE", "append")  # else a log loses what the job said before it was requeued
    executor.run_uuid = f"{label}_{executor.run_uuid}"
    if not settings.logdir:
        executor.slurm_logdir = (results.folder / "logs" / "slurm").absolute()
    if executor.array_jobs:
        logger.warning("Warning: array jobs are not used here; every job is submitted by itself.")
        executor.array_jobs = set()
    run_rules_directly(executor)
    stop_hopeless_retries(executor)
    watch = JobWatch(executor, results.queue, label)
    watch.tell = ProgressLine(results, label, totals).tell
    watch.start()
    retry_refused_jobs(executor, watch)


def settle_cluster(jobs: Iterable[Any]) -> None:
    """Let all commands of SLURM's, here and in the jobs, go to the one cluster that variables or resources name.

    Snakemake's plugin removes the variables that say where SLURM is, if it runs in a job itself.
    """
    os.environ.update({name: text for name, text in PLACE.items() if name not in os.environ})
    names = {*list_clusters()}
    for job in jobs:
        values = (job.resources.get(name) for name in CLUSTER_RESOURCES)
        names |= {name for value in values if isinstance(value, str) for name in value.split(",")}
    if len(names) > 1 or "all" in names:
        raise InputError(
            "the jobs of a run must be on one cluster, but SLURM_CLUSTERS, SBATCH_CLUSTERS and the resource `clusters` "
            f"name {', '.join(sorted(names))}: name one of them in SLURM_CLUSTERS"
        )
    for name in names:
        os.environ["SLURM_CLUSTERS"] = name
        os.environ.pop("SBATCH_CLUSTERS", None)


def read_ids_among_banners(executor: Any) -> None:
    """Let the plugin find the number of a job wherever sbatch prints it: banners may have numbers, too."""

    def read(_first: str, output: str) -> str:
        if number := read_job_id(output):
            return number
        raise WorkflowError(f"sbatch printed no number of a job, but: {' '.join(output.split())[-300:]}")

    module: Any = sys.modules[type(executor).__module__]
    if hasattr(module, "validate_or_get_slurm_job_id"):
        module.validate_or_get_slurm_job_id = read


def run_rules_directly(executor: Any) -> None:
    """Let a job's script be Snakemake that runs the rule, with no more threads than the job has.

    The plugin would have it start `srun` with a second Snakemake. As the script's only process, in place of the shell,
    it gets SLURM's SIGTERM: a shell would die of it, and SLURM then kill at once what it had started.
    """
    get_python, get_arguments = executor.get_python_executable, executor.get_job_args
    executor.additional_general_args = lambda: "--executor local"
    executor.get_python_executable = lambda: f"exec {get_python()}"
    executor.get_job_args = lambda job: f"{get_arguments(job)} --cores {job.threads}"  # the last one counts


def stop_hopeless_retries(executor: Any) -> None:
    """Let a job fail for good if its log says so, whatever `retries` are left; an earlier run's log does not count."""
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
