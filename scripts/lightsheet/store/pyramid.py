"""The pyramid: the levels of a volume, their chunks, and the 2x mean that makes a level from the one below."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from lightsheet.system import BandSource, count_joint_rows

Shape = tuple[int, int, int]

CHUNK_GOAL: Shape = (64, 128, 128)
"""Inner chunks near this shape (z, y, x) make planes cheap to read and still compress well."""

COARSEST = 128
"""Voxels per axis at or below which no coarser level is added."""


@dataclass(frozen=True)
class Level:
    """One pyramid level of a volume."""

    shape: Shape  # voxels along (z, y, x)
    chunk: Shape  # inner chunk (z, y, x); it divides the shape
    factor: Shape  # how many voxels of level 0 one voxel covers along (z, y, x)


def plan_levels(shape: Shape, voxel_size: Mapping[str, float]) -> tuple[Level, ...]:
    """Plan the pyramid of a volume (z, y, x), from the full resolution down.

    An axis is not shrunk while its voxel size (micrometre) is at least twice the finest one.
    """
    factor: Shape = (1, 1, 1)
    plan = [Level(shape, choose_chunk(shape), factor)]
    while max(shape) > COARSEST:
        step = _choose_step(shape, factor, voxel_size)
        shape = make_shape(-(-n // s) for n, s in zip(shape, step, strict=True))
        factor = make_shape(f * s for f, s in zip(factor, step, strict=True))
        plan.append(Level(shape, choose_chunk(shape), factor))
    return tuple(plan)


def _choose_step(shape: Shape, factor: Shape, voxel_size: Mapping[str, float]) -> Shape:
    """Return by how much the next level is coarser along (z, y, x): 2 or 1."""
    size = [voxel_size[axis] * f for axis, f in zip("zyx", factor, strict=True)]
    finest = min(s for s, n in zip(size, shape, strict=True) if n > 1)
    return make_shape(2 if n > 1 and s < 2 * finest else 1 for s, n in zip(size, shape, strict=True))


@lru_cache
def choose_chunk(shape: Shape) -> Shape:
    """Choose the inner chunk (z, y, x): the divisors of the shape nearest to the goal, in shape and in volume.

    It divides the shape exactly, so that a shard covers its volume exactly.
    """
    goal_volume = math.log2(math.prod(CHUNK_GOAL))

    def distance(candidate: Shape) -> float:
        too_large = max(0.0, math.log2(math.prod(candidate)) - goal_volume)
        by_axis = sum(abs(math.log2(c / goal)) for c, goal in zip(candidate, CHUNK_GOAL, strict=True))
        return by_axis + 2 * too_large

    choices = product(*([d for d in range(1, n + 1) if n % d == 0] for n in shape))
    return min((make_shape(choice) for choice in choices), key=distance)


class CoarserLevel:
    """The next level of a pyramid as a `BandSource`: each band is computed when it is read.

    `volume` is the level below, `step` as for `downsample`, and `planes` of a band below are in memory at a time.
    """

    def __init__(self, volume: BandSource, step: Shape, planes: int) -> None:
        self.shape = tuple(-(-n // s) for n, s in zip(volume.shape, step, strict=True))
        self.dtype, self.rows = volume.dtype, -(-count_joint_rows(volume) // step[1])
        self._volume, self._step, self._planes = volume, step, max(1, planes // step[0])

    def __getitem__(self, region: tuple[slice, slice], /) -> np.ndarray:
        """Compute the voxels of some planes and rows."""
        (z, end, _), (top, bottom, _) = (s.indices(n) for s, n in zip(region, self.shape, strict=False))
        sz, sy, _ = self._step
        band = np.empty((end - z, bottom - top, self.shape[2]), self.dtype)
        for start in range(z, end, self._planes):
            stop = min(start + self._planes, end)
            finer = self._volume[start * sz : stop * sz, top * sy : bottom * sy]
            band[start - z : stop - z] = downsample(finer, self._step)
        return band


ROWS = 64
"""Rows summed at a time: their sums fit into a core's cache."""


def downsample(volume: np.ndarray, step: Shape) -> np.ndarray:
    """Shrink a volume by the mean of 2 (or 1) voxels along each axis.

    Parameters
    ----------
    volume : ndarray (z, y, x), integer or float
    step : tuple of int, 2 or 1 along (z, y, x); an odd last plane, row or column is averaged with itself

    Returns
    -------
    ndarray (ceil(z / step z), ...), in the volume's dtype; integers are rounded
    """
    sz, sy, sx = step
    depth, height, width = volume.shape
    out = np.empty((-(-depth // sz), -(-height // sy), -(-width // sx)), volume.dtype)
    is_wide = out.dtype.itemsize > (2 if out.dtype.kind in "iu" else 4)
    sums = np.float64 if is_wide else np.float32  # exact for the whole numbers
    scale = sums(1 / (sz * sy * sx))
    for z, top in product(range(len(out)), range(0, out.shape[1], ROWS)):
        planes = volume[z * sz : (z + 1) * sz, top * sy : (top + ROWS) * sy]
        mean = planes[0].astype(sums)
        if sz == 2:
            mean += planes[-1]
        if sy == 2:
            mean = _add_pairs(mean[0::2], mean[1::2])
        if sx == 2:
            mean = _add_pairs(mean[:, 0::2].T, mean[:, 1::2].T).T
        mean *= scale
        out[z, top : top + ROWS] = np.rint(mean, out=mean) if out.dtype.kind in "iu" else mean
    return out


def _add_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Add rows to the next ones; the last of an odd number to itself."""
    if len(first) > len(second):
        second = np.concatenate([second, first[-1:]])
    total: np.ndarray = first + second
    return total


def make_shape(values: Iterable[int]) -> Shape:
    """Return three numbers as a shape (z, y, x)."""
    z, y, x = values
    return (z, y, x)
