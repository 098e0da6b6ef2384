"""Lengths and numbers of a configuration that cannot be right, and PSFs that do not belong to their volumes.

A result may be right although the voxel size is not, if that of the PSF is wrong alike; so nothing is refused here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.processing.sanity import Doubt

SMALLEST, LARGEST = 0.005, 50.0
"""Micrometre, of a voxel: from an expanded sample in a super-resolution microscope to whole mice."""

FINEST_Z = {"voxel_size": 1 / 4, "psf.voxel_size": 1 / 20}
COARSEST_Z = 100
"""Distance between planes, divided by that of pixels: planes of a bead may be close."""

UNEQUAL_PIXELS = 4
UNEQUAL_PSF = {"z": 30, "y": 8, "x": 8}
"""By how much the voxel sizes of a PSF and of the images may differ: planes of a bead are often closer."""

MOST_ITERATIONS = 500
POINT_VOXELS = 1.2
"""Full width at half maximum, along all axes, of a PSF that is one voxel; linear interpolation makes it 1."""

WIDEST_PSF = {"z": 100, "y": 25, "x": 25}
"""Full widths at half maximum in voxels, beyond which no microscope samples its light."""

FEWEST_VOXELS = 16
"""An axis of a volume with fewer may be shorter than a PSF is wide."""


def judge_units(
    voxel_size: Mapping[str, float], psf_voxel_size: Mapping[str, float] | None = None, iterations: int | str = "auto"
) -> list[Doubt]:
    """List what cannot be right in a configuration, whatever the pixels are.

    Parameters
    ----------
    voxel_size, psf_voxel_size : mapping, `z`, `y` and `x` in micrometre, of the images and of the PSFs
    iterations : int or str, of Richardson-Lucy
    """
    texts = _judge_voxel_size("voxel_size", voxel_size)
    if psf_voxel_size:
        texts += _judge_voxel_size("psf.voxel_size", psf_voxel_size)
        ratios = {axis: psf_voxel_size[axis] / voxel_size[axis] for axis in "zyx" if axis in psf_voxel_size}
        unequal = [
            f"psf.voxel_size.{axis} is {ratio:.4g} times voxel_size.{axis}"
            for axis, ratio in ratios.items()
            if not 1 / UNEQUAL_PSF[axis] <= ratio <= UNEQUAL_PSF[axis]
        ]
        texts += [" and ".join(unequal)] if unequal else []
    doubts = [Doubt("units", f"{text}; the unit is micrometre") for text in texts]
    if isinstance(iterations, int) and iterations > MOST_ITERATIONS:
        doubts.append(Doubt("iterations", f"deconvolution.iterations is {iterations}, which makes structures of noise"))
    return doubts


def _judge_voxel_size(key: str, voxel_size: Mapping[str, float]) -> list[str]:
    sizes = {axis: voxel_size[axis] for axis in "zyx" if axis in voxel_size}
    odd_sizes = {axis: size for axis, size in sizes.items() if not SMALLEST <= size <= LARGEST}
    if odd_sizes:
        clauses = " and ".join(f"{key}.{axis} is {size:g} um" for axis, size in odd_sizes.items())
        return [f"{clauses}, no size of a voxel in light microscopy"]
    if len(sizes) < 3:
        return []
    texts = []
    z, y, x = sizes.values()
    if z < FINEST_Z[key] * x:
        texts.append(f"{key}.z is {z:g} um, much finer than the pixels of {x:g} um")
    elif z > COARSEST_Z * x:
        texts.append(f"{key}.z is {z:g} um, {z / x:.4g} times the pixels' {x:g} um")
    if max(y, x) > UNEQUAL_PIXELS * min(y, x):
        texts.append(f"{key}.y is {y:g} um and {key}.x {x:g} um, although pixels are nearly square")
    return texts


def judge_psf(facts: Mapping[str, Any], shape: Sequence[int], voxel_size: Mapping[str, float]) -> list[Doubt]:
    """List the reasons to doubt that a PSF used belongs to volumes.

    Parameters
    ----------
    facts : mapping, what `prepare_psf_file` returned; `fwhm_um` in micrometre
    shape, voxel_size : of a volume, (z, y, x), and of its voxels in micrometre
    """
    widths = facts.get("fwhm_um") or {}
    if any(not widths.get(axis) for axis in "zyx"):
        return []
    voxels = {axis: widths[axis] / voxel_size[axis] for axis in "zyx"}
    remedy = "set psf.voxel_size and voxel_size right, or give another PSF"
    if max(voxels.values()) <= POINT_VOXELS:
        return [Doubt("psf", f"its PSF is a single voxel, so that the result is the image: {remedy}")]
    for axis, n in zip("zyx", shape, strict=True):
        width = f"its PSF is {widths[axis]:.3g} um wide along {axis} (full width at half maximum)"
        if n >= FEWEST_VOXELS and voxels[axis] > n:
            return [Doubt("psf", f"{width}, and the volume only {n * voxel_size[axis]:.3g} um: {remedy}")]
        if voxels[axis] > WIDEST_PSF[axis]:
            return [Doubt("psf", f"{width}, which is {voxels[axis]:.3g} voxels: {remedy}")]
    return []
