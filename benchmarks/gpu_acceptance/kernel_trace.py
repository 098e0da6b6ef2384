"""What ran on the device and when, by PyTorch's profiler, which sees the kernels of the whole process, CuPy's too."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

KERNEL, COPIES = "kernel", ("gpu_memcpy", "gpu_memset")


class Interval(NamedTuple):
    """One kernel or copy."""

    kind: str
    name: str
    begin: float  # microseconds
    seconds: float


def trace(run: Callable[[], Any]) -> list[Interval]:
    """Run something, and return what ran on the device meanwhile, in order."""
    profiler = import_module("torch.profiler")
    import_module("torch").cuda.init()
    with profiler.profile(activities=[profiler.ProfilerActivity.CUDA]) as profile:
        run()
        import_module("torch").cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        profile.export_chrome_trace(str(path))
        return read_trace(path)


def read_trace(path: Path) -> list[Interval]:
    """Return the kernels and copies of a trace that PyTorch wrote."""
    events = json.loads(path.read_text())["traceEvents"]
    pieces = [event for event in events if event.get("cat") in (KERNEL, *COPIES) and "dur" in event]
    return sorted(
        (Interval(piece["cat"], piece["name"], float(piece["ts"]), piece["dur"] / 1e6) for piece in pieces),
        key=lambda interval: interval.begin,
    )


def count_busy_seconds(intervals: list[Interval], kinds: tuple[str, ...] = (KERNEL,)) -> float:
    """Return how long at least one of them ran."""
    busy, end = 0.0, float("-inf")
    for interval in sorted(intervals, key=lambda interval: interval.begin):
        if interval.kind in kinds:
            last = interval.begin + 1e6 * interval.seconds
            busy += max(0.0, last - max(interval.begin, end))
            end = max(end, last)
    return busy / 1e6


def sum_by_name(intervals: list[Interval]) -> dict[str, tuple[int, float]]:
    """Return how often each kernel ran, and its seconds, the longest first."""
    calls, seconds = Counter[str](), Counter[str]()
    for interval in intervals:
        calls[interval.name] += 1
        seconds[interval.name] += interval.seconds  # type: ignore[assignment]
    return {name: (calls[name], total) for name, total in seconds.most_common()}
