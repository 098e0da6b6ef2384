"""Records: the small JSON files that say that a volume is done, from what and how.

A record holds its inputs, which are all that decides the volume's pixels and how they are stored, and their digest, the
`fingerprint`; times, hosts, job ids and versions of libraries are not among the inputs.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.volumes import StoreLayout, make_hole, write_volume
from lightsheet.system import digest_json, read_json

Record = dict[str, Any]

FIELDS = {"done": {"fingerprint", "shards", "seconds"}, "failed": {"error"}}
"""What every record has, by its status."""

SHARD_FIELDS = {"level", "bytes", "blake3"}

TYPES = {"shards": list, "sources": list, "seconds": dict, "settings": dict, "layout": dict, "error": str}
"""Types of the fields that a record may have."""


def read_record(results: Results, key: VolumeKey) -> Record | None:
    """Read the record of a volume; None if there is none, or what is there is no record."""
    record = read_json(results.record(key))
    return record if is_record(record) else None


def is_record(content: Any) -> bool:
    """Tell whether JSON is a record, and not what a damaged disk or an editor made of it."""
    fields = FIELDS.get(str(content.get("status"))) if isinstance(content, dict) else None
    return bool(
        fields
        and content.keys() >= fields
        and all(isinstance(content[name], kind) for name, kind in TYPES.items() if name in content)
        and all(isinstance(shard, dict) and shard.keys() >= SHARD_FIELDS for shard in content.get("shards", ()))
        and all(isinstance(source, dict) for source in content.get("sources", ()))
    )


def is_done(record: Record | None, inputs: Mapping[str, Any], results: Results, key: VolumeKey) -> bool:
    """Tell whether a record says that the volume is done from these inputs, and its shards exist.

    Shards are compared by size, not by content.
    """
    return bool(
        record
        and record["status"] == "done"
        and record["fingerprint"] == digest_json(inputs)
        and shards_exist(record["shards"], partial(results.shard, key))
    )


def shards_exist(shards: Sequence[Mapping[str, Any]], locate: Callable[[int], Path]) -> bool:
    """Tell whether every shard of a volume exists with its recorded size.

    Parameters
    ----------
    shards : sequence of mapping, per pyramid level `level` and `bytes`, as a record has them
    locate : callable, returns the path of the shard of a level
    """
    try:
        return all(locate(shard["level"]).stat().st_size == shard["bytes"] for shard in shards)
    except OSError:
        return False


def make_record(
    inputs: Mapping[str, Any], shards: list[dict[str, Any]], seconds: Mapping[str, float], **fields: Any
) -> Record:
    """Make the record of a volume whose shards are on the disk.

    Parameters
    ----------
    inputs : mapping, all that decides the volume
    shards : list of dict, what `write_volume` returned
    seconds : mapping, duration of each stage
    **fields : what else is worth keeping: sources, statistics
    """
    rounded = {stage: round(value, 3) for stage, value in seconds.items()}
    done = {"status": "done", "fingerprint": digest_json(inputs), "shards": shards, "seconds": rounded}
    return {**done, **inputs, **_describe_job(), **fields}


def write_hole(
    results: Results, key: VolumeKey, layout: StoreLayout, inputs: Mapping[str, Any], stage: str, **fields: Any
) -> Record:
    """Write a hole in place of a volume that is missing among the files; return its record, which says so.

    Parameters
    ----------
    results, key, layout : Results, VolumeKey, StoreLayout of the volume
    inputs : mapping, all that decides the volume
    stage : str, key of the duration in the record's `seconds`
    **fields : see `make_record`
    """
    seconds: dict[str, float] = {}
    with time_stage(seconds, stage):
        shards, _ = write_volume(results.work(key.kind, key.channel), key.timepoint, make_hole(layout), layout, 1)
    return make_record(inputs, shards, seconds, statistics=None, missing=True, **fields)


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
