"""What becomes of a worker whose GPU fails: CUDA lets a process go on no more, but another one may. Light to import."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lightsheet.system import InputError, logger

EXIT_STATUS = 70
"""Of a worker that ends so; BSD's number for an error within the software."""

SEND_SECONDS = 1.0
"""Time in which a worker sends its last words to the coordinator, which logs them; a thread of Dask does that."""


@contextmanager
def end_with_gpu(engine: str) -> Iterator[None]:
    """End this process, a worker's, if a volume fails in the block and the GPU with it.

    All its other volumes would fail at once, and so quickly that it would get most of a run's. They are done again by
    the process that takes its place, or by other workers.

    Parameters
    ----------
    engine : str, one of `ENGINES`; nothing is done with others than gpu
    """
    try:
        yield
    except InputError:  # it says itself what to do
        raise
    except Exception as error:
        if engine == "gpu" and _has_failed():
            logger.error("this worker ends, for its GPU has failed: %s: %s", type(error).__name__, error)
            time.sleep(SEND_SECONDS)
            os._exit(EXIT_STATUS)
        raise


def _has_failed() -> bool:
    """Tell whether CUDA reports an error of before; it does so at every call, once its context is lost."""
    cupy = sys.modules.get("cupy")
    if not cupy:
        return False
    try:
        cupy.cuda.runtime.deviceSynchronize()
    except cupy.cuda.runtime.CUDARuntimeError:
        return True
    return False
