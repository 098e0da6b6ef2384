"""How many workers a coordinator keeps: which of them leave, and how many are missing for the volumes to do.

`busy` holds the address of a worker for each volume in hand, so that an address may stand there several times.
"""

from collections.abc import Callable, Iterable, Sequence

from lightsheet.cluster.slurm_worker import SlurmWorker


def list_staying(workers: Iterable[SlurmWorker]) -> list[SlurmWorker]:
    """Return the workers that nobody has asked to end."""
    return [worker for worker in workers if not worker.is_released]


def count_missing(
    workers: Sequence[SlurmWorker],
    is_fit: Callable[[SlurmWorker], bool],
    slots: int,
    volumes: int,
    busy: Sequence[str],
) -> int:
    """Count the workers, of so many slots, for the volumes that no living one has in hand or can take."""
    addresses = {worker.address for worker in workers}
    waiting = volumes - sum(address in addresses for address in busy)
    places = sum(
        slots - busy.count(worker.address or "")
        for worker in list_staying(workers)
        if not worker.is_ready or is_fit(worker)
    )
    return -(-(waiting - places) // slots)


def list_leaving(
    workers: Iterable[SlurmWorker], is_fit: Callable[[SlurmWorker], bool], volumes: int, busy: Sequence[str]
) -> list[SlurmWorker]:
    """Return idle workers that can take no more volume, and those that are more than the volumes left."""
    idle = [worker for worker in list_staying(workers) if worker.is_ready and worker.address not in busy]
    unfit = [worker for worker in idle if not is_fit(worker)]
    surplus = max(0, len(idle) - (volumes - len(busy)) - len(unfit))
    return unfit + [worker for worker in idle if worker not in unfit][:surplus]
