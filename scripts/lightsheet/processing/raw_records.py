"""The records of a block's raw volumes: what ingest wrote, or, where none are kept, what is known of the sources."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.processing.fingerprint import write_region
from lightsheet.processing.source import Source, describes_source, make_hole_record
from lightsheet.store import Record, Results, VolumeKey, read_record
from lightsheet.system import InputError, read_json, wait_until_visible, write_json


def list_raw_sources(sources: Mapping[str, Any]) -> dict[VolumeKey, Source]:
    """Return where each raw volume is to be read."""
    common = {name: value for name, value in sources.items() if name != "tiles"}
    return {
        VolumeKey("raw", channel, timepoint): Source(tiles, **common)
        for channel, volumes in sources["tiles"].items()
        for timepoint, tiles in volumes
    }


def _describe_raw(results: Results, key: VolumeKey, source: Source) -> Record:
    """Return the record of a raw volume that is not kept, if its files are as they were; else one of no digest."""
    record = read_record(results, key)
    if not source.tiles:
        hole = make_hole_record(source)
        if not record or record.get("fingerprint") != hole["fingerprint"]:
            write_json(results.record(key), hole)
        return hole
    if record and describes_source(record, source):
        return record
    return {"status": "done", "source": "", "ingest": "", **write_region(source.region)}


def read_raw_records(
    results: Results, channels: Sequence[str], timepoints: Sequence[int], sources: Mapping[VolumeKey, Source]
) -> dict[VolumeKey, Record]:
    """Read the raw volumes' records; other nodes may just have written them and what is known of the PSFs.

    Where raw volumes are not kept, workers read the `sources` and write their records.
    """
    keys = [VolumeKey("raw", channel, timepoint) for channel in channels for timepoint in timepoints]
    raw_records: dict[VolumeKey, Record] = {}

    def list_missing() -> list[str]:
        records = {key: read_record(results, key) for key in keys if not sources}
        raw_records.update((key, record) for key, record in records.items() if record)
        volumes = [key.label for key in keys if key not in raw_records and not sources]
        return volumes + [f"the PSF of {c}" for c in channels if not read_json(results.psf(c, ".json"))]

    folders = {results.record(key).parent for key in keys} | {results.psf(c, ".json").parent for c in channels}
    if missing := wait_until_visible(list_missing, *folders):
        raise InputError(f"{missing[0]} is not ingested: run the same command again")
    return {key: _describe_raw(results, key, source) for key, source in sources.items()} or raw_records
