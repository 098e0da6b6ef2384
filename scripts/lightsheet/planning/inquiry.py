"""A plan's questions to SLURM: whether it would take the jobs, and how many workers it has room for."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from lightsheet.cluster import Inquiry, Team, ask_slurm, read_section
from lightsheet.planning.place import Place
from lightsheet.planning.schedule import Schedule
from lightsheet.run import RULES, Jobs, fit_run_workers, request_jobs, request_team


def inquire(schedule: Schedule, arguments: Mapping[str, Any]) -> tuple[Schedule, Inquiry | None]:
    """Ask SLURM about the jobs that a schedule has for it, None if it has none; return the schedule as they then are.

    `arguments` are those from which the schedule's place was described.
    """
    jobs = _describe_jobs(schedule, arguments)
    place = _limit_threads(schedule.place, jobs, arguments["threads"])
    requests = {
        rule: request_jobs(jobs, rule, arguments["profile"], arguments["resources"].get(rule, {}), share.cores)
        for rule, share in place.shares.items()
        if place.slurm_jobs and rule in schedule.times
    }
    team: Team | None = None
    if schedule.block_sizes:
        team = request_team(jobs, requests.get("deconvolve"), 1)
    if not requests and not team:
        return schedule, None
    inquiry = ask_slurm([*requests.values(), *([team.worker] if team else [])], team, jobs.answers)
    if team:
        section = read_section(jobs.dask_cluster)
        width = fit_run_workers(jobs.run, section, jobs.dask_workers, jobs.answers, requests.get("deconvolve"))
        worker = place.worker._replace(cores=team.worker.amounts.cores)
        place = place._replace(shares={**place.shares, "workers": worker}, slots=width.slots)
    return _limit_workers(dataclasses.replace(schedule, place=place), inquiry), inquiry


def _describe_jobs(schedule: Schedule, arguments: Mapping[str, Any]) -> Jobs:
    place, resources = schedule.place, arguments["resources"]
    partitions = {rule: resources.get(rule, {}).get("slurm_partition", "") for rule in RULES if place.slurm_jobs}
    return Jobs(schedule.work.run, place.cluster, place.workers, place.cores, partitions)


def _limit_threads(place: Place, jobs: Jobs, threads: Mapping[str, int]) -> Place:
    """Give jobs no more cores than a node has, unless a person said how many."""
    cores = {rule: jobs.choose_threads(rule) for rule in RULES if rule not in threads}
    shares = {
        rule: share._replace(cores=min(share.cores, cores.get(rule, share.cores)))
        for rule, share in place.shares.items()
    }
    return place._replace(shares=shares)


def _limit_workers(schedule: Schedule, inquiry: Inquiry) -> Schedule:
    """Return the schedule with no more workers than SLURM has room for."""
    if not math.isfinite(inquiry.workers) or not schedule.block_sizes:
        return schedule
    workers = min(schedule.place.workers, max(1, int(inquiry.workers)))
    return dataclasses.replace(schedule, place=schedule.place._replace(workers=workers))
