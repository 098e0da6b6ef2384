"""The lock of a results folder: one run at a time in it, from whichever checkout, user, host or path.

Our own, because libraries lock through the kernel, which many shared file systems do not pass on to other hosts, or
never learn that a holder is dead. A lock is a file that says who holds it. Its holder renews the file's time, by the
file system's clock; who would take it compares that time with the one of a file made beside it at that moment.
"""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lightsheet.store.lock_holder import Holder, describe_this_process, is_gone, parse_holder
from lightsheet.system import InputError, describe_disk_error, format_duration, logger

RENEW_SECONDS = 30.0
QUIET_SECONDS = 90.0  # since the last renewal of a lock that is surely held: other nodes see its time up to 60 s late
DEAD_SECONDS = 300.0  # without renewal
WATCH_SECONDS = 40.0  # in which no renewal may come before a lock counts as dead: clocks jump, and laptops sleep
POLL_SECONDS = 1.0
RIVAL_SECONDS = 0.05  # between two looks at a lock that another process is taking over
LONGEST_BYTES = 65536  # of a lock
ATTEMPTS = 10

CHECK_SECONDS = 5.0
"""Pause between two looks by which a job learns that its run has lost the lock."""

HANDOVER_SECONDS = 3 * CHECK_SECONDS
"""Time after which jobs of a dead run of another host or user have ended; its own user ends those of this host."""


class Look(NamedTuple):
    """A lock at one moment: who holds it (None if that cannot be read), and when it was renewed."""

    token: str
    seconds: float
    holder: Holder | None


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
        rival = _take(path, holder)
    except OSError as error:
        sentence = f"config key output.folder: a run has to write into {path.parent}, and cannot ({error})"
        raise InputError(describe_disk_error(error, path) or sentence) from error
    if rival:
        raise InputError(_refuse(path, rival))
    _remove_scratch(path)
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


def _open_lock(path: Path) -> BinaryIO:
    """Open a lock to read it; a link in its place, perhaps to nowhere, is an error, and a pipe makes nobody wait."""
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK))


def look_at(path: Path) -> Look | None:
    """Return what a lock says; None if there is none. To open a file makes NFS ask the server for its time."""
    text = b""
    try:
        with _open_lock(path) as file:
            text, status = file.read(LONGEST_BYTES), os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    except PermissionError:
        status = path.stat()
    holder = parse_holder(text)
    token = holder.token if holder else f"{status.st_ino:x}-{status.st_mtime_ns:x}"
    return Look(token, status.st_mtime, holder)


def _take(path: Path, holder: Holder) -> Look | None:
    """Take a lock that is free or dead: None, or the lock of another process that is alive.

    Of several processes that find the same lock dead, the one replaces it that holds the lock named after it.
    """
    while True:
        with _write_draft(path, holder) as draft:
            if _place(draft, path):
                return None
        look = look_at(path)
        if look is None:
            continue
        if look.token == holder.token:
            return None  # placed, although NFS said otherwise
        if not _is_dead(path, look):
            look = look_at(path)
            if look:
                return look
            continue
        right = path.with_name(f"{path.name}.{look.token}")
        if _take(right, holder):
            time.sleep(RIVAL_SECONDS)
            continue
        try:
            state = look_at(path)
            if state and state.token == look.token:
                with _write_draft(path, holder) as draft:
                    draft.replace(path)
                _hand_over(look.holder, holder)
                return None
        finally:
            right.unlink(missing_ok=True)


def _hand_over(before: Holder | None, holder: Holder) -> None:
    """Wait for the end of a dead run's jobs that this process cannot end."""
    if before is None:
        return
    logger.warning("took over the lock of a run that is dead: %s", before)
    if (before.machine, before.user) != (holder.machine, holder.user):
        time.sleep(HANDOVER_SECONDS)


def _name_scratch(path: Path) -> Path:
    """Name a new file beside a lock."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}")


@contextmanager
def _write_draft(path: Path, holder: Holder) -> Iterator[Path]:
    """Yield a file with the lock's content, in its folder; it is removed at the end of the block."""
    draft = _name_scratch(path)
    try:
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                draft.write_text(holder.to_json(), encoding="utf-8")
                break
            except FileNotFoundError:  # another process removed the folder, which was empty
                if not attempts_left:
                    raise
        with suppress(OSError):
            draft.chmod(0o644)  # the folder says who may come here; all of them must be able to read it
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _place(draft: Path, path: Path) -> bool:
    """Put a file at a free path, at once and whole; without hard links, at once. False if the path is taken."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(draft.read_bytes())
        except OSError:
            path.unlink(missing_ok=True)
            raise
    return True


def _is_dead(path: Path, look: Look) -> bool:
    """Tell whether a lock's holder is dead, and wait until that is sure where its renewals fail to come."""
    if look.holder and is_gone(look.holder):
        return True
    start = time.monotonic()
    while True:
        age, watched = _read_clock(path) - look.seconds, time.monotonic() - start
        if abs(age) <= QUIET_SECONDS:
            return False
        if watched >= WATCH_SECONDS and max(age, watched) > DEAD_SECONDS:
            return True
        if watched < POLL_SECONDS:
            wait = max(WATCH_SECONDS, DEAD_SECONDS - max(age, 0))
            logger.warning(
                "%s: the lock of %s was last renewed %s ago: this run starts in %s, unless the other one is alive",
                path.parent,
                look.holder or "another run",
                format_duration(abs(age)),
                format_duration(wait),
            )
        time.sleep(POLL_SECONDS)
        state = look_at(path)
        if state is None or state.token != look.token or state.seconds != look.seconds:
            return False


def _read_clock(path: Path) -> float:
    """Return what the file system takes for the time, which may be another host's."""
    probe = _name_scratch(path)
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _remove_scratch(path: Path) -> None:
    """Remove what processes left beside a lock that were killed while they took it."""
    with suppress(OSError):
        now = _read_clock(path)
        for scratch in path.parent.glob(f"{path.name}.*"):
            if now - scratch.stat().st_mtime > DEAD_SECONDS:
                scratch.unlink()


def _keep(path: Path, holder: Holder, release: threading.Event, end_run: Callable[[str], None]) -> None:
    """Renew a lock until its holder has released it, or lost it."""
    renewed = time.time()
    while not release.wait(RENEW_SECONDS):
        try:
            is_held = _renew(path, holder, time.time() - renewed)
        except OSError as error:  # the next renewal may succeed; if not, others take the lock, which shows
            logger.warning("%s: the lock of this run could not be renewed (%s)", path, error.strerror or error)
            continue
        if not is_held and not release.is_set():
            rival = None
            with suppress(OSError):
                rival = look_at(path)
            end_run(
                f"{path.parent}: this run had not renewed its lock for "
                f"{format_duration(time.time() - renewed)}, as if it were dead, and another run has taken it over "
                f"({rival.holder if rival else 'which has ended'}): this one ends"
            )
            return
        renewed = time.time()


def _renew(path: Path, holder: Holder, age: float) -> bool:
    """Set the time of a lock; False if it is no longer the holder's. One that somebody removed by hand is put back."""
    try:
        with _open_lock(path) as file:
            if parse_holder(file.read(LONGEST_BYTES)) != holder:
                return False
            os.utime(file.fileno())  # never by its path, where another lock may stand by now
            return True
    except FileNotFoundError:
        if age >= DEAD_SECONDS:
            return False
        with _write_draft(path, holder) as draft:
            return _place(draft, path)


def _release(path: Path, holder: Holder) -> None:
    """Remove a lock, if it is the holder's."""
    with suppress(OSError):
        look = look_at(path)
        if look and look.token == holder.token:
            path.unlink()
