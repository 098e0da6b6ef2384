"""When each job would run: a small simulation of Snakemake, which starts whatever can start."""

import bisect
import heapq
import math
from collections.abc import Sequence
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
    times, running = dict[str, tuple[float, float]](), list[tuple[float, int, float]]()
    missing = [len(task.after) for task in tasks]
    followers: dict[str, list[int]] = {task.name: [] for task in tasks}
    for number, task in enumerate(tasks):
        for name in task.after:
            followers[name].append(number)
    ready = [number for number, count in enumerate(missing) if not count]
    free, time = slots, 0.0
    while ready or running:
        for number in ready.copy():
            if not free:
                break
            task = tasks[number]
            if min(task.slots, slots) <= free:
                ready.remove(number)
                free -= min(task.slots, slots)
                heapq.heappush(running, (time + task.seconds + NOTICE_SECONDS * task.in_slurm, number, time))
        time = running[0][0]
        while running and running[0][0] <= time:
            _, number, start = heapq.heappop(running)
            times[tasks[number].name] = (start, time)
            free += min(tasks[number].slots, slots)
            for follower in followers[tasks[number].name]:
                missing[follower] -= 1
                if not missing[follower]:
                    bisect.insort(ready, follower)
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
