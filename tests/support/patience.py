"""Waits for what must come, however busy the machine is."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.05


def wait_until(condition: Callable[[], T], seconds: float = 240, what: str = "what must come") -> T:
    """Wait until a condition holds, and return what it returned.

    Raises
    ------
    TimeoutError
        If it does not hold after `seconds`; says `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(PAUSE_SECONDS)
    return value
