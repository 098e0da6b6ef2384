"""Raw volumes that an earlier run kept, and this one does not: removed, where what they were copied from is there."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lightsheet.processing import describe_piece
from lightsheet.sources import stat_source
from lightsheet.store import Record, Results, VolumeKey, read_record
from lightsheet.system import InputError, digest_json, logger, make_part_name, write_json


def discard_raw(results: Results, channel: str) -> None:
    """Remove a channel's raw store and shards, unless a file that they were copied from is gone or has changed.

    Then they may be the last copy of its pixels, and stay; no reader of the run takes them for its own.
    """
    place, work = results.raw_store(channel), results.work("raw", channel)
    if not place.exists() and not work.exists():
        return
    records = _read_kept(results, channel)
    if gone := next((path for record in records.values() if (path := _find_lost_file(record))), None):
        logger.warning(
            "%s stays, although output.raw is none: %s, from which it was copied, is gone or has changed. It is not "
            "part of this result; remove it if nobody needs it",
            place,
            gone,
        )
        return
    for key, record in records.items():
        inputs = {name: record[name] for name in ("source", "ingest", "region") if name in record}
        others = {name: value for name, value in record.items() if name != "layout"}
        layout = record.get("layout", {})
        fields = {"fingerprint": digest_json(inputs), "shards": [], "dtype": layout.get("dtype")}
        write_json(results.record(key), {**others, **fields})
    for folder in (place, work):
        if folder.exists():
            part = make_part_name(folder)
            folder.rename(part)  # so that nobody sees half of it
            shutil.rmtree(part, ignore_errors=True)
    with suppress(OSError):  # other channels' stores are there
        place.parent.rmdir()
    logger.info("removed %s: output.raw is none, and the files that it was copied from are there, unchanged", place)


def _read_kept(results: Results, channel: str) -> dict[VolumeKey, Record]:
    """Return the records of raw volumes that have shards, of timepoints too that are not selected."""
    kept = {}
    for path in sorted(results.record(VolumeKey("raw", channel, 0)).parent.glob("t*.json")):
        if path.stem[1:].isdecimal():
            key = VolumeKey("raw", channel, int(path.stem[1:]))
            record = read_record(results, key)
            if record and record.get("shards"):
                kept[key] = record
    return kept


def _find_lost_file(record: Mapping[str, Any]) -> str:
    """Return a file that a raw volume was copied from, and that is no longer as it was; empty if all are."""
    for source in record.get("sources", []):
        path, pages = source["path"], source.get("pages")
        try:
            now = describe_piece(path, pages, *stat_source(path, pages)[:3])
        except InputError:
            return str(path)
        if now != {name: value for name, value in source.items() if name != "blake3"}:
            return str(path)
    return ""
