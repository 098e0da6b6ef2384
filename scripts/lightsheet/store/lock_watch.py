"""Jobs that end with their run: killed, or suspended for so long that another one has taken the folder over."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from lightsheet.store.lock_file import look_at
from lightsheet.store.lock_holder import is_gone
from lightsheet.store.lock_takeover import CHECK_SECONDS
from lightsheet.store.paths import Results
from lightsheet.system import logger

RUNS = "LIGHTSHEET_RUN"
"""Environment variable of a run's processes: its lock's token and its results folder, a line for each run around."""

GRACE_SECONDS = 60.0


def end_with_run() -> None:
    """End this process soon after its run, wherever that ran: nobody else ends what a `kill -9` of a run leaves."""
    token, _, place = os.environ.get(RUNS, "").rpartition("\n")[2].partition(" ")
    if place:
        threading.Thread(target=_watch, args=(Results(Path(place)).lock, token), daemon=True).start()


def _watch(path: Path, token: str) -> None:
    holder, end = None, ""
    while not end:
        time.sleep(CHECK_SECONDS)
        with suppress(OSError):
            look = look_at(path)
            if look and look.holder and look.token == token:
                holder = look.holder
            elif look and look.holder:
                end = f"another run has taken the results folder over ({look.holder})"
        if holder and is_gone(holder):
            end = f"its run is dead ({holder})"
    logger.error("this job ends: %s", end)
    _kill_snakemake(token)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _kill_snakemake(token: str) -> None:
    """Kill what started this process in its job: Snakemake would remove outputs, which are the next run's by now."""
    for parent in psutil.Process().parents():
        try:
            if token not in parent.environ().get(RUNS, ""):
                return
            parent.kill()
        except psutil.Error:
            return
