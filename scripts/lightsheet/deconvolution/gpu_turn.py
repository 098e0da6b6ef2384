"""The volumes of a process that share its GPU: few are on the device at a time, and one of these computes."""

import threading
import time

from lightsheet.deconvolution.gpu_memory import IN_FLIGHT


class Turn:
    """A lock that its holder may take again, and that knows for how many seconds it was held."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0
        self.start = self.seconds = 0.0

    def __enter__(self) -> None:
        self.lock.acquire()
        self.depth += 1
        if self.depth == 1:
            self.start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        if not self.depth:
            self.seconds += time.monotonic() - self.start
        self.lock.release()


COMPUTING = Turn()
"""Of the volume that computes; it holds the turn until the device has done, so these are the device's seconds."""

PLACES = threading.BoundedSemaphore(IN_FLIGHT)
"""On the device; others that are in hand are on the host."""
