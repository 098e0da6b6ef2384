"""The machine that a benchmark ran on, and what others did on it meanwhile."""

import os
import re
import resource
import sys
from pathlib import Path

from lightsheet.system import count_cores


def find_vectors() -> str:
    """Name the widest vector registers of the processor that engine cpu uses; nothing if it has none of them."""
    flags = re.search(r"flags\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    names = flags[1].split() if flags else []
    return "AVX-512" if "avx512f" in names else "AVX2" if "avx2" in names else ""


def describe_machine() -> str:
    """Name the processor, its cores, its largest cache and its vector registers, and Python's version."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    vectors = find_vectors()
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index3/size")]
    parts = [model[1] if model else "an unknown processor", f"{count_cores()} of {os.cpu_count()} cores"]
    parts += [f"L3 {size}" for size in sizes] + [vectors] * bool(vectors)
    return ", ".join([*parts, f"Python {'.'.join(map(str, sys.version_info[:3]))}"])


class Load:
    """The CPU seconds that others used since this was made."""

    def __init__(self) -> None:
        self._start = _read_others()

    def describe(self) -> str:
        """Say how many they are."""
        return f"Meanwhile other processes of the machine used {_read_others() - self._start:.0f} CPU seconds."


def _read_others() -> float:
    """Return the busy CPU seconds of the machine, less those of this process and of its children that have ended."""
    user, nice, system, *_ = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:])
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - sum(u.ru_utime + u.ru_stime for u in usage)
