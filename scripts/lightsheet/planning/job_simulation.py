"""When each job would run: a small simulation of Snakemake, which starts whatever can start."""

import heapq
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NOTICE_SECONDS = 1.0
"""From the end of a SLURM job until Snakemake has noticed it, see `lightsheet.workflow.slurm_plugin`."""


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
    free, now, done = slots, 0.0, set[str]()
    while waiting or running:
        for task in list(waiting):
            if not free:
                break
            if min(task.slots, slots) <= free and done.issuperset(task.after):
                waiting.remove(task)
                free -= min(task.slots, slots)
                end = now + task.seconds + NOTICE_SECONDS * task.in_slurm
                heapq.heappush(running, (end, task.name, now, task))
        now = running[0][0]
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
