"""Whether SLURM can run the jobs of a run at all: asked before the first job, as SLURM tells of each one too late."""

import os
import shlex
from typing import Any

from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.cluster import Request, ask_slurm, format_amount, request_rule
from lightsheet.run import COORDINATORS, Jobs, request_team
from lightsheet.system import InputError
from lightsheet.workflow.resources import bound_coordinators, bound_jobs, name_profile


def check_cluster(workflow: Any, jobs: Jobs) -> None:
    """Refuse a run whose jobs or workers SLURM would never run, and log what may go wrong; without SLURM, do nothing.

    Only what SLURM itself says is a reason; what it does not answer is none.
    """
    due = list(workflow.dag.needrun_jobs())
    coordinators = sum(job.rule.name in COORDINATORS for job in due)
    requests = request_due_jobs(workflow, due)
    team = None
    if coordinators:
        coordinator = next((requests[rule] for rule in COORDINATORS if rule in requests), None)
        team = request_team(jobs, coordinator, min(coordinators, bound_coordinators(workflow, jobs)))
    if not requests and not team:
        return
    inquiry = ask_slurm([*requests.values(), *([team.worker] if team else [])], team, jobs.answers)
    bound_jobs(workflow, inquiry.jobs - (1 if team else 0))
    number = min(jobs.dask_workers * team.coordinators, len(jobs.run.acquisition.volumes)) if team else 0
    if team and 0 < inquiry.workers < number:
        size = format_amount("cores", team.worker.amounts.cores)
        logger.info(f"SLURM has room for {inquiry.workers:.0f} of {number} workers of {size} at a time.")
    for doubt in inquiry.doubts:
        logger.info(doubt)
    for remark in inquiry.remarks:
        logger.warning(f"Warning: {remark}")
    if inquiry.refusals:
        raise InputError("\n".join(inquiry.refusals))


def request_due_jobs(workflow: Any, due: list[Any]) -> dict[str, Request]:
    """Return by rule the requests of the jobs that SLURM is to run; those of one rule are alike."""
    settings, requests = workflow.executor_settings, dict[str, Request]()
    if not hasattr(settings, "jobname_prefix"):  # jobs run here
        return requests
    file = f"{name_profile()} or on the command line"
    has_partitions = getattr(settings, "partition_config", None) or os.environ.get("SNAKEMAKE_SLURM_PARTITIONS")
    for job in due:
        if job.is_local or job.rule.name in requests:
            continue
        resources = dict(job.resources.items())
        if has_partitions and not resources.get("slurm_partition"):
            continue  # the plugin chooses one for each job
        if qos := getattr(settings, "qos", None):
            resources["qos"] = qos
        if reservation := getattr(settings, "reservation", None):
            resources["slurm_extra"] = f"--reservation={shlex.quote(reservation)} {resources.get('slurm_extra') or ''}"
        requests[job.rule.name] = request_rule(job.rule.name, file, resources, job.threads)
    return requests
