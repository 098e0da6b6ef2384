"""What the cluster of the tests needs of this machine: packages, free ports, the processes that carry a mark."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")

PORTS = range(18000, 20000, 10)
# How a job that takes more memory than it asked for ends: the kernel kills it, and it is OUT_OF_MEMORY, as on most
# clusters; or, where memory cannot be limited, SLURM looks each second and kills it, and it is FAILED.
MEMORY_CGROUPS = Path("/sys/fs/cgroup/memory")


def wait_until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Wait until a condition holds, and return what it returned.

    Raises
    ------
    TimeoutError
        If it does not hold after `seconds`; says `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(0.05)
    return value


def install(packages: dict[str, str]) -> None:
    """Install the Debian packages of the programs that are missing."""
    missing = sorted({package for program, package in packages.items() if not shutil.which(program)})
    if not missing:
        return
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "--yes", "--no-install-recommends", *missing]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (apt, ["apt-get", "update"], apt):
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode == 0 and command is apt:
            return
    raise RuntimeError(f"{' '.join(apt)} failed: {ended.stderr[-2000:]}")


def free_ports(count: int) -> int:
    """Return the first of `count` successive ports that nobody listens on."""
    for first in random.sample(PORTS, len(PORTS)):  # another cluster may just be looking for some as well
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                tried = stack.enter_context(socket.socket())
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(("", port))
            return first
    raise RuntimeError(f"no free ports between {PORTS.start} and {PORTS.stop}")


def kernel_limits_memory() -> bool:
    """Whether jobs that take too much memory end as OUT_OF_MEMORY, rather than FAILED."""
    return MEMORY_CGROUPS.is_mount() and os.access(MEMORY_CGROUPS, os.W_OK)


def answers(conf: Path) -> bool:
    """Whether a SLURM with this configuration runs; scontrol would wait a minute for a file that is missing."""
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    ping = ["scontrol", "ping"]
    return conf.exists() and subprocess.run(ping, env=environment, capture_output=True, check=False).returncode == 0


def kill_all(processes: Callable[[], list[psutil.Process]], what: str) -> None:
    """Kill until none is left, as one may start another meanwhile."""

    def kill() -> bool:
        doomed = processes()
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return not doomed

    wait_until(kill, 20, f"{what} ended")


def marked(*marks: str) -> list[psutil.Process]:
    """List the processes whose environment has all these settings, written KEY=VALUE."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):  # it has ended
            # psutil reads no further than to the hole that slurmstepd makes in its environment with its title.
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace").split("\0")
            if set(marks) <= set(environment):
                found.append(process)
    return found


def descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return found


def is_step(process: psutil.Process, job_id: int | None = None) -> bool:
    """Whether this is a slurmstepd, of any job or of this one; it calls itself `slurmstepd: [12.batch]`."""
    try:
        title = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    return title.startswith(f"slurmstepd: [{job_id}." if job_id else "slurmstepd")
