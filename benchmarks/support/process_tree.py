"""What a command costs with all processes that it starts."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

SAMPLE_SECONDS = 0.2


class Spent(NamedTuple):
    """Wall-clock and CPU seconds, and memory in GB."""

    seconds: float
    cpu_seconds: float
    memory: float  # the most that the processes had at a time: the sum of their PSS
    largest: float  # the most that one process ever had: its VmHWM


def run_command(command: Sequence[str | Path], folder: Path) -> Spent:
    """Run a command in a folder until it ends well; its output goes to FOLDER/log."""
    peaks, over = [0, 0], threading.Event()
    start = time.monotonic()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        watch = threading.Thread(target=_watch_memory, args=(psutil.Process(process.pid), peaks, over))
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            over.set()
            watch.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"it ended with {process.returncode}: {(folder / 'log').read_text()[-2000:]}")
    return Spent(time.monotonic() - start, usage.ru_utime + usage.ru_stime, *(n / 1e9 for n in peaks))


def _watch_memory(process: psutil.Process, peaks: list[int], over: threading.Event) -> None:
    while not over.wait(SAMPLE_SECONDS):
        total = 0
        with suppress(psutil.Error):
            for member in [process, *process.children(recursive=True)]:
                with suppress(psutil.Error, OSError):
                    total += member.memory_full_info().pss
                    peaks[1] = max(peaks[1], _read_peak(member.pid))
        peaks[0] = max(peaks[0], total)


def _read_peak(pid: int) -> int:
    """Return the most bytes that a process has had so far."""
    status = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return 1024 * int(status[1]) if status else 0
