"""Folders that the processes of one pytest run share."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of this pytest run, filled by the first process to ask."""
    return fill_once(find_shared_base(factory), name, make)


def find_shared_base(factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder that the processes of this pytest run share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def fill_once(base: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` in `base`, which the first process or thread to ask fills, while the others wait."""
    folder, complete = base / name, base / f"{name}.complete"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            folder.mkdir()
            make(folder)
            complete.touch()
    return folder
