"""NumPy in CuPy's place, to try the benchmark where there is no GPU; what it then writes was measured on none."""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support import fake_cupy


def install() -> None:
    """Put the stand-in into its place, and into it what only the benchmark calls."""
    device = fake_cupy.install(pytest.MonkeyPatch())
    cupy: Any = sys.modules["cupy"]
    vars(cupy.cuda.runtime).update(
        deviceSynchronize=lambda: None,
        getDeviceProperties=lambda _: {"name": b"NumPy in CuPy's place", "major": 0, "minor": 0},
        driverGetVersion=lambda: 0,
        runtimeGetVersion=lambda: 0,
        malloc=lambda size: _take(device, size),
        free=lambda size: _take(device, -size),
    )
    sys.modules["cupyx"] = types.SimpleNamespace(empty_pinned=np.empty)  # type: ignore[assignment]


def _take(device: Any, size: int) -> int:
    """Be another program that takes memory, or gives it back."""
    device.others += size
    return size
