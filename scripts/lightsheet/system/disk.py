"""The disk under a folder: what is free on it, and the sentence for one that takes no more."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lightsheet.system.errors import DiskError
from lightsheet.system.text import format_size

MB = 10**6

REMEDIES = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "remove files of yours there, or ask for a larger quota",
    errno.EFBIG: "name a folder on another file system",
    errno.EROFS: "have it looked after, for a fault of the disk may be the cause",
    errno.EIO: "have it looked after, for what it holds may be damaged",
}
"""What helps against each error of a disk; another error of the operating system is none of the disk's."""

SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written")
"""How NumPy says that a disk took only a part of an array, without a number of the error."""


@contextmanager
def name_disk(path: Path) -> Iterator[None]:
    """Turn an error of the disk, such as a full one, into the sentence of a `DiskError` about writing `path`."""
    try:
        yield
    except OSError as error:
        if sentence := describe_disk_error(error, path):
            raise DiskError(sentence) from error
        raise


def describe_disk_error(error: OSError, path: Path | None = None) -> str | None:
    """Say which disk takes no more, and what to do.

    Parameters
    ----------
    error : OSError
    path : Path, optional, what was being written; by default the file that the error names

    Returns
    -------
    str, a sentence; None if the disk is not to blame
    """
    number = errno.ENOSPC if SHORT_WRITE.match(str(error)) else error.errno
    if number not in REMEDIES:
        return None
    name = path or (Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None)
    disk = f"the disk at {find_mount(name)}" if name else "a disk"
    reasons = {
        errno.ENOSPC: f"{disk} is full ({_describe_room(name)})",
        errno.EDQUOT: f"your quota on {disk} is used up",
        errno.EFBIG: f"{disk} takes no file of that size",
        errno.EROFS: f"{disk} is read-only",
        errno.EIO: f"{disk} reports an input/output error",
    }
    return (
        f"{name or 'a file'} cannot be written, because {reasons[number]}: {REMEDIES[number]}, "
        "and run the same command again; what was finished is kept"
    )


def list_full_disks(folders: Iterable[Path]) -> list[str]:
    """Return a sentence for each disk below some folders that does not take another MB."""
    sentences = {}
    for folder in map(find_existing_parent, folders):
        try:
            with name_disk(folder), tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(MB))
                file.flush()
                os.fsync(file.fileno())
        except DiskError as error:
            sentences[find_mount(folder)] = str(error)
        except OSError:  # another fault than this function is asked about
            continue
    return list(sentences.values())


def find_mount(path: Path) -> Path:
    """Return the folder at which the disk under a path is mounted."""
    folder = find_existing_parent(path).resolve()
    return next(place for place in (folder, *folder.parents) if place.is_mount())


def _describe_room(path: Path | None) -> str:
    """Say what is left on a disk that is called full: bytes, or none of the numbers that each file needs."""
    with suppress(OSError):
        room = os.statvfs(find_existing_parent(path)) if path else None
        if room and room.f_files and not room.f_favail:
            return "it can hold no further file, however small"
        if room:  # the file that did not fit is removed by now
            return f"{format_size(room.f_bavail * room.f_frsize)} free without it"
    return "no space left"


def find_existing_parent(path: Path) -> Path:
    """Return the path if it exists, or else the nearest folder above it that does."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def read_free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk where a folder is, or will be."""
    return shutil.disk_usage(find_existing_parent(folder)).free
