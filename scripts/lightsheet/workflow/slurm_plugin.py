"""Corrections to Snakemake's SLURM plugin (2.8), set on its executor: names, how often it asks, which jobs it tries."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

from lightsheet.cluster import FINAL, NoAnswerError, SlurmJob, list_jobs, recall_job

CHECK_SECONDS = 0.5
CLOCK_SECONDS = 60.0  # by which the clocks of machines may differ
MOST_DOUBTS = 3  # how often in a row a job must be over before the plugin is believed to have missed it


def prepare_plugin(executor: Any, label: str, logs: Path) -> None:
    """Correct the plugin before it submits its first job.

    Jobs' names begin with `label` and their logs go to `logs`, unless the user said otherwise.
    """
    settings = executor.workflow.executor_settings
    if not settings.jobname_prefix:
        executor.run_uuid = f"{label}_{executor.run_uuid}"
    if not settings.logdir:
        executor.slurm_logdir = logs.absolute()
    limit_poll_interval(executor, 3 * settings.init_seconds_before_status_checks)
    watch_jobs(executor)
    spare_vain_tries(executor)


def limit_poll_interval(executor: Any, longest: float) -> None:
    """Let the plugin ask after its jobs at least every `longest` seconds, and end at once when the run does.

    It would ask ever more rarely, every three minutes in the end; a SLURM that forgets jobs sooner would make it
    wait for ever, and Ctrl-C would take as long.
    """

    async def sleep() -> None:
        end = time.monotonic() + min(executor.next_seconds_between_status_checks, longest)
        while executor.wait and time.monotonic() < end:
            await asyncio.sleep(CHECK_SECONDS)

    executor.sleep = sleep


def watch_jobs(executor: Any) -> None:
    """Report the end of jobs for which the plugin would wait for ever.

    Preempted or lost with their node, and not put back into the queue; or ended while SLURM did not answer for so
    long that `squeue` has forgotten them.
    """
    check_active_jobs, doubts = executor.check_active_jobs, Counter[str]()

    async def check(infos: list[Any]) -> AsyncIterator[Any]:
        infos = [info async for info in check_active_jobs(infos)]
        jobs = _list_ended(executor.run_uuid, {info.external_jobid for info in infos})
        for info in infos:
            job = jobs.get(info.external_jobid)
            if job:
                doubts[job.id] += 1
            else:
                doubts[info.external_jobid] = 0
            if job and doubts[job.id] >= MOST_DOUBTS:
                _report(executor, info, job if job.state != "UNKNOWN" else recall_job(job.id))
            else:
                yield info

    executor.check_active_jobs = check


def spare_vain_tries(executor: Any) -> None:
    """Let a job whose log says so fail for good, whatever `retries` are left; an earlier run's last words are none."""
    report_job_error, start = executor.report_job_error, time.time() - CLOCK_SECONDS

    def report(info: Any, **options: Any) -> None:
        if any(_read_last_line(Path(log), start).endswith(FINAL) for log in info.job.log):
            info.job.attempt = max(info.job.attempt, info.job.restart_times + 1)
        report_job_error(info, **options)

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


def _list_ended(name: str, ids: Collection[str]) -> dict[str, SlurmJob]:
    """Return those jobs of that name which are over, or unknown to squeue; none if it does not answer."""
    if not ids:
        return {}
    try:
        queue = {job.id: job for job in list_jobs(name)}
    except NoAnswerError:
        return {}
    # members of a job array ("12_3") may be shown as one: they are left to the plugin
    jobs = [queue.get(number, SlurmJob(number, "UNKNOWN")) for number in ids if "_" not in number]
    return {job.id: job for job in jobs if job.is_over}


def _report(executor: Any, info: Any, job: SlurmJob) -> None:
    """Tell Snakemake how a job ended, in the plugin's words, which `list_failures` reads."""
    if job.state == "COMPLETED":
        executor.report_job_success(info)
    else:
        message = f"SLURM-job '{job.id}' failed, SLURM status is: '{job.state}'. "
        executor.report_job_error(info, msg=message, aux_logs=[str(info.aux["slurm_logfile"])])
