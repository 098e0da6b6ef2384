"""Where a volume lies in the cyclic array that engines transform, and how much light of each voxel the camera captured.

Two boundaries. "replicate": the image's edge is repeated outwards by half a PSF on each side (ITK's
2 (k // 2) in all). "extended": the estimate reaches as far out as light comes in from, n + k - 1 voxels for n of the
image and k of the PSF; the field of view lies at the origin, and what is before it wraps around to the end.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

LEAST_CAPTURED = 1e-2
"""Where the camera captured less than this part of the PSF, relative to where it captured most, the estimate is 0.

The usual value in code for this method; the correction would amplify noise there by more than its inverse.
"""

PSF_LOSS = 1e-6
"""The part of the PSF's light that may be cut off at its faces: float32 would hardly notice it."""


class Frame(NamedTuple):
    """The cyclic array, (z, y, x), and where the image lies in it."""

    shape: Shape
    low: Shape  # index of the image's first voxel along each axis
    image: Shape  # the image's shape

    @property
    def view(self) -> tuple[slice, ...]:
        """The field of view in the cyclic array."""
        return tuple(slice(a, a + n) for a, n in zip(self.low, self.image, strict=True))


class Weights(NamedTuple):
    """1 / (h ° m) of Bertero and Boccacci 2005 (Astron. Astrophys. 437, 369), for the PSF h.

    m is 1 in the field of view and 0 outside, so that h ° m is the part of a voxel's light that the camera captured.
    At (z, y, x) of the cyclic array the weight is `table[indices[0][z], indices[1][y], indices[2][x]]`: along each axis
    only what is near an edge differs.
    """

    table: Array
    indices: tuple[Array, Array, Array]


def round_up_shape(sizes: Iterable[int], primes: tuple[int, ...] = (2, 3, 5)) -> Shape:
    """Round each axis up to a product of such primes: quick to transform; of 2, 3 and 5 it is what ITK does."""
    return tuple(next(number for number in count(max(1, size)) if _is_smooth(number, primes)) for size in sizes)


def make_trimmed_frame(
    image: Shape, psf: Array, boundary: str, round_up: Callable[[Iterable[int]], Shape] = round_up_shape
) -> tuple[Array, Frame]:
    """Return the PSF (z, y, x), without its dark faces if "extended", and the frame of an image of this shape."""
    psf = trim_psf(psf) if boundary == "extended" else psf
    return psf, make_frame(image, psf.shape, boundary, round_up)


def make_frame(
    image: Shape, psf: Shape, boundary: str, round_up: Callable[[Iterable[int]], Shape] = round_up_shape
) -> Frame:
    """Lay out the cyclic array for an image and a PSF.

    Parameters
    ----------
    image, psf : tuple of int, their shapes (z, y, x)
    boundary : str, "extended" or "replicate", as for `richardson_lucy`
    round_up : callable, makes of the least shape one that is quick to transform; not of "replicate", whose result
        depends on it
    """
    if boundary == "replicate":
        shape = round_up_shape(n + 2 * (k // 2) for n, k in zip(image, psf, strict=True))
        return Frame(shape, tuple((total - n) // 2 for total, n in zip(shape, image, strict=True)), image)
    return Frame(round_up(n + k - 1 for n, k in zip(image, psf, strict=True)), (0, 0, 0), image)


def _is_smooth(number: int, primes: tuple[int, ...]) -> bool:
    """Tell whether a number has no other prime factors than these."""
    for prime in primes:
        while number % prime == 0:
            number //= prime
    return number == 1


def trim_psf(psf: Array) -> Array:
    """Cut off the PSF's dark faces, at most `PSF_LOSS` of its light, as a view; its centre stays at N // 2."""
    region = []
    total = np.abs(psf).sum(dtype=np.float64)
    for axis, size in enumerate(psf.shape):
        axes = tuple(dimension for dimension in range(3) if dimension != axis)
        light = np.abs(psf).sum(axis=axes, dtype=np.float64)
        distance = np.abs(np.arange(size) - size // 2)
        loss = total - np.cumsum(np.bincount(distance, light))
        radius = int(np.argmax(loss <= PSF_LOSS / 3 * total))
        keep = slice(size // 2 - radius, size // 2 + radius + 1)
        region.append(keep if keep.start >= 0 and keep.stop <= size else slice(None))
    return psf[tuple(region)]


def compute_weights(psf: Array, frame: Frame) -> Weights:
    """Return, for boundary "extended", the inverse of the light captured; 0 where that is too little."""
    table = psf.astype(np.float64)
    indices = []
    for axis, (k, n, total) in enumerate(zip(psf.shape, frame.image, frame.shape, strict=True)):
        position = np.arange(total)
        position = np.where(position < n + k // 2, position, position - total)
        # Of the PSF around a voxel at `position`, the part from `first` to `last` falls on the camera.
        first = np.clip(k // 2 - position, 0, k)
        last = np.clip(n + k // 2 - position, first, k)
        pairs, inverse = np.unique(np.stack([first, last], axis=1), axis=0, return_inverse=True)
        sums = np.cumsum(table, axis=axis)
        sums = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis)
        table = sums.take(pairs[:, 1], axis) - sums.take(pairs[:, 0], axis)
        indices.append(inverse.reshape(-1))
    captured = np.where(table < LEAST_CAPTURED * table.max(), np.inf, table)
    z, y, x = indices
    return Weights((1 / captured).astype(np.float32), (z, y, x))
