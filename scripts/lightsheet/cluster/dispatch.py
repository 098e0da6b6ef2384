"""Volumes to Dask workers: to each as many at a time as it takes, and again to another if its worker is lost.

Dask's own retries are switched off (`allowed-failures: 0`, one worker named per task): they would count the deaths of
a worker against every task that waits on it, and cannot tell a volume that kills its worker from a job of higher
priority that did.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from distributed import Future, KilledWorker

from lightsheet.cluster.walltime import OutOfTimeError, Walltime
from lightsheet.cluster.worker_pool import WorkerPool
from lightsheet.system import DiskError, InputError, Progress, logger

TRIES = 3
POLL_SECONDS = 1.0
LOG_SECONDS = 60.0


class VolumeCount(NamedTuple):
    """Where the volumes of one coordinator are, and its workers; `reason` is why jobs wait, as squeue says."""

    done: int
    failed: int
    in_flight: int
    waiting: int
    seconds: float  # since the first one was handed out
    workers: int
    workers_waiting: int
    reason: str


def map_volumes(
    pool: WorkerPool,
    function: Callable[..., Any],
    tasks: Mapping[str, Mapping[str, Any]],
    action: str,
    walltime: Walltime | None = None,
    tell: Callable[[VolumeCount], None] | None = None,
) -> Iterator[tuple[str, BaseException | None]]:
    """Call `function` once for each volume, on the workers of a pool.

    A volume is given up after an `InputError`, or after three other failures: an exception, or a worker that died of it
    (not one that was cancelled, preempted, or lost with its node). A full disk is no volume's failure: no other volume
    is begun.

    Parameters
    ----------
    pool : WorkerPool
        From `start_workers`.
    function : callable
        Importable on the workers; its results are on the disk when it returns, and it may run twice for a volume.
    tasks : mapping
        Keyword arguments by the volume's name.
    action : str
        What is done to volumes, for the log.
    walltime : Walltime or None
        Of this process, from `find_walltime`: near its end no volume is begun.
    tell : callable or None
        Called with the present count of volumes and workers, every second or so.

    Yields
    ------
    name, error
        As volumes end: the volume's name, and None or the last exception.

    Raises
    ------
    DiskError
        When a disk took no more, and the volumes in flight have ended.
    OutOfTimeError
        When the walltime is near, and volumes are left; those in flight have ended, if there was time for them.
    """
    yield from _Dispatch(pool, function, tasks, action, walltime, tell).run()


@dataclass
class _Assignment:
    """A volume on a worker."""

    name: str
    address: str
    future: Future[Any]
    start: float = field(default_factory=time.monotonic)


class _Dispatch:
    """The volumes that are not done: waiting, in flight, or lost with a worker until it is known how that ended."""

    def __init__(
        self,
        pool: WorkerPool,
        function: Callable[..., Any],
        tasks: Mapping[str, Mapping[str, Any]],
        action: str,
        walltime: Walltime | None,
        tell: Callable[[VolumeCount], None] | None,
    ) -> None:
        self.pool, self.function, self.tasks, self.action = pool, function, tasks, action
        self.walltime, self.tell = walltime, tell
        self.waiting, self.in_flight, self.lost = deque(tasks), list[_Assignment](), list[_Assignment]()
        self.failures: dict[str, list[BaseException]] = defaultdict(list)
        self.disk_error: DiskError | None = None
        self.is_out_of_time = False
        self.failed, self.volume_seconds = 0, 0.0  # of the slowest volume
        self.progress: Progress | None = None  # counts from when the first worker is there
        self.last_log = time.monotonic()

    def run(self) -> Iterator[tuple[str, BaseException | None]]:
        while self.has_more:
            busy = [volume.address for volume in self.in_flight]
            waiting = 0 if self.is_out_of_time else len(self.waiting) + len(self.lost)
            self.pool.maintain(waiting + len(self.in_flight), busy)
            for address in self.pool.list_free(busy):
                if self.waiting and not self.is_out_of_time and self.may_share(self.waiting[0], address):
                    self.in_flight.append(self.hand_out(self.waiting.popleft(), address))
            self.tell_count()
            self.pool.news.wait(POLL_SECONDS)
            self.pool.news.clear()
            yield from self.collect_ended()
            yield from self.handle_lost_workers()
            self.watch_walltime()
        if self.disk_error:
            raise self.disk_error
        if self.is_out_of_time:
            raise OutOfTimeError(self.progress.done if self.progress else 0)

    @property
    def has_more(self) -> bool:
        """Whether a volume is to be done, or awaited."""
        if self.is_out_of_time and self.walltime and self.walltime.is_over():
            return False
        is_ending = self.disk_error or self.is_out_of_time
        return bool(self.in_flight or ((self.waiting or self.lost) and not is_ending))

    def watch_walltime(self) -> None:
        """Begin no more volumes near the end of this process."""
        if self.walltime and (self.waiting or self.lost) and self.walltime.is_near(self.volume_seconds):
            if not self.is_out_of_time:
                logger.info(
                    "%s: the walltime is near, no more volumes are begun; %s", self.action, self.count_volumes()
                )
            self.is_out_of_time = True

    def may_share(self, name: str, address: str) -> bool:
        """Keep a volume that failed apart from others: if it killed its worker, they would be suspected too."""
        neighbours = [volume.name for volume in self.in_flight if volume.address == address]
        return not neighbours or not any(self.failures[volume] for volume in [name, *neighbours])

    def hand_out(self, name: str, address: str) -> _Assignment:
        self.progress = self.progress or Progress(self.action, len(self.tasks))
        call = partial(self.function, **self.tasks[name])  # Dask takes some keywords, like `key`, for its own
        future = self.pool.client.submit(call, pure=False, workers=[address], allow_other_workers=False)
        future.add_done_callback(lambda _future: self.pool.news.set())
        return _Assignment(name, address, future)

    def collect_ended(self) -> Iterator[tuple[str, BaseException | None]]:
        """Yield volumes that are done or given up; set aside those whose worker is gone."""
        connected = self.pool.list_connected()
        for volume in [v for v in self.in_flight if v.future.done() or v.address not in connected]:
            self.in_flight.remove(volume)
            error = volume.future.exception() if volume.future.status == "error" else None
            if volume.future.status == "finished":
                seconds = time.monotonic() - volume.start
                self.volume_seconds = max(self.volume_seconds, seconds)
                self.pool.record_duration(volume.address, seconds)
                assert self.progress
                self.progress.step(f"{volume.name}; {self.count_volumes()}")
                yield volume.name, None
            elif isinstance(error, DiskError):
                self.disk_error = error
                self.waiting.clear()  # they would meet the same disk
            elif isinstance(error, InputError):  # the next try would say the same
                self.failed += 1
                yield volume.name, error
            elif error and not isinstance(error, KilledWorker):
                self.failures[volume.name].append(error)
                yield from self.retry_or_give_up(volume.name)
            else:
                volume.future.cancel()
                self.lost.append(volume)

    def handle_lost_workers(self) -> Iterator[tuple[str, BaseException]]:
        """Retry volumes whose worker was lost, as soon as it is known how, or give them up."""
        for volume in list(self.lost):
            if loss := self.pool.explain_loss(volume.address):
                self.lost.remove(volume)
                if loss.volume_suspected:
                    self.failures[volume.name].append(InputError(loss.reason))
                else:
                    logger.info("%s is done again: %s", volume.name, loss.reason)
                yield from self.retry_or_give_up(volume.name)

    def retry_or_give_up(self, name: str) -> Iterator[tuple[str, BaseException]]:
        """Put a volume back to the end of the line, or yield it with its last failure."""
        failures = self.failures[name]
        if len(failures) >= TRIES:
            self.failed += 1
            yield name, failures[-1]
            return
        if self.disk_error:
            return
        self.waiting.append(name)
        if failures:
            logger.warning("%s: try %d of %d failed: %s", name, len(failures), TRIES, failures[-1])

    def tell_count(self) -> None:
        """Tell the count, and log it once a minute: volumes may take longer, and workers may have to be awaited."""
        done, seconds = (self.progress.done, time.monotonic() - self.progress.start) if self.progress else (0, 0.0)
        waiting = len(self.waiting) + len(self.lost)
        workers, missing, reason = self.pool.count_workers()
        if self.tell:
            self.tell(VolumeCount(done, self.failed, len(self.in_flight), waiting, seconds, workers, missing, reason))
        if time.monotonic() - self.last_log > LOG_SECONDS:
            self.last_log = time.monotonic()
            jobs = f", {missing} job(s) without one ({reason or 'no reason known'})" if missing else ""
            text = f"{done} of {len(self.tasks)} done; {self.count_volumes()}; {workers} worker(s){jobs}"
            logger.info("%s: %s", self.action, text)

    def count_volumes(self) -> str:
        return f"{len(self.in_flight)} in flight, {len(self.waiting) + len(self.lost)} to do"
