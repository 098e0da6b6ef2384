"""Records: the small JSON that says a volume is done, from what and how, and whether that still holds.

A record's `fingerprint` is the digest of everything that can change the volume's pixels or how they are stored.
Times, host and job id stand beside it and never enter it.
"""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightsheet.store.paths import Results, VolumeKey
from lightsheet.system import read_json, write_json

Record = dict[str, Any]


def is_done(record: Record | None, fingerprint: str, results: Results, key: VolumeKey) -> bool:
    """Tell whether a record says that the volume is done, in this very way, and its shards are there.

    Parameters
    ----------
    record : dict or None
        The volume's record.
    fingerprint : str
        Of what shall be done.
    results : Results
        The run.
    key : VolumeKey
        The volume.

    Returns
    -------
    bool
        False asks for the volume to be done (again). Shards are compared by size, not by content.
    """
    return bool(
        record
        and record["status"] == "done"
        and record["fingerprint"] == fingerprint
        and shards_exist(record["shards"], results, key)
    )


def shards_exist(shards: list[dict[str, Any]], results: Results, key: VolumeKey) -> bool:
    """Tell whether every shard of a volume exists with its recorded size."""
    try:
        return all(results.shard(key, shard["level"]).stat().st_size == shard["bytes"] for shard in shards)
    except OSError:
        return False


def make_record(fingerprint: str, shards: list[dict[str, Any]], seconds: Mapping[str, float], **fields: Any) -> Record:
    """Make the record of a volume whose shards are on the disk.

    Parameters
    ----------
    fingerprint : str
        Of what was done.
    shards : list of dict
        What `lightsheet.store.volumes.write_volume` returned.
    seconds : mapping
        Per stage, how long it took.
    **fields
        What else is worth keeping: sources, settings, statistics.

    Returns
    -------
    dict
        The record, with host, SLURM job id and time of day.
    """
    rounded = {stage: round(value, 3) for stage, value in seconds.items()}
    return {
        "status": "done",
        "fingerprint": fingerprint,
        "shards": shards,
        "seconds": rounded,
        **_where_and_when(),
        **fields,
    }


def make_failure(error: str, **fields: Any) -> Record:
    """Make the record of a volume that could not be done, with the reason in a sentence."""
    return {"status": "failed", "error": error, **_where_and_when(), **fields}


def _where_and_when() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@contextmanager
def time_stage(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add to `seconds[stage]` how long the block takes."""
    start = time.monotonic()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - start


def read_record(path: Path) -> Record | None:
    """Read a record; None if there is none."""
    record: Record | None = read_json(path)
    return record


def write_record(path: Path, record: Record) -> None:
    """Write a record whole: from this moment on the volume is done."""
    write_json(path, record)
