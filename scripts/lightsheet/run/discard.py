"""Raw volumes that an earlier run kept, and this one does not: removed, where what they were copied from is there."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from glob import escape
from typing import Any

from lightsheet.processing import describe_piece
from lightsheet.sources import stat_source
from lightsheet.store import Record, Results, VolumeKey, read_record
from lightsheet.system import PART, InputError, digest_json, logger, make_part_name, write_json


def discard_raw(results: Results, channel: str) -> None:
    """Remove a channel's raw store and shards, unless a file that they were copied from is gone or has changed.

    Then they may be the last copy of its pixels, and stay; no reader of the run takes them for its own.
    """
    place, work = results.raw_store(channel), results.work("raw", channel)
    for folder in (place, work):
        for part in folder.parent.glob(f"{PART}{escape(folder.name)}*"):  # of a run that was killed here
            shutil.rmtree(part, ignore_errors=True)
    if not place.exists() and not work.exists():
        return
    # Not only the timepoints that are selected.
    timepoints = sorted(int(path.name) for path in work.glob("0/c/*") if path.name.isdecimal())
    records = {timepoint: read_record(results, VolumeKey("raw", channel, timepoint)) for timepoint in timepoints}
    doubts = (_doubt_source(timepoint, record) for timepoint, record in records.items())
    if doubt := next(filter(None, doubts), "" if records else f"{work} is not there"):
        logger.warning(
            "%s stays, although output.raw is none: %s. It is not part of this result; remove it if nobody needs it",
            place,
            doubt,
        )
        return
    for timepoint, record in records.items():
        if record and record["shards"]:
            write_json(results.record(VolumeKey("raw", channel, timepoint)), _leave_out_shards(record))
    for folder in (place, work):
        if folder.exists():
            part = make_part_name(folder)
            folder.rename(part)  # so that nobody sees half of it
            shutil.rmtree(part, ignore_errors=True)
    with suppress(OSError):  # other channels' stores are there
        place.parent.rmdir()
    logger.info("removed %s: output.raw is none, and the files that it was copied from are there, unchanged", place)


def _leave_out_shards(record: Record) -> Record:
    """Return the record that a raw volume has where none is kept."""
    inputs = {name: record[name] for name in ("source", "ingest", "region") if name in record}
    fields = {name: value for name, value in record.items() if name != "layout"}
    dtype = record.get("layout", record).get("dtype")
    return {**fields, "fingerprint": digest_json(inputs), "shards": [], "dtype": dtype}


def _doubt_source(timepoint: int, record: Mapping[str, Any] | None) -> str:
    """Say why a raw volume may be the last copy of its pixels; empty if what it was copied from is there as it was."""
    if not record or record["status"] != "done":
        return f"no record says what timepoint {timepoint} was copied from"
    for source in record.get("sources", []):
        path, pages = source["path"], source.get("pages")
        try:
            stat = describe_piece(path, pages, *stat_source(path, pages)[:3])
        except InputError:
            stat = {}
        if stat != {name: value for name, value in source.items() if name != "blake3"}:
            return f"{path}, from which it was copied, is gone or has changed"
    return ""
