"""Time that a call takes of a core, on a machine that others use too."""

import time
from collections.abc import Callable


def takes_less(seconds: float, call: Callable[[], object], tries: int = 3) -> bool:
    """Tell whether a call can be done in less than so many seconds of a core: what others do only adds to them."""
    return any(measure_cpu(call) < seconds for _ in range(tries))


def measure_cpu(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes of a core."""
    start = time.process_time()
    call()
    return time.process_time() - start
