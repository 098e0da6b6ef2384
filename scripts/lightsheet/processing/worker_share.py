"""The time of a worker, shared out among its volumes: to each what passed since the one before it ended.

So the shares of volumes that were in hand at the same time add up to the time that the worker had work, and tell what
bounded the rate.
"""

import os
import resource
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution import gpu_turn

BUSY = 0.8
"""What works for so much of the time bounds the rate."""

LITTLE = 0.25
"""A disk that volumes wait for no longer than that does not bound their rate."""


class Rate(NamedTuple):
    """Seconds from one volume of a worker to its next, and which part of them its cores and its GPU work.

    `disk` is the part of the volumes' own seconds in which they are read and written; None where it is not known.
    """

    seconds: float
    cores: int
    cores_busy: float
    gpu_busy: float | None = None
    disk: float | None = None


class _Clock:
    """Seconds of this process, by the wall, of all its cores and of its GPU, until the last volume ended or began."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.in_hand = 0
        self.cores = 0
        self.last = np.zeros(3)

    def read(self) -> np.ndarray:
        return np.array([time.monotonic(), time.process_time(), gpu_turn.COMPUTING.seconds])


_CLOCK = _Clock()


@contextmanager
def share_worker(cores: int) -> Iterator[None]:
    """Have a volume in hand during the block, in a worker of so many cores."""
    with _CLOCK.lock:
        if not _CLOCK.in_hand:
            _CLOCK.last = _CLOCK.read()
        _CLOCK.in_hand += 1
        _CLOCK.cores = cores
    try:
        yield
    finally:
        with _CLOCK.lock:
            _CLOCK.in_hand -= 1


def take_share() -> dict[str, Any]:
    """Return, for the record of a volume that ends now, its share of its worker's time; nothing outside of a worker."""
    with _CLOCK.lock:
        if not _CLOCK.in_hand:
            return {}
        now = _CLOCK.read()
        seconds, of_cores, of_gpu = (round(float(value), 3) for value in now - _CLOCK.last)
        _CLOCK.last = now
        times = {"seconds": seconds, "cores": _CLOCK.cores, "core_seconds": of_cores, "gpu_seconds": of_gpu}
        return {"share": {**times, **_describe_memory()}}


def _describe_memory() -> dict[str, int]:
    """Return the most bytes that this process has had, and in a job of SLURM's the bytes that were asked for."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    request = os.environ.get("SLURM_MEM_PER_NODE", "")
    return {"peak_bytes": peak, **({"memory_bytes": int(request) << 20} if request.isdecimal() else {})}


def measure_rate(records: Iterable[Mapping[str, Any] | None]) -> Rate | None:
    """Return the mean rate of volumes whose records hold their share; None if none does."""
    shared_records = [record for record in records if record and "share" in record]
    shares = [record["share"] for record in shared_records]
    seconds, cores, core_seconds, gpu_seconds = (
        np.array([share[key] for share in shares]) for key in ("seconds", "cores", "core_seconds", "gpu_seconds")
    )
    if not shares or not seconds.sum():
        return None
    available = (seconds * cores).sum()
    gpu_busy = gpu_seconds.sum() / seconds.sum() if gpu_seconds.any() else None
    cores_busy = float(core_seconds.sum() / available)
    return Rate(float(seconds.mean()), int(np.median(cores)), cores_busy, gpu_busy, _measure_disk(shared_records))


def _measure_disk(records: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the part of volumes' seconds in which they are read and written; None where no record has stages."""
    stages = [record.get("seconds", {}) for record in records]
    total = sum(sum(seconds.values()) for seconds in stages)
    return sum(seconds.get("read", 0.0) + seconds.get("write", 0.0) for seconds in stages) / total if total else None


def describe_rate(rate: Rate) -> str:
    """Say how often a worker does a volume, and what bounds that."""
    parts = [f"its GPU computes {rate.gpu_busy:.0%}"] if rate.gpu_busy is not None else []
    cores = f"its {rate.cores} cores work" if rate.cores > 1 else "its core works"
    parts.append(f"{cores} {rate.cores_busy:.0%}")
    return f"a worker does a volume in {rate.seconds:.3g} s, of which {' and '.join(parts)}: {find_bound(rate)}"


def find_bound(rate: Rate) -> str:
    """Say what bounds a rate."""
    gpu = rate.gpu_busy or 0.0
    if max(gpu, rate.cores_busy) < BUSY:
        alone = "they are not" if rate.cores > 1 else "it is not"
        subject = alone if rate.gpu_busy is None else "neither is"
        if rate.disk is not None and rate.disk < LITTLE:
            return (
                f"{subject} busy, nor is the disk, as {rate.disk:.0%} is reading and writing: what bounds the rate is "
                "other jobs on the same cores, the first volume of each worker, or how many volumes are in hand"
            )
        return f"{subject} busy, so the disk bounds the rate, or how many volumes are in hand"
    return f"the {'GPU bounds' if gpu >= rate.cores_busy else 'cores bound'} the rate"
