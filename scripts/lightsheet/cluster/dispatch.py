"""Volumes to Dask workers: to each as many at a time as it takes, and again elsewhere if it is lost.

Dask's own retries are switched off (`allowed-failures: 0`, one worker named per task): they would count the deaths of
a worker against every task that waits on it, and cannot tell a volume that kills its worker from a job of higher
priority that did.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from distributed import Client, Future, KilledWorker

from lightsheet.system import InputError, Progress, logger

TRIES = 3
POLL_SECONDS = 1.0
NEWS_SECONDS = 60.0


@dataclass(frozen=True)
class WorkerLoss:
    """How a worker was lost, in words, and whether the volume that it had may be the cause."""

    words: str
    blamed: bool


class WorkerPool(Protocol):
    """Dask workers, wherever they run."""

    client: Client

    def tend(self, left: int, busy: Sequence[str]) -> None:
        """Replace what was lost, while `left` volumes are not done; `busy` holds an address per volume in flight."""

    def here(self) -> Collection[str]:
        """Return the addresses of all workers that are connected."""

    def free(self, busy: Sequence[str]) -> list[str]:
        """Return the addresses of workers that can take a volume now, each as often as it can take one more."""

    def loss(self, address: str) -> WorkerLoss | None:
        """Say how a worker was lost; None while that is not known yet."""

    def took(self, address: str, seconds: float) -> None:
        """Learn how long a volume took."""


@dataclass
class _Flight:
    """A volume on a worker."""

    name: str
    address: str
    future: Future[Any]
    start: float = field(default_factory=time.monotonic)


def free_slots(addresses: Collection[str], slots: int, busy: Sequence[str]) -> list[str]:
    """Return each address as often as it has slots free of the `busy` ones; those with the fewest volumes first."""
    return [address for slot in range(slots) for address in addresses if busy.count(address) <= slot]


def map_volumes(
    pool: WorkerPool, function: Callable[..., Any], tasks: Mapping[str, Mapping[str, Any]], what: str
) -> Iterator[tuple[str, BaseException | None]]:
    """Call `function` once for each volume, on the workers of a pool.

    A volume is given up after three tries: an exception, or a worker that died of it (not one that was cancelled,
    preempted, or lost with its node).

    Parameters
    ----------
    pool : Pool
        See `lightsheet.cluster.workers.start_workers`.
    function : callable
        Importable on the workers; what it makes is on the disk when it returns, and to do it twice does no harm.
    tasks : mapping
        Keyword arguments by the volume's name.
    what : str
        What is done, for the log.

    Yields
    ------
    name, error
        As volumes end: the volume's name, and None or the last exception.
    """
    yield from _Dispatch(pool, function, tasks, what).run()


class _Dispatch:
    """Where each volume is: in line, on a worker, or lost with one until it is known how that ended."""

    def __init__(
        self, pool: WorkerPool, function: Callable[..., Any], tasks: Mapping[str, Mapping[str, Any]], what: str
    ) -> None:
        self.pool, self.function, self.tasks, self.what = pool, function, tasks, what
        self.waiting, self.flying, self.lost = deque(tasks), list[_Flight](), list[_Flight]()
        self.failures: dict[str, list[BaseException]] = defaultdict(list)
        self.progress: Progress | None = None  # counts from when the first worker is there
        self.landed, self.news = threading.Event(), time.monotonic()

    def run(self) -> Iterator[tuple[str, BaseException | None]]:
        while self.waiting or self.flying or self.lost:
            busy = [flight.address for flight in self.flying]
            self.pool.tend(len(self.waiting) + len(self.flying) + len(self.lost), busy)
            for address in self.pool.free(busy):
                if self.waiting and self.may_share(self.waiting[0], address):
                    self.flying.append(self.hand_out(self.waiting.popleft(), address))
            self.tell()
            self.landed.wait(POLL_SECONDS)
            self.landed.clear()
            yield from self.collect()
            yield from self.mourn()

    def may_share(self, name: str, address: str) -> bool:
        """Keep a volume that failed apart from others: were it to kill its worker again, they would be blamed too."""
        beside = [flight.name for flight in self.flying if flight.address == address]
        return not beside or not any(self.failures[each] for each in [name, *beside])

    def hand_out(self, name: str, address: str) -> _Flight:
        self.progress = self.progress or Progress(self.what, len(self.tasks))
        future = self.pool.client.submit(
            self.function, **self.tasks[name], pure=False, workers=[address], allow_other_workers=False
        )
        future.add_done_callback(lambda _future: self.landed.set())
        return _Flight(name, address, future)

    def collect(self) -> Iterator[tuple[str, BaseException | None]]:
        """Take what ended, well or with an exception; the worker of the rest is gone."""
        here = self.pool.here()
        for flight in [flight for flight in self.flying if flight.future.done() or flight.address not in here]:
            self.flying.remove(flight)
            error = flight.future.exception() if flight.future.status == "error" else None
            if flight.future.status == "finished":
                self.pool.took(flight.address, time.monotonic() - flight.start)
                yield from self.finish(flight.name)
            elif error and not isinstance(error, KilledWorker):
                self.failures[flight.name].append(error)
                yield from self.again_or_give_up(flight.name)
            else:
                flight.future.cancel()
                self.lost.append(flight)

    def mourn(self) -> Iterator[tuple[str, BaseException]]:
        """Decide on volumes whose worker was lost, as soon as it is known how."""
        for flight in list(self.lost):
            if loss := self.pool.loss(flight.address):
                self.lost.remove(flight)
                if loss.blamed:
                    self.failures[flight.name].append(InputError(loss.words))
                else:
                    logger.info("%s is done again: %s", flight.name, loss.words)
                yield from self.again_or_give_up(flight.name)

    def finish(self, name: str) -> Iterator[tuple[str, None]]:
        assert self.progress
        self.progress.step(f"{name}; {self.count()}")
        yield name, None

    def again_or_give_up(self, name: str) -> Iterator[tuple[str, BaseException]]:
        """Put a volume back to the end of the line, or yield it with its last failure."""
        tries = self.failures[name]
        if len(tries) >= TRIES:
            yield name, tries[-1]
            return
        self.waiting.append(name)
        if tries:
            logger.warning("%s: try %d of %d failed: %s", name, len(tries), TRIES, tries[-1])

    def tell(self) -> None:
        """Show once a minute that it goes on, when volumes take longer than that or no worker is there."""
        if time.monotonic() - self.news > NEWS_SECONDS:
            self.news = time.monotonic()
            done = self.progress.done if self.progress else 0
            logger.info("%s: %d of %d done; %s", self.what, done, len(self.tasks), self.count())

    def count(self) -> str:
        return f"{len(self.flying)} in flight, {len(self.waiting) + len(self.lost)} to do"
