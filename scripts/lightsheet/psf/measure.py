"""A PSF in numbers and as a file: its brightest voxel, its widths, its digest."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tifffile

from lightsheet.system import write_whole

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Volume: TypeAlias = np.ndarray[tuple[int, int, int], np.dtype[Any]]

AXES = ("z", "y", "x")


def digest_psf(psf: Volume) -> str:
    """Return the SHA-256 digest of a PSF, (z, y, x): of its shape and its values as little-endian float32."""
    return hashlib.sha256(f"{psf.shape}".encode() + psf.astype("<f4").tobytes()).hexdigest()


def measure_fwhm(psf: Volume, voxel_size: Mapping[str, float]) -> dict[str, float]:
    """Return the full widths at half maximum along the axes through the brightest voxel, in micrometre.

    They are linearly interpolated between voxels; beyond the array (z, y, x), which has no background, is zero.
    """
    return {
        axis: (_measure_half_width(profile[peak:]) + _measure_half_width(profile[peak::-1])) * voxel_size[axis]
        for axis, peak, profile in zip(AXES, find_peak(psf), cut_profiles(psf), strict=True)
    }


def find_peak(volume: Volume) -> tuple[int, int, int]:
    """Return the index (z, y, x) of the brightest voxel."""
    z, y, x = np.unravel_index(volume.argmax(), volume.shape)
    return int(z), int(y), int(x)


def cut_profiles(psf: Volume) -> tuple[Array, ...]:
    """Return the values along z, y and x through the brightest voxel."""
    z, y, x = find_peak(psf)
    return psf[:, y, x], psf[z, :, x], psf[z, y, :]


def save_psf(psf: Volume, voxel_size: Mapping[str, float], path: Path) -> None:
    """Write a PSF as a float32 TIFF that carries its voxel size as ImageJ does; equal PSFs give equal bytes.

    Parameters
    ----------
    psf : ndarray (z, y, x)
    voxel_size : mapping, micrometre along `z`, `y` and `x`
    path : Path, the file, which appears whole or not at all
    """
    with write_whole(path) as part:
        tifffile.imwrite(
            part,
            psf.astype(np.float32)[None, :, None, :, :, None],  # or a width of 1 would be taken for samples of a pixel
            imagej=True,
            resolution=(1 / voxel_size["x"], 1 / voxel_size["y"]),
            metadata={"axes": "TZCYXS", "spacing": voxel_size["z"], "unit": "um"},
        )


def _measure_half_width(side: Array) -> float:
    """Return the distance from the first element to where the values have fallen to its half, in voxels."""
    half = side[0] / 2
    side = np.append(side, 0.0)
    after = int(np.argmax(side < half))
    return float(after - 1 + (side[after - 1] - half) / (side[after - 1] - side[after]))
