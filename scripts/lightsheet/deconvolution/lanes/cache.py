"""Where compiled code is kept, so that it is compiled once and not by each worker.

Numba keeps one function a file, written whole. But its index of a function's files is not locked, so that processors of
two types, or two versions, would find each other's code; it knows nothing of the functions and constants that went into
a function; and a full disk, a file that somebody damaged, or a home that cannot be written is an error to it. So there
is a folder for each version of our sources, of numba and LLVM, and for each type of processor. What cannot be kept is
compiled again. Where several processes need a function at the same time, one compiles it and the others wait.
"""

import fcntl
import hashlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite import binding
from numba.core import caching

SOURCES = Path(__file__).parents[1]
"""The room whose files go into compiled code."""

WAIT_SECONDS = 60.0
"""Longer than a function takes to compile on a busy machine."""


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


def _list_dependencies() -> Iterable[bytes]:
    """List what compiled code depends on."""
    for path in sorted(SOURCES.rglob("*.py")):
        yield path.read_bytes()
    settings = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_"))
    features = binding.get_host_cpu_features().flatten()
    versions = (sys.version, platform.machine(), numba.__version__, llvmlite.__version__)
    for text in (*versions, binding.get_host_cpu_name(), features, *settings):
        yield text.encode()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:24]


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    """Tells numba where the files are."""

    def __init__(self, line: int) -> None:
        self.line = line

    def get_cache_path(self) -> str:
        return str(find_folder())

    def get_source_stamp(self) -> str:
        return "the folder's name holds it"

    def get_disambiguator(self) -> str:
        return str(self.line)

    @classmethod
    def from_function(cls, function: Any, _path: str) -> "_Locator":
        return cls(function.__code__.co_firstlineno)


class _Files(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class Cache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of a function, which fails at nothing."""

    _impl_class = _Files

    def __init__(self, function: Any, prepare: Callable[[], None]) -> None:
        super().__init__(function)
        self.prepare = prepare
        """Compiles what the function calls."""
        self.lock: int | None = None

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the code of a function; if there is none, wait for whoever compiles it, or return None to do so."""
        code = self._try_to_load(signature, target_context)
        if code is None:
            self.lock = _wait_for_lock(self.cache_path)
            code = self._try_to_load(signature, target_context)
            if code is None:
                self.prepare()
            else:
                self._unlock()
        return code

    def save_overload(self, signature: Any, code: Any) -> None:
        """Keep the code, if it can be kept: a disk may be full."""
        try:
            with suppress(Exception):
                super().save_overload(signature, code)
        finally:
            self._unlock()

    def _try_to_load(self, signature: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(signature, target_context)
        except Exception:  # whatever a damaged file makes pickle do: the code is compiled again
            with suppress(OSError):
                Path(self._cache_file._index_path).unlink(missing_ok=True)
            return None

    def _unlock(self) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def _wait_for_lock(folder: str) -> int | None:
    """Lock a folder until the descriptor is closed; None if that takes too long, or this file system has no locks."""
    try:
        lock = os.open(Path(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
