"""Waiting for the device without keeping a core busy, which others need: an event lets the thread sleep.

CuPy's own waits look again and again: `Stream.synchronize`, `get`, and `asnumpy` unless it is told not to block.
"""

from types import ModuleType
from typing import Any

import numpy as np


def wait_for(cupy: ModuleType, stream: Any) -> None:
    """Wait until a stream has done all."""
    stream.record(cupy.cuda.Event(block=True, disable_timing=True)).synchronize()


def fetch(cupy: ModuleType, array: Any) -> np.ndarray[Any, Any]:
    """Copy a few numbers to the host, when the current stream has done all, which may take long."""
    wait_for(cupy, cupy.cuda.get_current_stream())
    numbers: np.ndarray[Any, Any] = array.get()
    return numbers
