"""Files that are whole or absent: atomic writes, waiting for other nodes' writes, digests, a swap of folders."""

import ctypes
import errno
import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from blake3 import blake3 as hasher

from lightsheet.system.disk import name_disk
from lightsheet.system.errors import InputError
from lightsheet.system.log import logger

T = TypeVar("T")

LAG_SECONDS = 60.0
"""A new file can stay invisible to other nodes for 60 s (NFS attribute cache)."""

LAG_POLL_SECONDS = 2.0

PART = ".part."
"""Prefix of unfinished files' names; consolidation removes those that a killed job left."""

NO_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}
"""How file systems say that a folder cannot be flushed, or not be opened for it."""


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Let a file appear whole or not at all: if the block succeeds, it is flushed to disk; otherwise it is removed.

    Parameters
    ----------
    path : Path, the file; its folder is made if need be

    Yields
    ------
    Path, a temporary one in the same folder and with the same suffix, which takes the place of `path` at the end

    Raises
    ------
    DiskError
        If the disk takes no more, in the block or here.
    InputError
        If a folder is in the place of the file, or a file in that of its folder.
    """
    with name_disk(path):
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(prefix=f"{PART}{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        part = Path(name)
        try:
            yield part
            umask = os.umask(0)  # the only way to read it is to set it
            os.umask(umask)
            part.chmod(0o666 & ~umask)
            flush(part)
            try:
                part.replace(path)
            except IsADirectoryError:
                raise InputError(f"{path}: a folder stands in the place of this file; move it away") from None
            flush(path.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def make_folder(path: Path) -> None:
    """Make a folder and those above it; InputError if a file is in its place, or in that of one above."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        file = next(place for place in (path, *path.parents) if place.is_symlink() or place.exists())
        raise InputError(f"{file}: a file stands in the place of this folder; move it away") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, or leave what was there."""
    with write_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_news(path: Path, content: Any) -> None:
    """Write a JSON file whole that is soon written again: it is not flushed to disk, and a power cut may take it."""
    part = make_part_name(path)
    try:
        part.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole, keys sorted, so that equal content gives equal bytes."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


@contextmanager
def name_unreadable(path: Path | str) -> Iterator[None]:
    """Turn an error of the system, met in the block, into an InputError that says that `path` cannot be read."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def read_json(path: Path) -> Any:
    """Read a JSON file; None if it is absent or not JSON (as a power cut may leave it)."""
    with name_unreadable(path):
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
            return None


def wait_until_visible(list_missing: Callable[[], list[T]], *folders: Path) -> list[T]:
    """Wait until nothing is missing any more, as long as a shared file system may hide what another node wrote.

    Parameters
    ----------
    list_missing : callable, returns what is missing
    *folders : Path, listed before each further call of `list_missing`, which makes NFS ask the server

    Returns
    -------
    list, what is still missing after `LAG_SECONDS`; outside of SLURM jobs, where no other node writes, at once
    """
    end = time.monotonic() + (LAG_SECONDS if "SLURM_JOB_ID" in os.environ else 0)
    while (missing := list_missing()) and time.monotonic() < end:
        logger.info("waiting for the file system to show what another node wrote: %s", missing[0])
        time.sleep(LAG_POLL_SECONDS)
        for folder in folders:
            with suppress(OSError):
                list(folder.iterdir())
    return missing


def flush(path: Path) -> None:
    """Make a file's or a folder's content survive a power cut; ignored for a folder where none can be flushed.

    An error of a file's flush is raised: what was written to it may be lost.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in NO_FLUSH or not path.is_dir():
            raise


def begin_writeback(file: BinaryIO) -> None:
    """Make the system start to write out what was appended to a file, so that its flush at the end is short."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # drops written pages, starts to write others


def stat_file(path: Path) -> os.stat_result:
    """Return the status of a user's file; InputError with its name if it cannot be read."""
    with name_unreadable(path):
        return path.stat()


def digest_sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file as hexadecimal text, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_blake3(path: Path) -> str:
    """Return the BLAKE3 digest of a file as hexadecimal text, as `b3sum` prints it; SHA-256 is slower than a codec."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, hasher).hexdigest()  # type: ignore[arg-type]  # its stubs lack a name


def digest_json(content: Any) -> str:
    """Return the SHA-256 digest of something that JSON can hold, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def swap_folders(new: Path, place: Path) -> None:
    """Put the folder `new` at `place`, and what was there at `new`.

    One system call on Linux file systems that can exchange two names, so that `place` exists at every moment;
    elsewhere two renames, between which it does not. `repair_swap` puts right what a kill between them leaves.

    Parameters
    ----------
    new, place : Path, folders on one file system; `place` need not exist
    """
    if not place.exists():
        new.rename(place)
    elif not _exchange(new, place):
        backup = _name_aside(place)
        place.rename(backup)
        try:
            new.rename(place)
        except BaseException:
            backup.rename(place)
            raise
        backup.rename(new)
    flush(place.parent)


def repair_swap(place: Path) -> None:
    """Put back the folder that a killed `swap_folders` took from `place`, unless the new one is there already.

    The old folder is then set aside under a name of unfinished files: it would stand in the way of the next swap.
    """
    backup = _name_aside(place)
    if backup.exists():
        backup.rename(make_part_name(place) if place.exists() else place)
        flush(place.parent)


def _name_aside(place: Path) -> Path:
    """Return where the folder from `place` is while `swap_folders` has no other name for it; it is whole there."""
    return place.with_name(f"{PART}{place.name}.old")


def make_part_name(path: Path) -> Path:
    """Return a new name beside `path`, of which an unfinished copy of it can be told."""
    return path.with_name(f"{PART}{path.name}.{secrets.token_hex(8)}")


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names by Linux's renameat2; False where the system or the file system cannot."""
    relative_to, exchange = -100, 2  # AT_FDCWD, without effect on absolute paths, and RENAME_EXCHANGE
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    first, second = os.fsencode(a.absolute()), os.fsencode(b.absolute())
    return bool(renameat2(relative_to, first, relative_to, second, exchange) == 0)
