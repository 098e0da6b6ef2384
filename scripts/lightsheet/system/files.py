"""Files that are whole or absent: atomic writes, patience with other nodes' writes, digests, a swap of folders."""

import ctypes
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from blake3 import blake3 as hasher

from lightsheet.system.errors import InputError
from lightsheet.system.log import logger

T = TypeVar("T")

LAG_SECONDS = 60.0
"""NFS keeps it to itself for up to so long, by default, that a name has come to exist."""

LAG_POLL_SECONDS = 2.0

PART = ".part."
"""How the names of unfinished files begin; consolidation sweeps what a killed job left of them."""


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place, flushed to disk, if the block succeeds.

    Parameters
    ----------
    path : Path
        Where the file shall appear; its folder is made if need be.

    Yields
    ------
    Path
        A path with the same suffix, in the same folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{PART}{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())
        flush(part)
        part.replace(path)
        flush(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, or leave what was there."""
    with write_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole, keys sorted, so that equal content gives equal bytes."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; None if it is absent or not JSON (as a power cut may leave it)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def wait_until_visible(missing: Callable[[], list[T]], *folders: Path) -> list[T]:
    """Ask again and again what is missing, as long as a shared file system may hide what another node wrote.

    Parameters
    ----------
    missing : callable
        Returns what is missing, and nothing when all is there.
    *folders : Path
        Listed before it is asked again, which makes NFS look at the server.

    Returns
    -------
    list
        What is still missing after `LAG_SECONDS`; outside of SLURM's jobs, where no other node writes, after the first
        look.
    """
    end = time.monotonic() + (LAG_SECONDS if "SLURM_JOB_ID" in os.environ else 0)
    while (left := missing()) and time.monotonic() < end:
        logger.info("waiting for the file system to show what another node wrote: %s", left[0])
        time.sleep(LAG_POLL_SECONDS)
        for folder in folders:
            with suppress(OSError):
                list(folder.iterdir())
    return left


def flush(path: Path) -> None:
    """Make a file's or a folder's content survive a power cut; ignored where folders cannot be flushed."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def begin_writeback(file: BinaryIO) -> None:
    """Have the system begin to write out what was appended to a file, so that little is left when it is flushed."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # drops what is written; starts on what is not


def stat_file(path: Path) -> os.stat_result:
    """Look at a file of the user's, who is told which it is if that cannot be done."""
    try:
        return path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def digest_sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file as hexadecimal text, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_blake3(path: Path) -> str:
    """Return the BLAKE3 digest of a file as hexadecimal text, as `b3sum` prints it: SHA-256 keeps up with no codec."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, hasher).hexdigest()  # type: ignore[arg-type]  # its stubs lack a name


def digest_json(content: Any) -> str:
    """Return the SHA-256 digest of something that JSON can hold, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def swap_folders(new: Path, place: Path) -> None:
    """Put the folder `new` at `place`, and what was there at `new`.

    One system call on Linux file systems that can exchange two names, so that `place` exists at every moment;
    elsewhere two renames, between which it does not.
    """
    if not place.exists():
        new.rename(place)
    elif not _exchange(new, place):
        aside = new.with_name(f"{new.name}.old")
        place.rename(aside)
        new.rename(place)
        aside.rename(new)
    flush(place.parent)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names by Linux's renameat2; False where the system or the file system cannot."""
    at_cwd, exchange = -100, 2
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    return bool(renameat2(at_cwd, os.fsencode(a.absolute()), at_cwd, os.fsencode(b.absolute()), exchange) == 0)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
