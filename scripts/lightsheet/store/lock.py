"""The lock of a results folder: one run at a time in it, from whichever checkout, user, host or path.

Our own, because libraries lock through the kernel, which many shared file systems do not pass on to other hosts, or
never learn that a holder is dead. A lock is a file that says who holds it. Its holder renews the file's time, by the
file system's clock; who would take it compares that time with the one of a file made beside it at that moment.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lightsheet.store.lock_file import LONGEST_BYTES, Look, look_at, open_lock, place, write_draft
from lightsheet.store.lock_holder import Holder, describe_this_process, parse_holder
from lightsheet.store.lock_takeover import CHECK_SECONDS, DEAD_SECONDS, remove_scratch, take
from lightsheet.system import InputError, describe_disk_error, format_duration, logger

RENEW_SECONDS = 30.0


@contextmanager
def hold_lock(path: Path, end_run: Callable[[str], None]) -> Iterator[str]:
    """Hold a lock during the block.

    Parameters
    ----------
    path : Path, the lock's file; its folder is made if need be
    end_run : callable, called with a sentence, on another thread, if the lock is lost to another process, as it is when
        this one is suspended for more than `DEAD_SECONDS`

    Yields
    ------
    str, the token of the lock, which is new each time

    Raises
    ------
    InputError
        Names who holds it, or says why the folder cannot be written.
    """
    holder, new_folders = describe_this_process(), [folder for folder in path.parents if not folder.exists()]
    try:
        rival = take(path, holder)
    except OSError as error:
        sentence = f"config key output.folder: a run has to write into {path.parent}, and cannot ({error})"
        raise InputError(describe_disk_error(error, path) or sentence) from error
    if rival:
        raise InputError(_refuse(path, rival))
    remove_scratch(path)
    release = threading.Event()
    keeper = threading.Thread(target=_keep, args=(path, holder, release, end_run), daemon=True)
    keeper.start()
    try:
        yield holder.token
    finally:
        release.set()
        keeper.join(CHECK_SECONDS)  # or it might miss the lock, and put it back
        _release(path, holder)
        with suppress(OSError):
            for folder in new_folders:
                folder.rmdir()  # of a run that was refused before it made anything


def _refuse(path: Path, rival: Look) -> str:
    """Say who holds a lock, and what to do."""
    if holder := rival.holder:
        stop = f"scancel {holder.job}" if holder.job else f"Ctrl-C, or kill {holder.process} on {holder.host}"
        owner = f"{holder}. Wait until it ends, or stop it ({stop})"
    else:
        owner = f"{path} was renewed a moment ago, but does not say by whom. Wait until that run ends"
    return (
        f"{path.parent}: another run works in this results folder: {owner}, or give this run another name or "
        f"output.folder. If that run is dead, nothing has to be unlocked: {format_duration(DEAD_SECONDS)} after its "
        "death at the latest the same command goes on"
    )


def _keep(path: Path, holder: Holder, release: threading.Event, end_run: Callable[[str], None]) -> None:
    """Renew a lock until its holder has released it, or lost it."""
    last_renewal = time.time()
    while not release.wait(RENEW_SECONDS):
        try:
            is_held = _renew(path, holder, time.time() - last_renewal)
        except OSError as error:  # the next renewal may succeed; if not, others take the lock, which shows
            logger.warning("%s: the lock of this run could not be renewed (%s)", path, error.strerror or error)
            continue
        if not is_held and not release.is_set():
            rival = None
            with suppress(OSError):
                rival = look_at(path)
            end_run(
                f"{path.parent}: this run had not renewed its lock for "
                f"{format_duration(time.time() - last_renewal)}, as if it were dead, and another run has taken it over "
                f"({rival.holder if rival else 'which has ended'}): this one ends"
            )
            return
        last_renewal = time.time()


def _renew(path: Path, holder: Holder, age: float) -> bool:
    """Set the time of a lock; False if it is no longer the holder's. One that somebody removed by hand is put back."""
    try:
        with open_lock(path) as file:
            if parse_holder(file.read(LONGEST_BYTES)) != holder:
                return False
            os.utime(file.fileno())  # never by its path, where another lock may stand by now
            return True
    except FileNotFoundError:
        if age >= DEAD_SECONDS:
            return False
        with write_draft(path, holder) as draft:
            return place(draft, path)


def _release(path: Path, holder: Holder) -> None:
    """Remove a lock, if it is the holder's."""
    with suppress(OSError):
        look = look_at(path)
        if look and look.token == holder.token:
            path.unlink()
