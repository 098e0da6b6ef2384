"""Statistics of a volume's voxels, gathered from its parts while they are in memory."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.9)
SAMPLE = 1_000_000
"""Approximate number of voxels in the regular subsample from which percentiles are computed."""

MOST_SHORT_SUMS = 65_537
"""So many values of 16 bits, whatever they are, have a sum of 32 bits: what a processor adds fastest."""

LEAST_TOGETHER = 4
"""Planes that are added in their own dtype; of fewer, to add these sums up takes the time that it spares."""


class Part(NamedTuple):
    """Statistics of a part of a volume."""

    voxels: int
    low: float
    high: float
    total: float
    sample: np.ndarray  # some of the voxels


def summarise_part(pixels: np.ndarray, voxels: int) -> Part:
    """Summarise a part (z, y, x) of a volume that has `voxels` in all, which decides how many are sampled."""
    flat = pixels.reshape(-1)
    low, high, sample = flat.min(), flat.max(), flat[find_sampling(voxels)].copy()
    if pixels.dtype in (np.uint8, np.uint16) and len(pixels) <= MOST_SHORT_SUMS:
        total = _add_up(pixels.reshape(len(pixels), -1), int(high))
    else:
        total = flat.sum(dtype=np.uint64 if pixels.dtype.kind == "u" else np.float64)  # the former is exact and faster
    return Part(flat.size, float(low), float(high), float(total), sample)


def _add_up(planes: np.ndarray, high: int) -> int:
    """Return the exact sum of planes whose highest value is `high`: in their own dtype while that holds what is added.

    Without a conversion, the dark images of a camera of 16 bits are added four times as fast.
    """
    planes_at_once = int(np.iinfo(planes.dtype).max) // max(high, 1)
    if planes_at_once < LEAST_TOGETHER:
        return int(np.add.reduce(planes, dtype=np.uint32).sum(dtype=np.uint64))
    groups = (planes[first : first + planes_at_once] for first in range(0, len(planes), planes_at_once))
    return sum(int(np.add.reduce(group, dtype=planes.dtype).sum(dtype=np.uint64)) for group in groups)


def combine_parts(parts: Sequence[Part]) -> dict[str, Any]:
    """Summarise a volume from all its parts, in an order that does not change from run to run.

    `min`, `max`, `mean` and `sum` are of all voxels, `percentiles` of a regular subsample, keyed by percentage.
    """
    total = math.fsum(part.total for part in parts)
    low, high = min(part.low for part in parts), max(part.high for part in parts)
    percentiles = compute_percentiles(np.concatenate([part.sample for part in parts]))
    return name_statistics(low, high, total, sum(part.voxels for part in parts), percentiles)


def name_statistics(low: float, high: float, total: float, voxels: int, percentiles: np.ndarray) -> dict[str, Any]:
    """Name the statistics of so many voxels, as records have them."""
    return {
        "min": low,
        "max": high,
        "mean": total / voxels,
        "sum": total,
        "percentiles": {str(q): float(value) for q, value in zip(PERCENTILES, percentiles, strict=True)},
    }


def find_sampling(voxels: int) -> slice:
    """Return which of so many voxels are the subsample."""
    return slice(None, None, -(-voxels // SAMPLE))


def compute_percentiles(values: np.ndarray) -> np.ndarray:
    """Compute `PERCENTILES` as `np.percentile` does, in a fraction of the time where the dtype has few steps."""
    ranks, places = find_places(len(values))
    if values.dtype in (np.uint8, np.uint16):
        order = np.searchsorted(np.cumsum(np.bincount(values)), places, side="right")
    elif values.dtype == np.float32 and values.view(np.int32).min() >= 0:
        order = _choose_floats(values, places)
    else:
        return np.asarray(np.percentile(values, PERCENTILES))
    return np.asarray(np.interp(ranks, places, order))


def find_places(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranks of `PERCENTILES` among so many values, and which of the sorted values they lie between."""
    ranks = np.array(PERCENTILES) / 100 * (number - 1)
    places = np.unique(np.floor(ranks).astype(int))
    return ranks, np.union1d(places, np.minimum(places + 1, number - 1))


def _choose_floats(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return what lies at some places of the sorted values, float32 without a sign: their bits rise as they do."""
    steps = (values.view(np.uint32) >> 16).astype(np.uint16)
    counts = np.bincount(steps, minlength=1 << 16)
    ends = np.cumsum(counts)
    is_needed = np.zeros(len(counts), bool)
    is_needed[np.searchsorted(ends, places, side="right")] = True
    skip_counts = np.cumsum(np.where(is_needed, 0, counts))  # values of lower steps that are not sorted
    candidates = np.sort(values[is_needed[steps]])
    return np.asarray(candidates[places - skip_counts[np.searchsorted(ends, places, side="right")]])


def summarise_volume(volume: np.ndarray) -> dict[str, Any]:
    """Summarise a whole volume (z, y, x), as `combine_parts` does."""
    return combine_parts([summarise_part(volume, volume.size)])


def measure_rounding(result: np.ndarray, stored: np.ndarray, scale: float) -> float:
    """Return by how much whole numbers (z, y, x) differ from a result (counts) times `scale`, relative to that.

    By root mean square, of voxels that are not clipped; 0 of a dark result.
    """
    limit = np.float32(np.iinfo(stored.dtype).max / scale)
    difference, energy = 0.0, 0.0
    for plane, whole in zip(result, stored, strict=True):
        counts = np.minimum(plane, limit).ravel()
        energy += float(np.vdot(counts, counts))
        counts -= whole.ravel() * np.float32(1 / scale)
        difference += float(np.vdot(counts, counts))
    return math.sqrt(difference / energy) if energy else 0.0
