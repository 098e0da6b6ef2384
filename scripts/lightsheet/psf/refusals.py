"""What is refused of the image of a bead, and of voxel sizes, before or while a PSF is prepared."""

import math
from collections.abc import Mapping

import numpy as np

from lightsheet.psf.isolation import BeadImage
from lightsheet.psf.measure import AXES, Array
from lightsheet.system import InputError

COARSEST = 25
"""Voxels of the volumes to one of the PSF: with more, a length has another unit, and resampling fills the memory."""


def convert_voxel_size(voxel_size: Mapping[str, float] | None, key: str, source: str) -> Array:
    """Return a voxel size as an array (z, y, x), in micrometre."""
    steps = [(voxel_size or {}).get(axis) for axis in AXES]
    for axis, step in zip(AXES, steps, strict=True):
        if not isinstance(step, int | float) or not 0 < step < math.inf:
            raise InputError(
                f"{source}: {key}.{axis} is {'missing' if step is None else step}; "
                "give the distance between voxels there, in micrometre"
            )
    return np.array(steps)


def refuse_unusable(image: Array, source: str) -> None:
    """Refuse an image that can be none of a bead, whatever lies in it."""
    reason = None
    if image.ndim != 3:
        reason = f"is {image.ndim}-D, not a stack of planes (z, y, x)"
    elif image.size == 0:
        reason = f"is empty, its shape is {image.shape}"
    elif bad_count := image.size - np.count_nonzero(np.isfinite(image)):
        reason = f"holds {bad_count} values of {image.size} that are NaN or infinite"
    elif image.min() == image.max():
        reason = f"is flat, every voxel is {image.flat[0]:g}"
    if reason:
        raise InputError(f"{source}: this PSF {reason}; give a 3-D image of a bead")


def refuse_coarse(ratios: Array, source: str) -> None:
    """Refuse a PSF whose voxels are so large that its unit must be another; `ratios` are volumes' voxels to its own."""
    for axis, ratio in zip(AXES, ratios, strict=True):
        if ratio * COARSEST < 1:
            raise InputError(
                f"{source}: psf.voxel_size.{axis} is {1 / ratio:.4g} times voxel_size.{axis}, so coarse that "
                "nothing of a PSF would be seen; the unit of both is micrometre"
            )


def refuse_peak(bead: BeadImage, shape: tuple[int, ...], source: str) -> None:
    """Refuse an image of this shape of which nothing stands out, or only what lies on its border."""
    if not bead.signal[bead.peak] > 0:
        raise InputError(
            f"{source}: nothing in this PSF stands out of its background of {bead.offset:g}; "
            "give the image of a bead, or correct psf.background"
        )
    peak = bead.peak_in_image
    if any(position in (0, n - 1) for position, n in zip(peak, shape, strict=True)):
        raise InputError(
            f"{source}: the peak of this PSF lies on the border, at {peak} of {shape} (z, y, x); "
            "give an image that holds the whole PSF"
        )
