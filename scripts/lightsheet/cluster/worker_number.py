"""How many Dask workers a run has: as the profile says, or what suits this machine. Light to import."""

from lightsheet.cluster.width import Needs, choose_slots, find_most_slots
from lightsheet.deconvolution.gpu_trial import ask_for_gpu
from lightsheet.system import InputError, logger

AUTO = 0
"""As many local workers as suit the machine on which they run; see `choose_number`."""

SLURM_WORKERS = 100
"""The most SLURM workers of a run where nobody says; it has no more than volumes and room."""

MEMORY_SHARE = 0.6
"""Share of the free memory that all volumes computed at a time may take."""


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


def choose_number(cores: int, volumes: int, needs: Needs, available: int, devices: int = 0) -> int:
    """Choose how many workers share the cores of this machine, for the shortest time of all volumes.

    Each has one volume at a time and its share of the cores, so `choose_slots` says how many: two workers of one thread
    do volumes of (67, 256, 256) 1.3 times as fast as one of two threads, and of (101, 512, 384) 1.15 times. All that
    they have in hand takes no more than `MEMORY_SHARE` of the memory. A GPU has one worker.

    Parameters
    ----------
    cores, volumes : int
    needs : Needs, of a volume
    available : int, bytes that are free
    devices : int, GPUs of this machine, if they are used
    """
    limit = max(1, min(cores, volumes, int(MEMORY_SHARE * available / needs.count_bytes(1))))
    if needs.gpu_seconds:
        return min(limit, max(1, devices))
    return choose_slots(needs._replace(most_volumes=limit), cores, volumes)


def choose_local_slots(needs: Needs, cores: int, volumes: int, workers: int, available: int) -> int:
    """Choose how many volumes each of so many workers on this machine has in hand: without a GPU one.

    Parameters
    ----------
    needs, volumes : Needs, int, as for `choose_slots`
    cores : int, of one worker
    workers, available : int, on this machine, and bytes that are free
    """
    if not needs.gpu_seconds:
        return 1
    most = find_most_slots(needs, MEMORY_SHARE * available / workers)
    return choose_slots(needs._replace(most_volumes=most), cores, volumes, lambda _: workers)


def count_devices(engine: str) -> int:
    """Return how many GPUs this machine has, if the engine uses any."""
    return len(ask_for_gpu().devices) if engine == "gpu" else 0


def limit_to_devices(number: int, engine: str) -> int:
    """Return so many workers, but no more than GPUs if they use these: two would race for the memory of one."""
    most = max(1, count_devices(engine)) if engine == "gpu" else number
    if number > most:
        logger.info("%d worker(s), not %d: one for each GPU", most, number)
    return min(number, most)
