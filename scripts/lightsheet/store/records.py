"""Records: the small JSON files that say that a volume is done, from what and how.

A record's `fingerprint` is the digest of everything that can change the volume's pixels or how they are stored;
times, host and job id are not part of it.
"""

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.volumes import StoreLayout, make_hole, write_volume

Record = dict[str, Any]


def is_done(record: Record | None, fingerprint: str, results: Results, key: VolumeKey) -> bool:
    """Tell whether a record says that the volume is done with this fingerprint, and its shards exist.

    Shards are compared by size, not by content.
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
    fingerprint : str, of all that decides the volume
    shards : list of dict, what `write_volume` returned
    seconds : mapping, duration of each stage
    **fields : what else is worth keeping: sources, settings, statistics
    """
    rounded = {stage: round(value, 3) for stage, value in seconds.items()}
    done = {"status": "done", "fingerprint": fingerprint, "shards": shards, "seconds": rounded}
    return {**done, **_describe_job(), **fields}


def write_hole(
    results: Results, key: VolumeKey, layout: StoreLayout, fingerprint: str, stage: str, **fields: Any
) -> Record:
    """Write a hole in place of a volume that is missing among the files; return its record, which says so.

    Parameters
    ----------
    results, key, layout : Results, VolumeKey, StoreLayout of the volume
    fingerprint : str, of all that decides the volume
    stage : str, key of the duration in the record's `seconds`
    **fields : see `make_record`
    """
    seconds: dict[str, float] = {}
    with time_stage(seconds, stage):
        shards, _ = write_volume(results.work(key.kind, key.channel), key.timepoint, make_hole(layout), layout, 1)
    return make_record(fingerprint, shards, seconds, statistics=None, missing=True, **fields)


def make_failure(error: str, **fields: Any) -> Record:
    """Make the record of a volume that could not be done; `error` is a sentence with the reason."""
    return {"status": "failed", "error": error, **_describe_job(), **fields}


def _describe_job() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@contextmanager
def time_stage(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the duration of the block to `seconds[stage]`."""
    start = time.monotonic()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - start
