"""What the coordinator of a block says of its volumes and workers while it lives, for those who watch the run."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lightsheet.store.paths import Results
from lightsheet.system import InputError, read_json, write_news


@dataclass(frozen=True)
class BlockStatus:
    """A block of volumes at one moment; `volumes` are all of it, `done` counts those that were done before."""

    block: str
    time: float  # seconds since 1970, by the clock of the coordinator's node
    job_id: str  # of the coordinator; empty outside of SLURM
    volumes: int
    done: int
    failed: int
    in_flight: int
    waiting: int
    volumes_per_second: float | None  # None: not known yet
    seconds_left: float | None
    workers: int  # that are connected
    workers_waiting: int  # jobs that have no worker yet
    reason: str  # why they wait, as squeue says


def write_status(path: Path, status: BlockStatus) -> None:
    """Write a status whole, or not at all: it is news, and no run fails because it cannot be told.

    Parameters
    ----------
    path : Path, `Results.status` of the block; its folder is made if need be
    status : BlockStatus
    """
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_news(path, asdict(status))


def read_statuses(results: Results) -> list[BlockStatus]:
    """Return what coordinators said last of their blocks, by the blocks' names; those that were killed, too."""
    statuses = list[BlockStatus]()
    for path in sorted(results.status("any").parent.glob("[!.]*.json")):
        try:
            statuses.append(BlockStatus(**read_json(path)))
        except (InputError, TypeError):  # gone, or of another version
            continue
    return statuses
