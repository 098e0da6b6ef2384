"""Statistics of a volume's voxels, gathered from its parts while they are in memory."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

PERCENTILES = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.9)
SAMPLE = 1_000_000
"""Approximate number of voxels in the regular subsample from which percentiles are computed."""


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
    total = flat.sum(dtype=np.uint64 if pixels.dtype.kind == "u" else np.float64)  # the former is exact and faster
    sample = flat[:: -(-voxels // SAMPLE)].copy()
    return Part(flat.size, float(flat.min()), float(flat.max()), float(total), sample)


def combine_parts(parts: Sequence[Part]) -> dict[str, Any]:
    """Summarise a volume from all its parts, in an order that does not change from run to run.

    `min`, `max`, `mean` and `sum` are of all voxels, `percentiles` of a regular subsample, keyed by percentage.
    """
    total = math.fsum(part.total for part in parts)
    percentiles = np.percentile(np.concatenate([part.sample for part in parts]), PERCENTILES)
    return {
        "min": min(part.low for part in parts),
        "max": max(part.high for part in parts),
        "mean": total / sum(part.voxels for part in parts),
        "sum": total,
        "percentiles": {str(q): float(value) for q, value in zip(PERCENTILES, percentiles, strict=True)},
    }


def summarise_volume(volume: np.ndarray) -> dict[str, Any]:
    """Summarise a whole volume (z, y, x), as `combine_parts` does."""
    return combine_parts([summarise_part(volume, volume.size)])
