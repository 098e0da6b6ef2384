"""When each job would run: a small simulation of a scheduler that starts whatever can start."""

import heapq
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple


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
    """

    name: str
    rule: str
    seconds: float
    slots: int = 1
    after: Sequence[str] = ()


def simulate(tasks: Sequence[Task], slots: int) -> dict[str, tuple[float, float]]:
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
    waiting, ends = list(tasks), dict[str, tuple[float, float]]()
    running: list[tuple[float, str, int]] = []
    free, now, done = slots, 0.0, set[str]()
    while waiting or running:
        for task in list(waiting):
            takes = min(task.slots, slots)
            if takes <= free and done.issuperset(task.after):
                waiting.remove(task)
                free -= takes
                ends[task.name] = (now, now + task.seconds)
                heapq.heappush(running, (now + task.seconds, task.name, takes))
        now = running[0][0]
        while running and running[0][0] == now:
            _, name, takes = heapq.heappop(running)
            done.add(name)
            free += takes
    return ends


def worker_seconds(volumes: int, workers: int, each: float, start: float, lifetime: float = math.inf) -> float:
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
    if not volumes:
        return 0.0
    rounds = math.ceil(volumes / workers)
    lives = math.ceil(rounds / max(1, lifetime // each)) if lifetime < math.inf else 1
    return rounds * each + lives * start


def most_at_a_time(times: Iterable[tuple[float, float]]) -> int:
    """Count how many of some jobs, given by (start, end), run at a time at most."""
    changes = sorted((at, change) for start, end in times for at, change in ((start, 1), (end, -1)))
    return max(itertools.accumulate(change for _, change in changes), default=0)
