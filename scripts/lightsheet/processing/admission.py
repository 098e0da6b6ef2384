"""Memory that the volumes in hand of a worker share: one that does not fit beside the others waits for them."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightsheet.processing.memory import estimate_memory, find_process_bytes, find_worker_memory
from lightsheet.sources import describe_stack


class Admission:
    """Bytes that are taken by those who were admitted; the first one is admitted however much it takes."""

    def __init__(self) -> None:
        self.change = threading.Condition()
        self.held_bytes = 0

    @contextmanager
    def hold(self, size: int, limit: int) -> Iterator[None]:
        """Hold so many bytes during the block, which begins when no more than `limit` are held then, or no others."""
        with self.change:
            self.change.wait_for(lambda: not self.held_bytes or self.held_bytes + size <= limit)
            self.held_bytes += size
        try:
            yield
        finally:
            with self.change:
                self.held_bytes -= size
                self.change.notify_all()


VOLUMES = Admission()
"""What this worker admits by the memory that it has; how many volumes are sent to it depends on what was asked for."""


@contextmanager
def admit_volume(
    shape: Sequence[int], psf: Path, settings: Mapping[str, Any], memory: int | None = None
) -> Iterator[None]:
    """Begin the block when this worker has memory for another volume; one that must be cut takes all of it.

    Parameters
    ----------
    shape : sequence of int, (z, y, x) of the volume
    psf, settings, memory : as for `deconvolve_volume`
    """
    engine, process = settings["engine"], find_process_bytes(settings["engine"])
    psf_shape, _ = describe_stack(psf)
    size = estimate_memory(shape, psf_shape, engine, settings["acceleration"], "fill" in settings)
    limit = max(process + 1, memory or find_worker_memory())
    with VOLUMES.hold(min(size, limit) - process, limit - process):
        yield
