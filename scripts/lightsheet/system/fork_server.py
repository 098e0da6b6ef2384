"""Processes that are copies of one which has imported everything: to import our libraries takes a second and more.

That one is Python's own fork server. It does nothing but import and wait, so that it has one thread when it is copied.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from typing import Any

FEW_PAGE_FAULTS = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""Environment of local workers, in bytes, which the C library reads when a process starts: with the threshold of Dask's
nannies, 64 KiB, memory of arrays of up to a megabyte goes back to the system after each use, and a volume of
(67, 256, 256) takes 1.5 times as long (1.55 s, not 1.03)."""

LIBRARY_THREADS = (
    *("OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
)
"""Numbers of threads, which libraries read when they are loaded, and Snakemake sets for each job: the server has one
thread, for others that a library began would be lost in copies."""

LAST_MODULE = "lightsheet.system.late_interrupt"
"""What the server imports last, and no other process."""

NO_LEAKS = "ignore:resource_tracker:UserWarning"
"""Python frees what a killed process has shared, and would say in the terminal, below the run's last line, how much."""

_hiding = threading.RLock()


def start_fork_server(modules: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Start this process's fork server, unless there is one; a copy of one's copy shares it.

    Parameters
    ----------
    modules : sequence of str
        What it imports, before the first copy is made; this does not wait for it. A module that is not there is left
        out.
    environment : mapping, optional
        What it has in its environment besides that of this process, for what the C library reads but once.

    Raises
    ------
    OSError
        If there can be none: the name of a folder for temporary files may be too long for a socket in it.
    """
    multiprocessing.set_forkserver_preload([*modules, LAST_MODULE])
    before = dict(os.environ)
    try:
        filters = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), NO_LEAKS)))
        os.environ.update({**dict.fromkeys(LIBRARY_THREADS, "1"), "PYTHONWARNINGS": filters, **(environment or {})})
        resource_tracker.ensure_running()  # which the next call would do, and let Ctrl-C through again
        with hide_main(), _hold_interrupts():
            forkserver._forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _hold_interrupts() -> Iterator[None]:
    """Let a process that starts in the block begin with Ctrl-C held back, until it imports `LAST_MODULE`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def was_server_interrupted() -> bool:
    """Tell in a copy whether Ctrl-C came while the server was importing, when the copy was asked for but not made."""
    return bool(getattr(sys.modules.get(LAST_MODULE), "WAS_INTERRUPTED", False))


def stop_fork_server() -> None:
    """End this process's fork server, and count what its copies took as taken by this process's children.

    With it ends Python's process that frees what copies share, which would hold standard error open: who reads it from
    a pipe would wait.
    """
    server: Any = forkserver._forkserver
    if pid := server._forkserver_pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        tracker: Any = resource_tracker._resource_tracker
        for process in (server, tracker):
            with suppress(ChildProcessError):  # where what started this process lets it ignore the ends of its children
                process._stop()


def share_fork_server() -> None:
    """Let a copy make copies of the same server, as Python's documentation says; Python itself would start another."""
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]


@contextmanager
def hide_main() -> Iterator[None]:
    """Keep processes that are started in the block from running this process's own program, as Python has them do.

    That is Snakemake, or the script of one of its jobs, with their imports; what the processes do is in our modules.
    """
    main = sys.modules["__main__"]
    with _hiding:
        path, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
        main.__file__ = main.__spec__ = None
        try:
            yield
        finally:
            main.__file__, main.__spec__ = path, spec
