"""A sample of a channel, read from its sources before any volume is done: a few timepoints, some planes of each.

What is chosen from it holds for the whole movie. It is read on the machine that runs Snakemake, so its size is bounded
whatever the acquisition's is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lightsheet.sources import Region, Tiles, open_mosaic
from lightsheet.system import PROGRESS_SECONDS, InputError, Progress, logger

MOST_TIMEPOINTS = 5
"""First, last, and evenly between."""

MOST_TRIES = 3
"""Timepoints that are tried for each one sampled: itself, and the nearest others if its files cannot be read."""

SLAB = 4
"""Planes that lie together, so that a mean over neighbours along z can be taken."""

MOST_SLABS = 8
"""The most slabs of a timepoint, spread from its first plane to its last."""

MOST_BYTES = 10**8
"""The most bytes of a timepoint: there are fewer slabs of large planes, and only some rows of huge ones."""

STRIPS = 4
"""Strips of rows that are read where not even one slab of whole planes may be."""


@dataclass
class Sample:
    """Pixels of a channel.

    `planes` holds per timepoint an array (z, y, x): slabs of `SLAB` neighbouring planes behind each other, or the whole
    volume where it has no more planes than that. `unreadable` says which timepoints could not be read, and why.
    """

    planes: dict[int, np.ndarray] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)


def read_sample(
    channel: str,
    tiles: Sequence[tuple[int, Tiles]],
    shape: Sequence[int],
    dtype: str,
    timepoints: Sequence[int] = (),
    region: Region | None = None,
) -> Sample:
    """Read a sample of a channel; what cannot be read is left out, as it stops its own volume only.

    Parameters
    ----------
    channel : str, its name, for sentences
    tiles : sequence of (int, Tiles), each timepoint and its tiles; a missing one has none, and is not sampled
    shape, dtype : sequence of int, str; (z, y, x) and dtype of each raw volume
    timepoints : sequence of int, optional, those that are read; by default some of all
    region : Region, optional, the part of each volume that is selected, which has this shape
    """
    sources = {timepoint: volume_tiles for timepoint, volume_tiles in tiles if volume_tiles}
    sample, present = Sample(), sorted(sources)
    previous = sorted(set(timepoints) & set(present))[:MOST_TIMEPOINTS]
    places = previous or choose_timepoints(present)
    progress = Progress(f"sample of {channel}", len(places), "timepoint", PROGRESS_SECONDS)
    for place in places:
        candidates = sorted((t for t in present if t not in places or t == place), key=lambda t: (abs(t - place), t))
        _read_nearest(sample, candidates[:MOST_TRIES], sources, (shape, dtype, region), channel)
        progress.step(f"timepoint {place}")
    sample.planes = dict(sorted(sample.planes.items()))
    return sample


def choose_timepoints(recorded: Sequence[int]) -> list[int]:
    """Return which of some timepoints are sampled, if all can be read."""
    return [recorded[index] for index in spread(len(recorded), MOST_TIMEPOINTS)]


def _read_nearest(
    sample: Sample,
    candidates: Sequence[int],
    sources: Mapping[int, Tiles],
    kind: tuple[Sequence[int], str, Region | None],
    channel: str,
) -> None:
    """Add the first of some timepoints that can be read; `kind` is what `open_mosaic` takes besides tiles."""
    for timepoint in candidates:
        if timepoint in sample.planes or timepoint in sample.unreadable:
            continue
        try:
            sample.planes[timepoint] = _read_planes(sources[timepoint], *kind)
            return
        except InputError as error:
            sample.unreadable[timepoint] = str(error)
            logger.warning(
                "%s timepoint %d is left out of the sample: %s; no run can do it as it is", channel, timepoint, error
            )


def _read_planes(tiles: Tiles, shape: Sequence[int], dtype: str, region: Region | None) -> np.ndarray:
    with open_mosaic(tiles, shape, dtype, region) as volume:
        bands = choose_bands(shape, np.dtype(dtype).itemsize)
        planes = np.concatenate([np.concatenate([volume[z, y] for y in bands[1]], axis=1) for z in bands[0]])
    if planes.dtype.kind == "f" and not np.isfinite(planes).all():
        path, _ = tiles[0][1][0]
        raise InputError(f"{path}: it holds NaN or infinity")
    return planes


def choose_bands(shape: Sequence[int], itemsize: int) -> tuple[list[slice], list[slice]]:
    """Choose the planes and the rows of a volume (z, y, x) that are read."""
    depth, height, width = shape
    slab = min(SLAB, depth)
    plane_bytes = height * width * itemsize
    slabs = min(max(MOST_BYTES // (slab * plane_bytes), 1), MOST_SLABS)
    rows = MOST_BYTES // (slab * width * itemsize)
    planes = [slice(0, depth)] if slabs * slab >= depth else _cut(depth, slab, slabs)
    strip = max(rows // STRIPS // 8 * 8, 8)
    strips = [slice(0, height)] if rows >= height or strip * STRIPS >= height else _cut(height, strip, STRIPS)
    return planes, strips


def _cut(size: int, band: int, count: int) -> list[slice]:
    """Return so many bands of an axis, from its beginning to its end; a single one lies in the middle."""
    starts = np.linspace(0, size - band, count) if count > 1 else [(size - band) / 2]
    return [slice(int(start), int(start) + band) for start in starts]


def spread(count: int, most: int) -> list[int]:
    """Return at most so many indices of a sequence: the first, the last, and evenly between."""
    indices: list[Any] = np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
    return list(dict.fromkeys(indices))
