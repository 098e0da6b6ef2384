"""The file of a lock: whose it is and when it was renewed, by the file system's clock; written at once and whole."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lightsheet.store.lock_holder import Holder, parse_holder

LONGEST_BYTES = 65536  # of a lock
ATTEMPTS = 10  # to write into a folder that other processes remove


class Look(NamedTuple):
    """A lock at one moment: who holds it (None if that cannot be read), and when it was renewed."""

    token: str
    seconds: float
    holder: Holder | None


def look_at(path: Path) -> Look | None:
    """Return what a lock says; None if there is none. To open a file makes NFS ask the server for its time."""
    text = b""
    try:
        with open_lock(path) as file:
            text, status = file.read(LONGEST_BYTES), os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    except PermissionError:
        status = path.stat()
    holder = parse_holder(text)
    token = holder.token if holder else f"{status.st_ino:x}-{status.st_mtime_ns:x}"
    return Look(token, status.st_mtime, holder)


def open_lock(path: Path) -> BinaryIO:
    """Open a lock to read it; a link in its place, perhaps to nowhere, is an error, and a pipe makes nobody wait."""
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK))


@contextmanager
def write_draft(path: Path, holder: Holder) -> Iterator[Path]:
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


def place(draft: Path, path: Path) -> bool:
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


def read_clock(path: Path) -> float:
    """Return what the file system takes for the time, which may be another host's."""
    probe = _name_scratch(path)
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _name_scratch(path: Path) -> Path:
    """Name a new file beside a lock."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}")
