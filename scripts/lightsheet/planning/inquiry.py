"""A plan's questions to SLURM: whether it would take the jobs, and how many workers it has room for."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from lightsheet.cluster import Inquiry, Team, ask_slurm
from lightsheet.planning.job_simulation import count_concurrent
from lightsheet.planning.schedule import Schedule
from lightsheet.run import Jobs, request_jobs, request_team


def inquire(schedule: Schedule, arguments: Mapping[str, Any]) -> Inquiry | None:
    """Ask SLURM about the jobs that a schedule has for it; None if it has none.

    `arguments` are those from which the schedule's place was described.
    """
    place = schedule.place
    jobs = Jobs(schedule.work.run, place.cluster, place.workers, place.cores)
    requests = {
        rule: request_jobs(jobs, rule, arguments["profile"], arguments["resources"].get(rule, {}), share.cores)
        for rule, share in place.shares.items()
        if place.slurm_jobs and rule in schedule.times
    }
    team: Team | None = None
    if schedule.block_sizes:
        coordinators = count_concurrent(schedule.times["deconvolve"])
        team = request_team(jobs, requests.get("deconvolve"), coordinators)
    if not requests and not team:
        return None
    return ask_slurm([*requests.values(), *([team.worker] if team else [])], team)


def limit_workers(schedule: Schedule, inquiry: Inquiry | None) -> Schedule:
    """Return the schedule with no more workers than SLURM has room for, shared by the coordinators."""
    if not inquiry or not math.isfinite(inquiry.workers) or not schedule.block_sizes:
        return schedule
    coordinators = count_concurrent(schedule.times["deconvolve"])
    workers = max(1, int(inquiry.workers) // coordinators)
    place = schedule.place
    return dataclasses.replace(schedule, place=place._replace(workers=min(place.workers, workers)))
