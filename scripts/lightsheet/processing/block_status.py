"""What a coordinator tells about its block while it lives: written at a change, and often enough not to look dead."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from lightsheet.cluster import VolumeCount
from lightsheet.store import BlockStatus, Results, write_status

LEAST_SECONDS = 2.0
"""The least time between two writes, however much happens."""

MOST_SECONDS = 15.0
"""The most time between two writes, however little happens."""


@contextmanager
def tell_status(
    results: Results, block: str, volumes: int, done: int, failed: int
) -> Iterator[Callable[[VolumeCount], None]]:
    """Yield the function that takes the news of a block; its file is removed at the end.

    Of `volumes` so many were `done` before, and so many are given up as `failed`. Another thread writes: what the
    coordinator does can take longer than readers wait for a sign of life.
    """
    waiting = volumes - done - failed
    job = os.environ.get("SLURM_JOB_ID", "")
    start = BlockStatus(block, time.time(), job, volumes, done, failed, 0, waiting, None, None, 0, 0, "")
    latest, end = [start], threading.Event()

    def tell(count: VolumeCount) -> None:
        rate = count.done / count.seconds if count.done else None
        latest[0] = replace(
            start,
            done=done + count.done,
            failed=failed + count.failed,
            in_flight=count.in_flight,
            waiting=count.waiting,
            volumes_per_second=rate,
            seconds_left=(count.in_flight + count.waiting) / rate if rate else None,
            workers=count.workers,
            workers_waiting=count.workers_waiting,
            reason=count.reason,
        )

    path = results.status(block)
    thread = threading.Thread(target=_write, args=(lambda: latest[0], path, end), daemon=True)
    thread.start()
    try:
        yield tell
    finally:
        end.set()
        thread.join()
        with suppress(OSError):
            path.unlink()


def _write(read: Callable[[], BlockStatus], path: Path, end: threading.Event) -> None:
    """Write the latest status until the end."""
    counts, write_time = None, 0.0
    while True:
        status = read()
        content = (status.done, status.failed, status.in_flight, status.workers, status.workers_waiting, status.reason)
        if content != counts or time.monotonic() - write_time > MOST_SECONDS - LEAST_SECONDS:
            counts, write_time = content, time.monotonic()
            write_status(path, replace(status, time=time.time()))
        if end.wait(LEAST_SECONDS):
            return
