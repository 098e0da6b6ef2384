"""With this folder on its PYTHONPATH, a Python takes seconds for each raw volume that it reads, and no core for them.

So a tiny volume is long enough in work to be hit in the middle, however busy the machine is.
"""

import os
import sys
import time

SECONDS = float(os.environ.get("SLOW_WORKER_SECONDS", "2"))


def _wait(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and "/work/raw/" in str(arguments[0]) and str(arguments[0]).endswith("/0/0/0"):
        time.sleep(SECONDS)


sys.addaudithook(_wait)
