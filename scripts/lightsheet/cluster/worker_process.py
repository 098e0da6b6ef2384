"""The process of a SLURM job's worker, which Dask's own command starts (`--worker-class`): its rest and certain end."""

import asyncio
import faulthandler
import os
import signal
from typing import Any, Self

import dask
from distributed import Worker

REST = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1 s"}
"""Dask's settings with which its processes sleep while a volume is computed: the cores are the volume's.

As Dask comes, each looks 100 times a second at what Python code runs, and 50 times whether it still answers. On a
machine of 2 cores a worker and the coordinator took 0.16 CPU seconds a second for that, and take 0.02 without.
"""

END_SECONDS = 3.0
"""Time that the process of a worker that closes may take to end by itself."""

PAUSE_SECONDS = 0.5
"""Pause between two looks at whether the last volume is done."""


class MortalWorker(Worker):
    """A Dask worker whose process ends with it: at once upon SIGTERM, else some seconds after the worker closes.

    Dask's command answers SIGTERM by having asyncio cancel all tasks, also the one that closes the worker, and waits
    for ever for others that wait for it to be closed; before that, for 30 s, for the volume in the worker's hands. Not
    all sites kill what an ended job leaves behind. What dies here is on no disk, or is done again.
    """

    _is_ending = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Read Dask's settings where they are read."""
        with dask.config.set(REST):
            super().__init__(*arguments, **options)

    async def start_unsafe(self) -> Self:
        """Start, and leave SIGTERM, which Dask's command has caught by now, to the kernel."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        await super().start_unsafe()  # type: ignore[no-untyped-call]
        return self

    async def get_startup_information(self) -> dict[str, Any]:
        """Tell the coordinator which node this is, of which squeue may not have heard yet."""
        return {**await super().get_startup_information(), "node": os.environ.get("SLURMD_NODENAME", "")}  # type: ignore[no-untyped-call]

    async def close_gracefully(self, restart: bool | None = None, reason: str = "worker-close-gracefully") -> None:
        """Close at the end of its `--lifetime`, but not before the volumes in its hands are done.

        Dask would drop them. One that takes longer than the job is ended by SLURM, whose words then say so.
        """
        while self.state.executing:
            await asyncio.sleep(PAUSE_SECONDS)
        await super().close_gracefully(restart, reason)

    async def close(self, **options: Any) -> str | None:  # type: ignore[override]
        """Close without a wait for a volume, which nobody wants any more; the process may take seconds for its end."""
        if not self._is_ending:
            self._is_ending = True
            # A thread of C's, which needs no lock of Python's: a volume may hold that.
            null = os.fdopen(os.open(os.devnull, os.O_WRONLY))
            faulthandler.dump_traceback_later(END_SECONDS, exit=True, file=null)
        return await super().close(**{**options, "executor_wait": False})
