"""How much a process of Dask's does while the cores are a volume's."""

import resource
import time


def count_wakes() -> float:
    """Return how often threads of this process wake in a second in which a volume needs no Python."""
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    time.sleep(1)
    wakes = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before
    return wakes / (time.monotonic() - begin)
