"""What `dispatch` asks of Dask workers, wherever they run, and is told of those that are lost."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from distributed import Client


@dataclass(frozen=True)
class WorkerLoss:
    """How a worker was lost, and whether the volume that it had may be the cause."""

    reason: str
    volume_suspected: bool


class WorkerPool(Protocol):
    """Dask workers, wherever they run; `busy` holds a worker's address for each volume in flight."""

    client: Client
    news: threading.Event
    """Set when a worker has come, or can take volumes: `maintain` is called soon."""

    def maintain(self, volumes: int, busy: Sequence[str]) -> None:
        """Replace lost workers, while so many volumes are not done."""

    def list_connected(self) -> Collection[str]:
        """Return the addresses of all workers that are connected."""

    def count_workers(self) -> tuple[int, int, str]:
        """Return how many are connected, how many jobs have no worker yet, and why these wait."""

    def list_free(self, busy: Sequence[str]) -> list[str]:
        """Return the addresses of workers that can take a volume now, each as often as it can take one more."""

    def explain_loss(self, address: str) -> WorkerLoss | None:
        """Say how a worker was lost; None while that is not known yet."""

    def record_duration(self, address: str, seconds: float) -> None:
        """Learn how long a volume took."""


def list_free_slots(addresses: Collection[str], slots: int, busy: Sequence[str]) -> list[str]:
    """Return each address as often as it has slots free of the `busy` ones; those with the fewest volumes first."""
    return [address for slot in range(slots) for address in addresses if busy.count(address) <= slot]
