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
    """Measure how much memory this process has at most during the block, all that it holds already included.

    The peak of the process that `itk` works in is added, and of `gpu` what CuPy has of the device. Where Linux does not
    let this process forget earlier peaks, they count too.
    """
    peak = Peak()
    pool: Any = import_module("cupy").get_default_memory_pool() if engine == "gpu" else None
    if pool:
        pool.free_all_blocks()
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK, encoding="ascii")
    yield peak
    if sys.platform == "linux":
        high_water_mark = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))
        child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if engine == "itk" else 0
        peak.host = 1024 * (int(high_water_mark[1]) + child) if high_water_mark else None
    if pool:
        peak.gpu = int(pool.total_bytes())
