"""Memory and cores that this process may use, and arrays on the disk for what does not fit into the memory."""

import os
import pwd
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from lightsheet.system.disk import find_mount, read_free_bytes
from lightsheet.system.errors import DiskError
from lightsheet.system.files import PART
from lightsheet.system.text import format_size

Array = np.ndarray[Any, Any]
Allocate = Callable[[tuple[int, ...], Any], Array]
"""Makes an array of a shape and dtype, its content undefined: `numpy.empty`, or what `allocate_on_disk` returns."""

MIB = 2**20
CGROUPS = Path("/sys/fs/cgroup")
PROCESS_CGROUP = Path("/proc/self/cgroup")


def count_cores() -> int:
    """Count the cores that this process may use, which on a cluster are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def name_user() -> str:
    """Return the name of this process's user, or the number where a container knows no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def find_memory_limit() -> int:
    """Return the bytes that this process may use: the least of SLURM's limit, control groups' and what is free."""
    return min([psutil.virtual_memory().available, *_read_slurm_limits(), *_read_cgroup_limits()])


def _read_slurm_limits() -> Iterator[int]:
    """Yield the bytes that sbatch requested on this node; 0 stands for all of it and limits nothing."""
    per_node = int(os.environ.get("SLURM_MEM_PER_NODE", 0))
    per_cpu = int(os.environ.get("SLURM_MEM_PER_CPU", 0)) * int(os.environ.get("SLURM_CPUS_ON_NODE", 0))
    yield from (mib * MIB for mib in (per_node, per_cpu) if mib)


def _read_cgroup_limits() -> Iterator[int]:
    """Yield the limits of this process's control group and of those above it, version 1 or 2."""
    try:
        lines = PROCESS_CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, name = (CGROUPS / "memory", "memory.limit_in_bytes") if controllers else (CGROUPS, "memory.max")
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root) and (folder / name).is_file():
                text = (folder / name).read_text(encoding="utf-8").strip()
                yield from [int(text)] if text.isdecimal() else []


def allocate_on_disk(folder: Path) -> Allocate:
    """Return a function that makes arrays in files without a name, which vanish however the process ends.

    The folder is made if need be. The function raises DiskError if the disk is full: the blocks are reserved where the
    system can do that, because a disk that fills up later would kill the process.
    """

    def allocate(shape: tuple[int, ...], dtype: Any) -> Array:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder, prefix=PART) as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    os.ftruncate(file.fileno(), size)
                return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
        except OSError as error:
            room = f"the disk at {find_mount(folder)} has {format_size(read_free_bytes(folder))} free"
            raise DiskError(
                f"{folder}: a volume that does not fit into memory needs a temporary file of {size / 1e9:.2f} GB there "
                f"({error.strerror}: {room}); "
                "make room, or give the worker more memory"
            ) from error

    return allocate
