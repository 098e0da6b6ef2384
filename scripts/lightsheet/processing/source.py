"""A raw volume read straight from its source, where none is kept: its pixels, and a record of it without shards."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lightsheet.processing.fingerprint import describe_piece, list_raw_inputs, matches_source
from lightsheet.processing.statistics import combine_parts, summarise_part
from lightsheet.sources import (
    Facts,
    Region,
    Tiles,
    digest_pixels,
    digest_sources,
    list_pieces,
    open_mosaic,
    refuse_other_facts,
    select_tiles,
    stat_source,
)
from lightsheet.store import Record, choose_chunk, iterate_chunks, make_record, make_shape
from lightsheet.system import Allocate, InputError


class Source(NamedTuple):
    """Where the pixels of a raw volume are."""

    tiles: Tiles  # none of a volume that was never recorded
    shape: Sequence[int]  # (z, y, x), of the region if there is one
    dtype: str
    region: Region | None  # the part of the volume that is selected
    facts: Facts | None  # what the files must say of themselves


def stat_sources(tiles: Tiles) -> list[dict[str, Any]]:
    """Describe the pieces of a volume as records do, without reading pixels."""
    return [describe_piece(path, pages, *stat_source(path, pages)[:3]) for path, pages in list_pieces(tiles)]


def is_of_sources(record: Record, stats: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether the record of a raw volume is of files that are as they were, by path, size and time."""
    sources = record.get("sources", [])
    return [{key: value for key, value in source.items() if key != "blake3"} for source in sources] == [*stats]


def describes_source(record: Record | None, source: Source) -> bool:
    """Tell whether the record of a raw volume is of these files, as they are, and of this part of them."""
    if not record or record["status"] != "done" or not is_of_sources(record, stat_sources(source.tiles)):
        return False
    return matches_source(record, list_raw_inputs(source.tiles, record["sources"], None, source.region))


def stamp_sources(tiles: Tiles, stats: Sequence[Mapping[str, Any]], digests: Sequence[str]) -> list[dict[str, Any]]:
    """Return the sources with their digests, which are of the pixels that were read only if no file changed since."""
    for stat, (path, pages) in zip(stats, list_pieces(tiles), strict=True):
        if describe_piece(path, pages, *stat_source(path, pages)[:3]) != stat:
            raise InputError(f"{path}: it changed while it was read; run again when it is written whole")
    return [{**stat, "blake3": digest} for stat, digest in zip(stats, digests, strict=True)]


def refuse_infinite(statistics: Mapping[str, Any], stats: Sequence[Mapping[str, Any]]) -> None:
    """Refuse pixels that are no numbers to compute with."""
    if not math.isfinite(statistics["sum"]):
        raise InputError(
            f"{stats[0]['path']}: it holds NaN or infinity; write it anew, with 0 where nothing was measured, "
            "or put it in input.ignore"
        )


def read_source(source: Source, threads: int, allocate: Allocate = np.empty) -> tuple[np.ndarray, Record]:
    """Read a raw volume (z, y, x) from its files, digest these, and make its record; nothing is written.

    The digest is made each time, also of files that a record knows: it is then of the pixels that are used.

    Parameters
    ----------
    source : Source, with tiles
    threads : int, parts of the volume that are summed up at a time
    allocate : callable, makes the array

    Raises
    ------
    InputError
        As `ingest_volume`.
    """
    tiles, region, stats = source.tiles, source.region, stat_sources(source.tiles)
    place = tiles, source.shape, source.dtype, region
    with open_mosaic(*place) as volume, ThreadPoolExecutor(threads + 1) as pool:
        for _, pieces in select_tiles(tiles, region):
            refuse_other_facts(pieces, source.facts or {})
        raw, chunk = allocate(volume.shape, volume.dtype), choose_chunk(make_shape(volume.shape))
        for first in range(0, volume.shape[0], chunk[0]):
            raw[first : first + chunk[0]] = volume[first : first + chunk[0], :]
        digest_task = pool.submit(lambda: digest_pixels(raw, tiles, region) or digest_sources(*place))
        summarise = partial(summarise_part, voxels=raw.size)
        parts = pool.map(lambda part: summarise(np.ascontiguousarray(raw[part])), iterate_chunks(raw.shape, chunk))
        statistics = combine_parts(list(parts))
        sources = stamp_sources(tiles, stats, digest_task.result())
    refuse_infinite(statistics, stats)
    inputs = list_raw_inputs(tiles, sources, None, region)
    return raw, make_record(inputs, [], {}, sources=sources, statistics=statistics, dtype=source.dtype)


def make_hole_record(source: Source) -> Record:
    """Make the record of a volume that is missing among the files, where no raw volumes are kept."""
    inputs = list_raw_inputs([], [], None, source.region)
    return make_record(inputs, [], {}, sources=[], statistics=None, missing=True)
