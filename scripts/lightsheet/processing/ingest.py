"""Ingest of one volume: from its TIFF files to its shards and its record, read, digested and encoded side by side."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from lightsheet.processing.fingerprint import list_raw_inputs
from lightsheet.processing.source import is_of_sources, refuse_infinite, stamp_sources, stat_sources
from lightsheet.processing.statistics import combine_parts, summarise_part
from lightsheet.sources import (
    Facts,
    Region,
    Tiles,
    digest_sources,
    open_mosaic,
    refuse_other_facts,
    select_tiles,
)
from lightsheet.store import (
    Record,
    Results,
    StoreLayout,
    VolumeKey,
    is_done,
    make_failure,
    make_record,
    read_record,
    time_stage,
    write_hole,
    write_volume,
)
from lightsheet.system import DiskError, InputError, write_json


def ingest_volume(
    results: Results,
    key: VolumeKey,
    tiles: Tiles,
    layout: StoreLayout,
    threads: int,
    facts: Facts | None = None,
    region: Region | None = None,
) -> Record:
    """Copy one raw volume from its TIFF files into the work area, unless its record says that this was done.

    Parameters
    ----------
    results : Results, with the work area
    key : VolumeKey, of the raw volume
    tiles : Tiles, where the pixels are; none of a volume that was never recorded: it becomes a hole
    layout : StoreLayout, with the shape and dtype that the files must have
    threads : int, chunks that are encoded at a time
    facts : Facts, optional, what the files must say of themselves
    region : Region, optional, the part of the volume that is selected, which has the layout's shape

    Returns
    -------
    Record, as it is on the disk; of a hole it says so

    Raises
    ------
    InputError
        If a file cannot be read, has another shape or dtype than the layout, or says other things of itself than
        others do; the record then says so.
    """
    place = results.record(key)
    old = read_record(results, key)
    stats = stat_sources(tiles)
    is_of_these = old and old["status"] == "done" and is_of_sources(old, stats)
    if old and is_of_these and is_done(old, list_raw_inputs(tiles, old["sources"], layout, region), results, key):
        return old
    try:
        if tiles:
            record = _ingest(old, results, key, tiles, stats, layout, threads, facts, region)
        else:
            inputs = list_raw_inputs([], [], layout, region)
            record = write_hole(results, key, layout, inputs, "ingest", sources=[])
    except DiskError:  # no fault of the volume, and no room for a record
        raise
    except InputError as error:
        write_json(place, make_failure(str(error), sources=stats))
        raise
    write_json(place, record)
    return record


def _ingest(
    old: Record | None,
    results: Results,
    key: VolumeKey,
    tiles: Tiles,
    stats: Sequence[Mapping[str, Any]],
    layout: StoreLayout,
    threads: int,
    facts: Facts | None,
    region: Region | None,
) -> Record:
    seconds: dict[str, float] = {}
    place = tiles, layout.levels[0].shape, layout.dtype, region
    with (
        open_mosaic(*place) as volume,
        ThreadPoolExecutor(1) as pool,
        time_stage(seconds, "ingest"),
    ):
        for _, pieces in select_tiles(tiles, region):
            refuse_other_facts(pieces, facts or {})
        pending = pool.submit(digest_sources, *place)
        if old and old["status"] == "done":  # perhaps touched or renamed, and the content is the same
            sources = stamp_sources(tiles, stats, pending.result())
            if is_done(old, list_raw_inputs(tiles, sources, layout, region), results, key):
                return {**old, "sources": sources}
        summarise = partial(summarise_part, voxels=volume.size)
        work = results.work("raw", key.channel)
        shards, parts = write_volume(work, key.timepoint, volume, layout, threads, summarise)
        sources = stamp_sources(tiles, stats, pending.result())
    statistics = combine_parts(parts)
    refuse_infinite(statistics, stats)
    inputs = list_raw_inputs(tiles, sources, layout, region)
    return make_record(inputs, shards, seconds, sources=sources, statistics=statistics)
