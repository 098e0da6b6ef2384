"""A volume in overlapping blocks: how far they overlap, how large they are, and the result put together.

Each block is deconvolved with a halo of measured voxels around it, of which the result is thrown away; faces of the
volume have none. Within the halo the estimate forgets that the block ends: Richardson-Lucy spreads what it lacks by
about the width of the PSF, and less of it with each width.

What an engine derives from the whole of its image differs from block to block. With acceleration "biggs" that is the
momentum: the result is within 5e-4 to 6e-3 (relative L2) of the whole volume's, not within 1e-5 as otherwise. With
boundary "replicate" it is the size of ITK's frame, which shows at the faces of the volume.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution.padding import Shape, round_up_shape
from lightsheet.system import PROGRESS_SECONDS, InputError, Progress

Array = Any  # of numpy or cupy
Region = tuple[slice, ...]

HALO_WIDTHS = 10
"""The halo in widths (standard deviations) of the PSF.

By trial on nine PSFs, measured, modelled and hard-edged ones: in the two planes at a seam the relative L2 to the whole
volume's result is 1e-6 to 5e-4 after 10 iterations; after 30 it is at most 3e-4 with PSFs of microscopes and 5e-3 with
boxes. The PSF's radius is a worse measure: 2 radii are more than enough for a model that is cut where it is dark, and
too little by far for a box.
"""


class MemoryLimit(NamedTuple):
    """Memory that a block must fit into."""

    name: str
    budget: int  # bytes
    needs: Callable[[Shape], int]  # bytes for a block of that shape, (z, y, x), its halo included

    def allows(self, shape: Shape) -> bool:
        """Tell whether a block of that shape fits."""
        return self.needs(shape) <= self.budget


class Block(NamedTuple):
    """One block of a volume."""

    core: Region  # of the volume: what the block contributes to the result
    region: Region  # of the volume: what is deconvolved, the core and its halo
    inner: Region  # of that: the core


def measure_halo(psf: np.ndarray[Any, Any]) -> Shape:
    """Return how far blocks must overlap, in voxels along (z, y, x), at each face that lies inside the volume.

    The PSF is (z, y, x), its centre at N // 2; InputError if a voxel is not finite.
    """
    light = np.abs(psf, dtype=np.float64)
    total = light.sum()
    if not np.isfinite(total):
        raise InputError("the PSF has voxels that are NaN or infinite; write it anew without them")
    light /= total or 1
    offsets = np.ogrid[tuple(slice(-(k // 2), k - k // 2) for k in psf.shape)]
    widths = (float(np.sqrt(np.sum(light * offset**2))) for offset in offsets)
    return tuple(ceil(HALO_WIDTHS * width) for width in widths)


def cut_blocks(shape: Shape, block: Shape, halo: Shape) -> Iterator[Block]:
    """Cut a volume into blocks, in C order, whose cores cover it once.

    All regions are of one shape, so that FFTs and the OTF need be prepared once: where a block needs less, its halo is
    wider.

    Parameters
    ----------
    shape, block : tuple of int, (z, y, x) of the volume, and of a block without halo; the last ones may be smaller
    halo : tuple of int, voxels along (z, y, x), from `measure_halo`
    """
    for parts in product(*(_cut_axis(*axis) for axis in zip(shape, block, halo, strict=True))):
        core, region, inner = zip(*parts, strict=True)
        yield Block(core, region, inner)


def _cut_axis(size: int, step: int, halo: int) -> list[tuple[slice, slice, slice]]:
    """Return core, region and inner part of each block along one axis."""
    cores = [(start, min(start + step, size)) for start in range(0, size, step)]
    longest = max(min(size, stop + halo) - max(0, start - halo) for start, stop in cores)
    parts = []
    for start, stop in cores:
        low = max(0, min(start - halo, size - longest))
        parts.append((slice(start, stop), slice(low, low + longest), slice(start - low, stop - low)))
    return parts


def assemble_blocks(
    function: Callable[[Region], Array],
    blocks: Sequence[Block],
    shape: Shape,
    allocate: Callable[[Shape, Any], Array] = np.empty,
) -> Array:
    """Put the result of a volume together from its blocks.

    Parameters
    ----------
    function : callable, takes a block's `region` and returns its result, of the region's shape
    blocks : sequence of Block, what `cut_blocks` yields
    shape : tuple of int, (z, y, x) of the volume
    allocate : callable, makes the array for several blocks

    Returns
    -------
    array (z, y, x), float32; of a single block what `function` returned, not copied
    """
    if len(blocks) == 1:
        return function(blocks[0].region)
    result = allocate(shape, np.float32)
    progress = Progress("block", len(blocks), "block", PROGRESS_SECONDS)
    for block in blocks:
        result[block.core] = function(block.region)[block.inner]
        progress.step(f"of {shape} voxels")
    return result


def choose_block_shape(
    shape: Shape, psf: Shape, halo: Shape, limits: Sequence[MemoryLimit], chunk: Shape = (32, 32, 32)
) -> Shape:
    """Choose the shape (z, y, x), without halo, of blocks that fit into memory and take the least work.

    Those are few, and of sizes quick to transform; one of the volume's shape if that fits.

    Parameters
    ----------
    shape, psf, halo : tuple of int, (z, y, x) of the volume and of the PSF, and what `measure_halo` returned
    limits : sequence of MemoryLimit, all of which a block must fit into
    chunk : tuple of int, blocks are whole multiples of it, so that each is made of whole chunks of a store

    Raises
    ------
    InputError
        If the smallest block does not fit.
    """
    if all(limit.allows(shape) for limit in limits):
        return shape
    axes = [_list_axis_cuts(*axis) for axis in zip(shape, psf, halo, chunk, strict=True)]
    fitting = [
        cuts for cuts in product(*axes) if all(limit.allows(tuple(cut.region for cut in cuts)) for limit in limits)
    ]
    if fitting:
        best = min(fitting, key=lambda cuts: prod(cut.work for cut in cuts))
        return tuple(cut.size for cut in best)
    smallest = tuple(min(cut.region for cut in cuts) for cuts in axes)
    shortages = "; ".join(
        f"{limit.name} has {limit.budget / 1e9:.2f} GB where that needs {limit.needs(smallest) / 1e9:.2f} GB"
        for limit in limits
        if not limit.allows(smallest)
    )
    raise InputError(
        f"a volume of {shape} voxels does not fit into memory even in blocks, the smallest of which is {smallest} with "
        f"its halo: {shortages}; give it more memory, or crop the PSF"
    )


class _AxisCut(NamedTuple):
    """One way to cut an axis."""

    size: int  # of a block without halo
    region: int  # of a block with its halo
    work: int  # sum of what is transformed


def _list_axis_cuts(size: int, psf: int, halo: int, chunk: int) -> list[_AxisCut]:
    """Cut an axis into one block, two of about the same size, and so on."""
    chunks = -(-size // chunk)
    steps = {min(size, chunk * -(-chunks // number)) for number in range(1, chunks + 1)}
    cuts = []
    for step in sorted(steps, reverse=True):
        parts = _cut_axis(size, step, halo)
        region = parts[0][1].stop
        (transformed,) = round_up_shape([region + psf - 1])
        cuts.append(_AxisCut(step, region, len(parts) * transformed))
    return cuts
