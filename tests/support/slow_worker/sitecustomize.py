"""With this folder on its PYTHONPATH, a Python takes seconds for each raw volume that it reads, and no core for them.

So a tiny volume is long enough in work to be hit in the middle, however busy the machine is.
"""

import os
import sys
import time

SECONDS = float(os.environ.get("SLOW_WORKER_SECONDS", "2"))
latest = ""  # a volume is opened more than once


def _wait(event: str, arguments: tuple[object, ...]) -> None:
    global latest
    if event == "open" and "/work/raw/" in (path := str(arguments[0])) and path.endswith("/0/0/0") and path != latest:
        latest = path
        time.sleep(SECONDS)


sys.addaudithook(_wait)
