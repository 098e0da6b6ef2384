"""How many Dask workers a run has: as the profile says, or what suits this machine. Light to import."""

import math

from lightsheet.deconvolution.gpu_trial import ask_for_gpu
from lightsheet.system import InputError, logger

AUTO = 0
"""As many local workers as suit the machine on which they run; see `choose_number`."""

SLURM_WORKERS = 100
"""The most SLURM workers of a run where nobody says; it has no more than volumes and room."""

MEMORY_SHARE = 0.6
"""Of the memory that is free, so much may all volumes take that are computed at a time."""

ALONE = 0.15
"""Of the time of a volume, so much is one thread's work: (101, 512, 384) takes 2 threads 0.57 of one's time."""


def read_number(value: int | str | None, kind: str) -> int:
    """Return the most workers at a time, or `AUTO`, which only local ones can be.

    Parameters
    ----------
    value : int, str or None, the resource `dask_workers`: a number or `auto`; None where nobody says it
    kind : str, `local`, or a section of jobqueue.yaml

    Raises
    ------
    InputError
        If it is neither.
    """
    if value is None or value == "auto":
        return AUTO if kind == "local" else SLURM_WORKERS
    try:
        number = int(value)
    except ValueError:
        number = -1
    if number < 1 and not (number == AUTO and kind == "local"):
        raise InputError(f"resource dask_workers: {value!r} is neither auto nor a number from 1; correct the profile")
    return number


def choose_number(cores: int, volumes: int, memory: int, available: int, engine: str, devices: int = 1) -> int:
    """Choose how many workers share the cores of this machine, for the shortest time of all volumes.

    As many workers as cores, each with one thread, while there are volumes for them and all that they have in hand
    takes no more than `MEMORY_SHARE` of the memory: two workers of one thread do volumes of (67, 256, 256) 1.3 times as
    fast as one of two threads, and of (101, 512, 384) 1.15 times. Else fewer, each with more threads: so many that the
    rounds, in which each worker does a volume, take the least time; the last one is to leave few cores idle.
    A GPU has one worker.

    Parameters
    ----------
    cores, volumes : int
    memory, available : int, bytes of one worker with its volume, and bytes that are free
    engine : str, what they compute with
    devices : int, GPUs of this machine
    """
    most = max(1, min(cores, volumes, int(MEMORY_SHARE * available / memory)))
    if engine == "gpu":
        return min(most, max(1, devices))

    def estimate_time(number: int) -> float:
        """Estimate the time of all rounds; that of one volume with one thread is 1."""
        return math.ceil(volumes / number) * (ALONE + (1 - ALONE) / (cores // number))

    return min(range(most, 0, -1), key=estimate_time)


def count_devices(engine: str) -> int:
    """Return how many GPUs this machine has, if the engine uses any."""
    return len(ask_for_gpu().devices) if engine == "gpu" else 0


def limit_to_devices(number: int, engine: str) -> int:
    """Return so many workers, but no more than GPUs if they use these: two would race for the memory of one."""
    most = max(1, count_devices(engine)) if engine == "gpu" else number
    if number > most:
        logger.info("%d worker(s), not %d: one for each GPU", most, number)
    return min(number, most)
