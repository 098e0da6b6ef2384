"""The most memory that something takes: of this process, and of its GPU."""

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # man 5 proc_pid_clear_refs


@dataclass
class Peak:
    """Bytes, known at the end of the block: of the host, None elsewhere than on Linux; of the GPU, None without."""

    host: int | None = None
    gpu: int | None = None


@contextmanager
def watch_peak(engine: str) -> Iterator[Peak]:
    """Find out how much memory this process has at most during the block, all that it holds already included.

    Parameters
    ----------
    engine : str
        One of `ENGINES`: `itk` works in a process of its own, whose peak is added; of `gpu`
        that is told too what CuPy has of the device.

    Yields
    ------
    Peak
        Filled in at the end. Where Linux does not let this process forget earlier peaks, they count too.
    """
    peak, pool = Peak(), _pool() if engine == "gpu" else None
    if pool:
        pool.free_all_blocks()
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK, encoding="ascii")
    yield peak
    if sys.platform == "linux":
        own = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))
        child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if engine == "itk" else 0
        peak.host = 1024 * (int(own[1]) + child) if own else None
    if pool:
        peak.gpu = int(pool.total_bytes())


def _pool() -> Any:
    return import_module("cupy").get_default_memory_pool()
