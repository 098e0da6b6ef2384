"""When each job would run: a small simulation of a scheduler that starts whatever can start."""

import heapq
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

FIRST_LOOK, LAST_LOOK = 10.0, 30.0
"""Seconds from a look at SLURM's queue that found an ended job to the next one, and at most between two: while none has
ended, they become `FIRST_LOOK` more each time. As `profiles/slurm` has it, see `lightsheet.workflow.slurm_plugin`."""


class Task(NamedTuple):
    """One job.

    Parameters
    ----------
    name, rule : str
        Which it is.
    seconds : float
        That it takes.
    slots : int
        That it occupies meanwhile: cores here, or one job in the queue of SLURM.
    after : sequence of str
        Names of the jobs that must have ended before.
    is_away : bool
        Whether it is a job of SLURM, over for Snakemake when it looks.
    """

    name: str
    rule: str
    seconds: float
    slots: int = 1
    after: Sequence[str] = ()
    is_away: bool = False


class _Looks:
    """When Snakemake looks at SLURM's queue."""

    def __init__(self) -> None:
        self._next = self._gap = FIRST_LOOK

    def after(self, end: float) -> float:
        """Return when it is seen that a job has ended: ends are asked for in order of time."""
        while self._next < end:
            self._gap = min(self._gap + FIRST_LOOK, LAST_LOOK)
            self._next += self._gap
        seen, self._gap = self._next, FIRST_LOOK
        self._next += self._gap
        return seen


def simulate_jobs(tasks: Sequence[Task], slots: int) -> dict[str, tuple[float, float]]:
    """Let every job start as soon as what it needs is done and there is room; among several, the first in the list.

    Parameters
    ----------
    tasks : sequence of Task
        In order of preference.
    slots : int
        That jobs share; a job that wants more gets all.

    Returns
    -------
    dict
        (start, end) in seconds, by the job's name.
    """
    waiting, times = list(tasks), dict[str, tuple[float, float]]()
    running: list[tuple[float, str, Task]] = []
    looks, free, now, done = _Looks(), slots, 0.0, set[str]()
    while waiting or running:
        for task in _startable(waiting, free, slots, done):
            waiting.remove(task)
            free -= min(task.slots, slots)
            times[task.name] = (now, now + task.seconds)
            heapq.heappush(running, (now + task.seconds, task.name, task))
        end, _, task = running[0]
        now = max(now, looks.after(end) if task.is_away else end)
        while running and running[0][0] <= now:
            _, name, task = heapq.heappop(running)
            times[name] = (times[name][0], now)
            done.add(name)
            free += min(task.slots, slots)
    return times


def _startable(waiting: Iterable[Task], free: int, slots: int, done: set[str]) -> list[Task]:
    """List the jobs that can start together."""
    found = []
    for task in waiting:
        if not free:
            break
        if min(task.slots, slots) <= free and done.issuperset(task.after):
            found.append(task)
            free -= min(task.slots, slots)
    return found


def simulate_workers(volumes: int, workers: int, each: float, start: float, lifetime: float = math.inf) -> float:
    """Return how long workers need for some volumes, all alike.

    Parameters
    ----------
    volumes, workers : int
        How many.
    each : float
        Seconds a volume takes on a worker.
    start : float
        Seconds until a worker is there, for the first and for each that replaces one which left.
    lifetime : float
        Seconds after which a worker takes no further volume and leaves.
    """
    rounds = math.ceil(volumes / workers)
    a_life = max(1, lifetime // each) if lifetime < math.inf else max(1, rounds)
    return rounds * each + math.ceil(rounds / a_life) * start


def count_concurrent(times: Iterable[tuple[float, float]]) -> int:
    """Count how many of some jobs, given by (start, end), run at a time at most."""
    changes = sorted((at, change) for start, end in times for at, change in ((start, 1), (end, -1)))
    return max(itertools.accumulate(change for _, change in changes), default=0)
