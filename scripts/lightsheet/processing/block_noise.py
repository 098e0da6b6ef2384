"""Small blocks of an image: their means, in which the camera's noise averages out, and the noise within them."""

from typing import NamedTuple

import numpy as np

from lightsheet.deconvolution import Mask

EDGE = (4, 8, 8)
"""(z, y, x) of a block in voxels; along z no more than the planes that a sample has side by side."""

SQUARED_WEIGHTS = 6
"""Sum of the squares of 1, -2 and 1: the variance of a second difference of noise by that of the noise."""

INNER_SHARE = 0.9
"""Share of the second differences that count where voxels may be dead: the smallest."""

INNER_VARIANCE = 0.623
"""Variance of a normal distribution whose smallest `INNER_SHARE` deviations alone count, of its own."""

BATCH = 64
"""Blocks that are looked at together, and twice as many each time that they do not suffice."""

OUTLIER = 6.0
"""Standard deviations below the median of its block at which a voxel is dead, or never was measured."""


class Blocks(NamedTuple):
    """The blocks of an image that were measured, in C order."""

    voxels: np.ndarray  # (z, dz, y, dy, x, dx), a view of the image
    means: np.ndarray  # of each
    places: np.ndarray  # of each in that

    @property
    def size(self) -> int:
        """Voxels of a block."""
        return int(np.prod(self.voxels.shape[1::2]))

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """Return some blocks, (n, dz, dy, dx) float64."""
        z, y, x = np.unravel_index(self.places[numbers], self.voxels.shape[::2])
        return self.voxels[z, :, y, :, x, :].astype(np.float64)

    def measure_noise(self, numbers: np.ndarray) -> np.ndarray:
        """Return the variance of the noise in some blocks, that of structures included."""
        return _measure_noise(self.gather(numbers), robust=False)


def cut_blocks(image: np.ndarray, mask: Mask | None = None, blank: float | None = None) -> Blocks:
    """Cut an image (z, y, x) into blocks.

    What is left over at the far edges is left out, and so are blocks with voxels that were never measured: those
    outside the mask, or `blank`.
    """
    edge = [min(size, n) for size, n in zip(EDGE, image.shape, strict=True)]
    z, y, x = (n // size for n, size in zip(image.shape, edge, strict=True))
    whole = image[: z * edge[0], : y * edge[1], : x * edge[2]]
    exact = np.uint32 if image.dtype in (np.uint8, np.uint16) else np.float64
    sums = np.add.reduce(whole.reshape(z, edge[0], *whole.shape[1:]), axis=1, dtype=exact)
    sums = np.add.reduce(sums.reshape(z, y, edge[1], -1), axis=2)
    sums = np.add.reduce(sums.reshape(z, y, x, edge[2]), axis=3, dtype=np.float64)
    voxels, means = whole.reshape(z, edge[0], y, edge[1], x, edge[2]), sums.ravel() / np.prod(edge)
    places = np.arange(len(means))
    if mask or blank is not None:
        region = tuple(map(slice, whole.shape))
        is_measured = np.stack(list(mask[region])) if mask else np.ones(whole.shape, bool)
        if blank is not None:
            is_measured &= whole != blank
        places = np.flatnonzero(is_measured.reshape(voxels.shape).all(axis=(1, 3, 5)))
    return Blocks(voxels, means[places], places)


def find_darkest(blocks: Blocks, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the darkest blocks, by their means, at least so many if there are, and their noise.

    Blocks with voxels far below the others, dead ones or some that were never measured, are left out.
    The noise is a variance, in which few voxels far from the others do not count.
    """
    order = np.argsort(blocks.means, kind="stable")
    numbers, noise, batch = [order[:0]], [np.empty(0)], BATCH
    while len(order) and sum(map(len, numbers)) < count:
        candidates, order, batch = order[:batch], order[batch:], 2 * batch
        voxels = blocks.gather(candidates)
        variance = _measure_noise(voxels, robust=True)
        flat = voxels.reshape(len(candidates), -1)
        deviation = np.sqrt(np.minimum(variance, np.median(variance)))
        step = float(blocks.voxels.dtype.kind != "f")
        is_whole = flat.min(axis=1) >= np.median(flat, axis=1) - OUTLIER * deviation - step
        if blocks.voxels.dtype.kind == "f":  # an image without noise, as a program makes it
            is_whole |= deviation == 0
        numbers.append(candidates[is_whole])
        noise.append(variance[is_whole])
    return np.concatenate(numbers), np.concatenate(noise)


def _measure_noise(voxels: np.ndarray, *, robust: bool) -> np.ndarray:
    """Return the variance of the noise of blocks (n, dz, dy, dx) from second differences, which slopes leave alone.

    Of those along y and along x the smaller one: dead columns and rows count in one of them only.
    """
    estimates = []
    for axis in (2, 3):
        if voxels.shape[axis] < 3:
            continue
        squares = np.square(np.diff(voxels, 2, axis=axis)).reshape(len(voxels), -1) / SQUARED_WEIGHTS
        if robust:
            count = max(int(INNER_SHARE * squares.shape[1]), 1)
            squares = np.partition(squares, count - 1, axis=1)[:, :count] / INNER_VARIANCE
        estimates.append(squares.mean(axis=1))
    if not estimates:
        return np.asarray(voxels.reshape(len(voxels), -1).var(axis=1))
    return np.asarray(np.min(estimates, axis=0))
