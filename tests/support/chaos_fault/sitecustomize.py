"""With this folder on its PYTHONPATH, one script of the workflow meets with a fault, at one of its file operations.

CHAOS_FAULT says which: "PLACE DEED EVENT ORDINAL", such as `consolidate kill rename 2`: the script of rule consolidate
is killed as it is about to rename a file the second time. PLACE is a rule, or `worker`: a process that the script of
deconvolve starts. CHAOS_TOKEN is a file that the fault uses up, so that it strikes once. With the deed `record` each
operation of every script is written to a file beside the token instead, and nothing else happens.

CHAOS_ALGORITHM is another version of the algorithm. CHAOS_DISK is `nfs` for a file system that cannot exchange two
names, or `smb` for one that has no hard links either.
"""

import errno
import os
import re
import signal
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from multiprocessing import current_process
from pathlib import Path
from typing import Any

EVENTS = {
    "open": "open",
    "os.mkdir": "mkdir",
    "os.rename": "rename",
    "os.link": "link",
    "os.remove": "remove",
    "os.rmdir": "rmdir",
    "shutil.rmtree": "rmtree",
    "ctypes.dlsym": "exchange",
}
"""Names of Python's audit events, and of the operations here; there are also `fsync`, `output` (the rename that lets
a job's output appear) and `op` (any of them)."""

WRITING = ("open", "mkdir", "link", "fsync")
"""What fails on a full disk."""

OUTPUTS = re.compile(r"/manifests/[^/]+\.json$|/psf/[^/]+\.json$|/report\.html$|/inventory\.csv$")
SCRIPT = re.compile(r"\.snakemake/scripts/[^/]+\.(\w+)\.py$")
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}


class Fault:
    """A fault that waits for its moment."""

    def __init__(self, location: str | None, place: str, deed: str, event: str, ordinal: int, token: Path) -> None:
        self.location, self.place = location, place
        self.deed, self.event, self.left, self.token = deed, event, ordinal, token
        self.is_busy = self.is_disk_full = False

    def watch(self, audit_event: str, arguments: tuple[Any, ...]) -> None:
        """Look at one of Python's audit events."""
        if audit_event not in EVENTS or self.is_busy or not self.is_here(audit_event, arguments):
            return
        event, paths = EVENTS[audit_event], [os.fsdecode(a) for a in arguments if isinstance(a, str | bytes | Path)]
        if event == "exchange":
            if "renameat2" in paths:
                self.meet(event)
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        is_relative = event in ("remove", "rmdir") and arguments[-1] not in (-1, None)  # inside of shutil.rmtree
        if is_relative or any("results/" in path for path in paths):
            self.meet("output" if event == "rename" and OUTPUTS.search(paths[1]) else event)

    def is_here(self, audit_event: str, arguments: tuple[Any, ...]) -> bool:
        """Tell whether this process is the place; a copy of the fork server learns its own from what it opens first."""
        if self.location is None and audit_event == "open" and (match := SCRIPT.search(str(arguments[0]))):
            self.location = match[1]
        if self.location is None and current_process().name.startswith("Dask Worker"):
            self.location = "worker"
        return self.location is not None and (self.deed == "record" or self.location == self.place)

    def meet(self, event: str) -> None:
        """Count an operation that is about to happen, and do the deed if it is the one."""
        self.is_busy = True
        try:
            if self.deed == "record":
                with self.token.with_name(f"{self.token.name}.{self.location}").open("a") as file:
                    file.write(f"{event}\n")
            elif self.is_disk_full and event in WRITING:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            elif self.event in (event, "op"):
                self.left -= 1
                if self.left == 0:
                    self.strike(event)
        finally:
            self.is_busy = False

    def strike(self, event: str) -> None:
        """Do the deed, unless another process has done it."""
        try:
            self.token.unlink()
        except FileNotFoundError:
            return
        if self.deed == "raise":
            raise RuntimeError("a fault of the chaos test")
        if self.deed == "full":
            self.is_disk_full = True
            if event in WRITING:  # to remove a file needs no room
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return
        name, _, whom = self.deed.partition("-")
        if whom == "tree":
            os.killpg(os.getpgrp(), SIGNALS[name])
        else:  # Snakemake's main process leads the group
            os.kill(os.getpgrp() if whom == "main" else os.getpid(), SIGNALS[name])


def find_place() -> str | None:
    """Tell which rule's script this Python runs, or that one of deconvolve's workers; None if it is another program."""
    for word in sys.orig_argv:
        if match := SCRIPT.search(word):
            os.environ["CHAOS_PARENT"] = match[1]
            return match[1]
    return "worker" if os.environ.get("CHAOS_PARENT") == "deconvolve" else None


def prepare(place: str, deed: str, event: str, ordinal: str) -> None:
    """Let the fault wait in this process, if it is the place for it."""
    location, is_server = find_place(), any("multiprocessing.forkserver" in word for word in sys.orig_argv)
    if not is_server and (location is None or (deed != "record" and location != place)):
        return
    fault = Fault(None if is_server else location, place, deed, event, int(ordinal), Path(os.environ["CHAOS_TOKEN"]))
    sys.addaudithook(fault.watch)
    fsync = os.fsync

    def meet_and_fsync(handle: int) -> None:
        if fault.is_here("fsync", ()):
            fault.meet("fsync")
        fsync(handle)

    os.fsync = meet_and_fsync


class Upgrade(MetaPathFinder):
    """Gives the deconvolution another version of the algorithm, as an upgrade does."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Find the one module as Python does, and let its loader set the version."""
        if name != "lightsheet.deconvolution.method":
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def execute_and_set(module: Any) -> None:
            execute(module)
            assert isinstance(module.ALGORITHM_VERSION, int)
            module.ALGORITHM_VERSION = int(os.environ["CHAOS_ALGORITHM"])

        spec.loader.exec_module = execute_and_set
        return spec


def hide_exchange(event: str, arguments: tuple[Any, ...]) -> None:
    """Let the C library have no renameat2."""
    if event == "ctypes.dlsym" and arguments[1] == "renameat2":
        raise AttributeError(arguments[1])


def refuse_link(*_arguments: Any, **_options: Any) -> None:
    """Fail as where there are no hard links."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


if "CHAOS_DISK" in os.environ:
    sys.addaudithook(hide_exchange)
    if os.environ["CHAOS_DISK"] == "smb":
        os.link = refuse_link
if "CHAOS_ALGORITHM" in os.environ:
    sys.meta_path.insert(0, Upgrade())
if "CHAOS_FAULT" in os.environ:
    prepare(*os.environ["CHAOS_FAULT"].split())
