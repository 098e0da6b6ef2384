"""With this folder on its PYTHONPATH, a Python takes seconds for each raw volume that it reads, and no core for them.

So a tiny volume is long enough in work to be hit in the middle, however busy the machine is. And it takes as long as
there is a file whose path SLOW_WORKER_HOLD is.
"""

import os
import sys
import time

SECONDS = float(os.environ.get("SLOW_WORKER_SECONDS", "2"))
HOLD = os.environ.get("SLOW_WORKER_HOLD", "")
latest = ""  # a volume is opened more than once


def _wait(event: str, arguments: tuple[object, ...]) -> None:
    global latest
    if event == "open" and "/work/raw/" in (path := str(arguments[0])) and path.endswith("/0/0/0") and path != latest:
        latest = path
        time.sleep(SECONDS)
        while os.path.exists(HOLD):  # noqa: PTH110 (without an import that the worker would not make)
            time.sleep(0.05)


sys.addaudithook(_wait)
