"""What the cluster of the tests needs of this machine: packages, free ports, the processes that carry a mark."""

import contextlib
import fcntl
import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import psutil

from tests.support.patience import wait_until

PORTS = range(18000, 20000, 10)
_claims: list[int] = []
"""Handles of the locks on the ports of this process's clusters, which end with it."""

# How a job that takes more memory than it asked for ends: the kernel kills it, and it is OUT_OF_MEMORY, as on most
# clusters; or, where memory cannot be limited, SLURM looks each second and kills it, and it is FAILED.
MEMORY_CGROUPS = Path("/sys/fs/cgroup/memory")


@contextlib.contextmanager
def wait_for_turn(subject: str) -> Iterator[None]:
    """Let one process of this machine at a time be in the block."""
    with open_lock(subject) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_lock(subject: str) -> IO[str]:
    """Open a file to be locked; it stays, for others may just have opened it."""
    return (Path(tempfile.gettempdir()) / f"lightsheet-{subject}.lock").open("w")


def install(packages: dict[str, str]) -> None:
    """Install the Debian packages of the programs that are missing; lists of packages have but one reader."""
    if all(map(shutil.which, packages)):
        return
    with wait_for_turn("install"):
        _install(packages)


def _install(packages: dict[str, str]) -> None:
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
    """Return the first of `count` successive ports that nobody listens on, nor another process is about to."""
    for first in random.sample(PORTS, len(PORTS)):
        if _are_free(range(first, first + count)) and _claim_ports(first):
            return first
    raise RuntimeError(f"no free ports between {PORTS.start} and {PORTS.stop}")


def _are_free(ports: range) -> bool:
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
        for port in ports:
            trial = stack.enter_context(socket.socket())
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("", port))
        return True
    return False


def _claim_ports(first: int) -> bool:
    """Keep other processes from the ports before the daemons listen, as long as this process lives."""
    with open_lock(f"ports-{first}") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        _claims.append(os.dup(lock.fileno()))
    return True


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
        alive = processes()
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return not alive

    wait_until(kill, 60, f"{what} ended")


def list_marked(*marks: str) -> list[psutil.Process]:
    """List the processes whose environment has all these settings, written KEY=VALUE."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):  # it has ended
            # psutil reads no further than to the hole that slurmstepd makes in its environment with its title.
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace").split("\0")
            if set(marks) <= set(environment):
                processes.append(process)
    return processes


def list_descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    children = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            children += process.children(recursive=True)
    return children


def read_name(process: psutil.Process) -> str:
    """Return the name of a process; none if it has ended."""
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def is_step(process: psutil.Process, job_id: int | None = None) -> bool:
    """Whether this is a slurmstepd, of any job or of this one; it calls itself `slurmstepd: [12.batch]`."""
    try:
        title = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    return title.startswith(f"slurmstepd: [{job_id}." if job_id else "slurmstepd")
