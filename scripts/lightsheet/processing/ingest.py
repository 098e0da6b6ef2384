"""Ingest of one volume: from its TIFF files to its shards and its record, read, digested and encoded side by side."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from blake3 import blake3

from lightsheet import files, mosaic, records, summary, tiff
from lightsheet.errors import InputError
from lightsheet.mosaic import PageRange, Tiles, as_range, pieces_of
from lightsheet.records import Record
from lightsheet.results import Results
from lightsheet.store import Layout, hole, write_volume

INGEST_VERSION = 2
"""Raised when ingest would make other pixels from the same files."""


def ingest(
    results: Results,
    channel: str,
    timepoint: int,
    tiles: Tiles,
    layout: Layout,
    threads: int,
) -> Record:
    """Copy one volume from its TIFF files into the work area, unless its record says that this was done.

    Parameters
    ----------
    results : Results
        Where to.
    channel : str
        The volume's channel.
    timepoint : int
        Index on the time axis.
    tiles : Tiles
        Where the pixels are; none for a volume that was never recorded: it becomes a hole, and its record says so.
    layout : Layout
        Of the raw store: the shape and dtype that the assembled volume must have.
    threads : int
        How many chunks are encoded at a time.

    Returns
    -------
    dict
        The volume's record, as it stands on the disk.

    Raises
    ------
    InputError
        If a file cannot be read, or has another shape or dtype than the acquisition; the record then says so.
    """
    place, work = results.record("raw", channel, timepoint), results.work("raw", channel)
    old = records.read(place)
    stats = [_stat(*piece) for piece in pieces_of(tiles)]
    if old and old["status"] == "done" and stats == [_without_digest(source) for source in old["sources"]]:
        fingerprint = _fingerprint(tiles, old["sources"], layout)
        if records.holds(old, fingerprint, work, timepoint):
            return old
    try:
        record = (
            _ingest(old, work, timepoint, tiles, stats, layout, threads) if tiles else _leave(work, timepoint, layout)
        )
    except InputError as error:
        records.write(place, records.failed(str(error), sources=stats))
        raise
    records.write(place, record)
    return record


def _ingest(
    old: Record | None,
    work: Path,
    timepoint: int,
    tiles: Tiles,
    stats: Sequence[Mapping[str, Any]],
    layout: Layout,
    threads: int,
) -> Record:
    seconds: dict[str, float] = {}
    shape = layout.levels[0].shape
    with (
        mosaic.opened(tiles, shape, layout.dtype) as volume,
        ThreadPoolExecutor(1) as pool,
        records.timed(seconds, "ingest"),
    ):
        pending = pool.submit(lambda: [digest(*piece) for piece in pieces_of(tiles)])
        if old and old["status"] == "done":  # perhaps touched or renamed, and the content is the same
            sources = _sources(tiles, stats, pending)
            if records.holds(old, _fingerprint(tiles, sources, layout), work, timepoint):
                return {**old, "sources": sources}
        look = partial(summary.look, voxels=volume.size)
        shards, seen = write_volume(work, timepoint, volume, layout, threads, look)
        sources = _sources(tiles, stats, pending)
    statistics = summary.combine(seen)
    if not math.isfinite(statistics["sum"]):
        raise InputError(f"{stats[0]['path']}: it holds NaN or infinity; replace it, or put it in input.ignore")
    return records.done(_fingerprint(tiles, sources, layout), shards, seconds, sources=sources, statistics=statistics)


def _leave(work: Path, timepoint: int, layout: Layout) -> Record:
    """Write a hole, and the record of a volume that is missing."""
    seconds: dict[str, float] = {}
    with records.timed(seconds, "ingest"):
        shards, _ = write_volume(work, timepoint, hole(layout), layout, 1)
    return records.done(_fingerprint([], [], layout), shards, seconds, sources=[], statistics=None, missing=True)


def digest(path: str | Path, pages: PageRange) -> str:
    """Return the BLAKE3 digest of a file, or of the pixels of some of its pages.

    Parameters
    ----------
    path : str or Path
        The file.
    pages : PageRange
        Which pages: the digest is then that of their pixels, (z, y, x) in C order and native byte order, because
        other volumes share the file.

    Returns
    -------
    str
        Hexadecimal.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if pages is None:
        try:
            return files.blake3(Path(path))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    found = blake3()
    with tiff.open_stack([(Path(path), as_range(pages))]) as stack:
        for z in range(stack.shape[0]):
            found.update(stack[z : z + 1, :].tobytes())
    return found.hexdigest()


def _sources(tiles: Tiles, stats: Sequence[Mapping[str, Any]], pending: Future[list[str]]) -> list[dict[str, Any]]:
    """Wait for the digests; they are of the pixels that were read only if no file has changed since."""
    digests = pending.result()
    for stat, (path, pages) in zip(stats, pieces_of(tiles), strict=True):
        if _stat(path, pages) != stat:
            raise InputError(f"{path}: it changed while it was read; run again when it is written whole")
    return [{**stat, "blake3": found} for stat, found in zip(stats, digests, strict=True)]


def _stat(name: str, pages: PageRange) -> dict[str, Any]:
    stat = files.stat(Path(name))
    what = {} if pages is None else {"pages": list(pages)}
    return {"path": name, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, **what}


def _without_digest(source: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in source.items() if key != "blake3"}


def _fingerprint(tiles: Tiles, sources: Sequence[Mapping[str, Any]], layout: Layout) -> str:
    positions = [[list(position), len(pieces)] for position, pieces in tiles]
    digests = [source["blake3"] for source in sources]
    return files.digest({"v": INGEST_VERSION, "at": positions, "blake3": digests, "layout": layout.as_json()})
