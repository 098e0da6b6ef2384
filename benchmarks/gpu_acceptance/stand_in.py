"""NumPy in CuPy's place, to try the benchmark where there is no GPU; what it then writes was measured on none."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support import fake_cupy

RUNTIME = {
    "deviceSynchronize": lambda: None,
    "getDeviceProperties": lambda _: {"name": b"NumPy in CuPy's place", "major": 0, "minor": 0},
    "driverGetVersion": lambda: 0,
    "runtimeGetVersion": lambda: 0,
}


def install() -> None:
    """Put the stand-in into its place, and beside it what only the benchmark calls."""
    fake_cupy.install(pytest.MonkeyPatch())
    cupy: Any = sys.modules["cupy"]
    for name, function in RUNTIME.items():
        if not hasattr(cupy.cuda.runtime, name):
            setattr(cupy.cuda.runtime, name, function)
    pool = cupy.get_default_memory_pool()
    if not hasattr(pool, "total_bytes"):
        cupy.get_default_memory_pool = lambda: types.SimpleNamespace(
            free_all_blocks=lambda: None, total_bytes=lambda: 0
        )
