"""When each job would run: a small simulation of Snakemake, which starts whatever can start."""

import heapq
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

FIRST_POLL, LAST_POLL = 10.0, 30.0
"""Seconds between two looks at SLURM's queue: the first after an ended job was noticed, and at most; while no job has
ended they grow by `FIRST_POLL` each time. As in `profiles/slurm`, see `lightsheet.workflow.slurm_plugin`."""


class Task(NamedTuple):
    """One job: its `seconds`, its `slots` (cores of this machine, or one job in SLURM's queue), whom it waits for."""

    name: str
    rule: str
    seconds: float
    slots: int = 1
    after: Sequence[str] = ()
    in_slurm: bool = False


def simulate_jobs(tasks: Sequence[Task], slots: int) -> dict[str, tuple[float, float]]:
    """Start each job as soon as it can, the first in the list first; return (start, end) in seconds by name.

    A job that wants more than all slots gets all.
    """
    waiting, times = list(tasks), dict[str, tuple[float, float]]()
    running: list[tuple[float, str, float, Task]] = []
    free, now, done, next_poll, interval = slots, 0.0, set[str](), FIRST_POLL, FIRST_POLL
    while waiting or running:
        for task in list(waiting):
            if not free:
                break
            if min(task.slots, slots) <= free and done.issuperset(task.after):
                waiting.remove(task)
                free -= min(task.slots, slots)
                heapq.heappush(running, (now + task.seconds, task.name, now, task))
        end, *_, task = running[0]
        if task.in_slurm:
            while next_poll < end:
                interval = min(interval + FIRST_POLL, LAST_POLL)
                next_poll += interval
            end, interval = next_poll, FIRST_POLL  # that is when Snakemake notices it
            next_poll += interval
        now = max(now, end)
        while running and running[0][0] <= now:
            _, name, start, task = heapq.heappop(running)
            times[name] = (start, now)
            done.add(name)
            free += min(task.slots, slots)
    return times


def simulate_workers(
    volumes: int, workers: int, volume_seconds: float, start_seconds: float, lifetime: float = math.inf
) -> float:
    """Return the seconds that workers need for some volumes, all alike.

    A worker takes `start_seconds` to come; after `lifetime` seconds it takes no further volume, and is replaced.
    """
    rounds = math.ceil(volumes / workers)
    rounds_of_a_life = max(1, lifetime // volume_seconds) if lifetime < math.inf else max(1, rounds)
    return rounds * volume_seconds + math.ceil(rounds / rounds_of_a_life) * start_seconds


def count_concurrent(times: Iterable[tuple[float, float]]) -> int:
    """Count how many of some jobs, given by (start, end), run at a time at most."""
    changes = sorted((time, change) for start, end in times for time, change in ((start, 1), (end, -1)))
    return max(itertools.accumulate(change for _, change in changes), default=0)
