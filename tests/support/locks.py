"""Locks of results folders that other processes hold, or have left, and what comes of a try to take them."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightsheet.store.lock import hold_lock
from lightsheet.store.lock_file import look_at
from lightsheet.store.lock_holder import Holder, describe_this_process
from lightsheet.system.errors import InputError


def leave(lock: Path, age: float = 0.0, **changes: Any) -> Holder:
    """Write the lock of another process, last renewed `age` seconds ago."""
    holder = replace(describe_this_process(), **changes)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(holder.to_json())
    os.utime(lock, (time.time() - age,) * 2)
    return holder


def refusal(lock: Path) -> str:
    before = lock.read_bytes(), lock.stat().st_mtime_ns
    with pytest.raises(InputError) as error, hold_lock(lock, print):
        pass
    assert (lock.read_bytes(), lock.stat().st_mtime_ns) == before
    assert list(lock.parent.iterdir()) == [lock]
    return str(error.value)


def assert_is_taken(lock: Path) -> None:
    with hold_lock(lock, print) as token:
        look = look_at(lock)
        assert look
        assert look.token == token
        assert list(lock.parent.iterdir()) == [lock], "a process may be killed at any moment and leave nothing for long"
    assert not lock.exists()


@contextlib.contextmanager
def ended_process() -> Iterator[int]:
    """Yield the number of a process that has ended and has not been waited for."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid
