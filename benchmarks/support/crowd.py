"""A crowd of Dask workers in one process, which commands in SLURM's place (crowd_commands) submit to it.

`python crowd.py DIR` starts a worker for each job script that appears in DIR, until it is ended. The coordinator, in
another process with that folder in CROWD, does all that it does with workers on nodes.
"""

import asyncio
import itertools
import re
import shlex
import sys
import tempfile
from pathlib import Path

import dask
from distributed import Worker
from distributed.security import Security

PAUSE_SECONDS = 0.2


async def work(script: Path, place: str) -> None:
    """Be the worker of one job script until it is closed."""
    (line,) = re.findall(r"^.*dask_worker.*$", script.read_text(), re.MULTILINE)
    words = shlex.split(line)
    address = next(word for word in words if word.startswith("tls://"))
    options = dict(itertools.pairwise(words))
    security = Security(
        require_encryption=True,
        tls_ca_file=options["--tls-ca-file"],
        tls_worker_cert=options["--tls-cert"],
        tls_worker_key=options["--tls-key"],
    )
    async with Worker(
        address,
        name=options["--name"],
        nthreads=1,
        security=security,
        memory_limit=0,
        dashboard=False,
        local_directory=place,
    ) as worker:
        await worker.finished()
    script.with_suffix(".ended").touch()


async def crowd(folder: Path) -> None:
    """Look for job scripts for ever."""
    tasks: dict[Path, asyncio.Task[None]] = {}
    with tempfile.TemporaryDirectory() as place:
        while True:
            for script in {*folder.glob("*.sh")} - tasks.keys():
                tasks[script] = asyncio.create_task(work(script, place))
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    with dask.config.set({"distributed.logging.distributed": "error"}):
        asyncio.run(crowd(Path(sys.argv[1])))
