"""Where compiled code is kept, so that it is compiled once and not by each worker.

The user's cache has a folder for each version of our sources, of numba and LLVM, and for each type of processor. There,
a file holds a function, and is written whole. What cannot be kept, or was damaged, is compiled again. Where several
processes need a function at the same time, one compiles it and the others wait.
"""

import fcntl
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from llvmlite import binding

SOURCES = Path(__file__).parents[1]
"""The room whose files go into compiled code."""

WAIT_SECONDS = 60.0
"""Longer than a function takes to compile on a busy machine."""


class Code(NamedTuple):
    """A compiled function that returns nothing."""

    symbol: str
    kinds: str  # of its arguments, see `native.KINDS`
    content: bytes  # an object file


@cache
def find_folder() -> Path | None:
    """Return the folder of code for these sources and this processor, made if need be; None if there can be none."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home, "lightsheet-decon", _digest(_list_dependencies()))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except (OSError, RuntimeError):  # no home, or none that can be written
        return None
    # What lies there is executed: nobody else may write it.
    return folder if facts.st_uid == os.getuid() and not facts.st_mode & 0o022 else None


def find_code(key: str) -> Code | None:
    """Return the code that is kept of a function; None if there is none, or if it is damaged."""
    if not (folder := find_folder()):
        return None
    with suppress(OSError, ValueError, TypeError):
        head, _, content = (folder / f"{key}.o").read_bytes().partition(b"\n")
        fields = json.loads(head)
        code = Code(str(fields["symbol"]), str(fields["kinds"]), content)
        if fields["digest"] == _digest_code(code):
            return code
    return None


def keep_code(key: str, code: Code) -> None:
    """Keep the code of a function, if it can be kept: a disk may be full."""
    if not (folder := find_folder()):
        return
    fields = {"symbol": code.symbol, "kinds": code.kinds, "digest": _digest_code(code)}
    part = folder / f"{key}.{os.uname().nodename}.{os.getpid()}.part"
    try:
        part.write_bytes(json.dumps(fields).encode() + b"\n" + code.content)
        part.replace(folder / f"{key}.o")
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def lock_folder() -> Iterator[None]:
    """Keep other processes from compiling; not if that would take too long, or this file system has no locks."""
    folder = find_folder()
    lock = _wait_for_lock(folder / "lock") if folder else None
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _list_dependencies() -> Iterable[bytes]:
    """List what compiled code depends on."""
    for path in sorted(SOURCES.rglob("*.py")):
        yield path.read_bytes()
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
    features = binding.get_host_cpu_features().flatten()
    versions = (sys.version, platform.machine(), version("numba"), version("llvmlite"))
    for text in (*versions, binding.get_host_cpu_name(), features, *settings):
        yield text.encode()


def _digest_code(code: Code) -> str:
    return _digest([code.symbol.encode(), code.kinds.encode(), code.content])


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:24]


def _wait_for_lock(path: Path) -> int | None:
    """Return the descriptor that holds a lock until it is closed; None if there can be none."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        except OSError:
            break
        else:
            return lock
    os.close(lock)
    return None
