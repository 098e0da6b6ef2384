"""The pyramid: which levels a volume has, how each is chunked, and the 2x mean that makes one from the other."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from lightsheet.capacity import Allocate

Shape = tuple[int, int, int]

CHUNK_GOAL: Shape = (64, 128, 128)
"""Inner chunks near this shape make a plane of a volume cheap to read and still compress well."""

COARSEST = 128
"""No level is added once every axis has at most so many voxels."""


@dataclass(frozen=True)
class Level:
    """One pyramid level of a volume.

    Parameters
    ----------
    shape : tuple of int
        (z, y, x) in voxels.
    chunk : tuple of int
        Inner chunk (z, y, x); it divides the shape.
    factor : tuple of int
        How many voxels of level 0 one voxel covers along (z, y, x).
    """

    shape: Shape
    chunk: Shape
    factor: Shape


def levels(shape: Shape, voxel_size: Mapping[str, float]) -> tuple[Level, ...]:
    """Plan the pyramid of a volume.

    Parameters
    ----------
    shape : tuple of int
        (z, y, x) of level 0.
    voxel_size : mapping
        `z`, `y` and `x` in micrometre: an axis is left alone while its voxel is at least twice the finest one.

    Returns
    -------
    tuple of Level
        From the full resolution down.
    """
    factor: Shape = (1, 1, 1)
    plan = [Level(shape, chunk(shape), factor)]
    while max(shape) > COARSEST:
        step = _step(shape, factor, voxel_size)
        shape = _shape(-(-n // s) for n, s in zip(shape, step, strict=True))
        factor = _shape(f * s for f, s in zip(factor, step, strict=True))
        plan.append(Level(shape, chunk(shape), factor))
    return tuple(plan)


def _step(shape: Shape, factor: Shape, voxel_size: Mapping[str, float]) -> Shape:
    """By how much the next level is coarser along (z, y, x): 2 or 1."""
    size = [voxel_size[axis] * f for axis, f in zip("zyx", factor, strict=True)]
    finest = min(s for s, n in zip(size, shape, strict=True) if n > 1)
    return _shape(2 if n > 1 and s < 2 * finest else 1 for s, n in zip(size, shape, strict=True))


@lru_cache
def chunk(shape: Shape) -> Shape:
    """Choose the inner chunk: the divisors of the shape that come nearest to the goal, in shape and in volume.

    Parameters
    ----------
    shape : tuple of int
        (z, y, x) of a volume.

    Returns
    -------
    tuple of int
        Divides `shape` exactly, so that a shard covers its volume exactly.
    """
    goal_volume = math.log2(math.prod(CHUNK_GOAL))

    def distance(candidate: Shape) -> float:
        too_large = max(0.0, math.log2(math.prod(candidate)) - goal_volume)
        by_axis = sum(abs(math.log2(c / goal)) for c, goal in zip(candidate, CHUNK_GOAL, strict=True))
        return by_axis + 2 * too_large

    choices = product(*([d for d in range(1, n + 1) if n % d == 0] for n in shape))
    return min((_shape(choice) for choice in choices), key=distance)


def downsample(volume: np.ndarray, step: Shape, allocate: Allocate = np.empty) -> np.ndarray:
    """Shrink a volume by the mean of 2 (or 1) voxels along each axis.

    Parameters
    ----------
    volume : numpy.ndarray
        (z, y, x), integer or float32.
    step : tuple of int
        2 or 1 along (z, y, x). An odd last plane, row or column is averaged with itself.
    allocate : callable
        Makes the array for the result; memory is needed for a plane beside it.

    Returns
    -------
    numpy.ndarray
        (ceil(z/sz), ceil(y/sy), ceil(x/sx)) in the volume's dtype; integers are rounded.
    """
    sz, sy, sx = step
    depth, height, width = volume.shape
    out = allocate((-(-depth // sz), -(-height // sy), -(-width // sx)), volume.dtype)
    for z in range(len(out)):
        plane = volume[z * sz].astype(np.float32)
        if sz == 2:
            plane += volume[min(z * sz + 1, depth - 1)]
        for axis, pairs in ((0, sy == 2), (1, sx == 2)):
            if pairs:
                plane = _add_pairs(plane, axis)
        plane *= np.float32(1 / (sz * sy * sx))
        out[z] = np.rint(plane) if np.issubdtype(out.dtype, np.integer) else plane
    return out


def _add_pairs(plane: np.ndarray, axis: int) -> np.ndarray:
    plane = np.moveaxis(plane, axis, 0)
    first, second = plane[0::2], plane[1::2]
    if len(first) > len(second):
        second = np.concatenate([second, first[-1:]])
    return np.moveaxis(first + second, 0, axis)


def _shape(values: Iterable[int]) -> Shape:
    z, y, x = values
    return (z, y, x)
