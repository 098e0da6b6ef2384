"""Ingest of one volume: from its TIFF files to its shards and its record."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet import files, records, tiff
from lightsheet.errors import InputError
from lightsheet.records import Record
from lightsheet.results import Results
from lightsheet.store import Layout, write_volume

INGEST_VERSION = 1
"""Raised when ingest would make other pixels from the same files."""


def ingest(
    results: Results,
    channel: str,
    timepoint: int,
    tiles: Sequence[tuple[Sequence[int], str]],
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
    tiles : sequence of ((z, y, x), str)
        Position in the tile grid, and the file.
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
    stats = [_stat(path) for _, path in tiles]
    if old and old["status"] == "done" and stats == [_without_digest(source) for source in old["sources"]]:
        fingerprint = _fingerprint(tiles, old["sources"], layout)
        if records.holds(old, fingerprint, work, timepoint):
            return old
    try:
        record = _ingest(old, work, timepoint, tiles, stats, layout, threads)
    except InputError as error:
        records.write(place, records.failed(str(error), sources=stats))
        raise
    records.write(place, record)
    return record


def _ingest(
    old: Record | None,
    work: Path,
    timepoint: int,
    tiles: Sequence[tuple[Sequence[int], str]],
    stats: list[dict[str, Any]],
    layout: Layout,
    threads: int,
) -> Record:
    seconds: dict[str, float] = {}
    with records.timed(seconds, "read"):
        volume, digests = assemble(tiles, layout.levels[0].shape, layout.dtype)
    sources = [{**stat, "sha256": digest} for stat, digest in zip(stats, digests, strict=True)]
    fingerprint = _fingerprint(tiles, sources, layout)
    if old and records.holds(old, fingerprint, work, timepoint):  # touched or renamed, the content is the same
        return {**old, "sources": sources}
    with records.timed(seconds, "statistics"):
        statistics = records.statistics(volume)
    with records.timed(seconds, "write"):
        shards = write_volume(work, timepoint, volume, layout, threads)
    return records.done(fingerprint, shards, seconds, sources=sources, statistics=statistics)


def assemble(
    tiles: Sequence[tuple[Sequence[int], str]], shape: Sequence[int], dtype: str
) -> tuple[np.ndarray, list[str]]:
    """Read tiles edge to edge into one volume, and digest each file while it is read.

    Parameters
    ----------
    tiles : sequence of ((z, y, x), str)
        Position in the tile grid, and the file.
    shape : sequence of int
        (z, y, x) of the assembled volume.
    dtype : str
        Of the volume.

    Returns
    -------
    numpy.ndarray
        (z, y, x).
    list of str
        SHA-256 of each file.

    Raises
    ------
    InputError
        If a file cannot be read, or has another shape or dtype.
    """
    grid = np.max([position for position, _ in tiles], axis=0) + 1
    expected = tuple(int(n // g) for n, g in zip(shape, grid, strict=True))
    volume = np.empty(shape, dtype) if len(tiles) > 1 else None
    digests = []
    with ThreadPoolExecutor(1) as pool:
        for position, name in tiles:
            digest = pool.submit(files.sha256, Path(name))
            tile = tiff.read(Path(name))
            if tile.shape != expected or tile.dtype != dtype:
                raise InputError(
                    f"{name}: it is {tile.shape} {tile.dtype}, but most volumes of the acquisition are "
                    f"{expected} {dtype} (z, y, x); replace it, or put it in input.ignore"
                )
            digests.append(digest.result())
            if volume is None:
                return tile, digests
            corner = [p * n for p, n in zip(position, expected, strict=True)]
            volume[tuple(slice(a, a + n) for a, n in zip(corner, expected, strict=True))] = tile
    assert volume is not None
    return volume, digests


def _stat(name: str) -> dict[str, Any]:
    try:
        stat = Path(name).stat()
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from error
    return {"path": name, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _without_digest(source: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in source.items() if key != "sha256"}


def _fingerprint(
    tiles: Sequence[tuple[Sequence[int], str]], sources: Sequence[Mapping[str, Any]], layout: Layout
) -> str:
    positions = [list(position) for position, _ in tiles]
    digests = [source["sha256"] for source in sources]
    return files.digest({"v": INGEST_VERSION, "at": positions, "sha256": digests, "layout": layout.as_json()})
