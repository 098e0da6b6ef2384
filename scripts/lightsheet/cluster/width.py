"""How many volumes a worker has in hand at a time, and how many threads each: the fewest that lose no time.

Engine cpu works alone in part of a volume, so several volumes of fewer threads are done sooner than one after the
other, where they are many and small. Engine gpu computes one, while others are read, decoded, encoded and written.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

ALONE = 0.15
"""Share of a volume's time that only one thread works: two threads take 0.57 of the time of one for (101, 512, 384)."""

NEARLY = 1.03
"""Fewer volumes at a time, which need less memory, may take so much longer."""


class Needs(NamedTuple):
    """What a volume takes of its worker."""

    process: int  # bytes that the worker needs besides its volumes
    volume: int  # bytes of each volume in hand
    most_volumes: float = 1  # in hand at a time
    seconds: float = 1.0  # of one core for a volume; without a GPU any unit will do
    alone: float = ALONE  # share of the seconds that a second thread does not shorten
    gpu_seconds: float = 0.0  # of a volume for which no other can use the GPU

    def count_bytes(self, slots: int) -> int:
        """Return the bytes that a worker needs with so many volumes in hand."""
        return self.process + slots * self.volume

    def choose_threads(self, cores: int, slots: int) -> int:
        """Return the threads of each volume: the one that the GPU computes needs none."""
        return math.ceil(cores / max(1, slots - 1)) if self.gpu_seconds else max(1, cores // slots)

    def estimate_round(self, cores: int, slots: int) -> float:
        """Estimate the seconds in which a worker does as many volumes as it has in hand."""
        threads = min(cores, self.choose_threads(cores, slots))
        volume_seconds = self.gpu_seconds + self.seconds * (self.alone + (1 - self.alone) / threads)
        return max(volume_seconds, slots * self.gpu_seconds, slots * self.seconds / cores)


def choose_slots(needs: Needs, cores: int, volumes: int, count_workers: Callable[[int], float] = lambda _: 1) -> int:
    """Choose how many volumes a worker has in hand, for nearly the shortest time of all volumes.

    The rounds, in each of which a worker does as many, are to take the least time; the last one is to leave few cores
    idle.

    Parameters
    ----------
    needs : Needs, of a volume
    cores : int, of a worker
    volumes : int, of all workers
    count_workers : callable, says how many workers there are if each has so many in hand; where none fits, it is one
        volume at a time
    """
    seconds = {}
    for slots in _list_slots(needs, cores, volumes):
        workers = max(count_workers(slots), slots == 1)
        if workers >= 1:
            rounds = volumes / (min(workers, volumes) * slots)
            if not needs.gpu_seconds:  # with one, a volume comes when another one leaves
                rounds = math.ceil(rounds)
            seconds[slots] = rounds * needs.estimate_round(cores, slots)
    shortest = min(seconds.values())
    return min(slots for slots, value in seconds.items() if value <= NEARLY * shortest)


def _list_slots(needs: Needs, cores: int, volumes: int) -> list[int]:
    """List what may be chosen: of numbers that give each volume as many threads, the largest."""
    most = max(1, min(needs.most_volumes, volumes))
    if needs.gpu_seconds:
        return list(range(1, int(min(most, cores + 1)) + 1))
    return sorted({1, *(int(min(cores // threads, most)) for threads in range(1, cores + 1))})


def find_most_slots(needs: Needs, memory: float) -> float:
    """Return how many volumes so many bytes hold; at least one, which is cut into blocks where it does not fit."""
    return max(1, min(needs.most_volumes, (memory - needs.process) // needs.volume))
