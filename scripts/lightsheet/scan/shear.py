"""A straight PSF as the voxels of a stage scan see it, and planes moved by fractions of a pixel."""

import math
from collections.abc import Sequence

import numpy as np
import scipy.fft

from lightsheet.scan.geometry import AXES, check_volume, make_scan

EDGE_PIXELS = 8
"""More on each side than planes move, for the ripples that a band-limited shift leaves of noise."""


def shear_psf(
    psf: np.ndarray, *, angle: float, spacing: float, pixel: float, direction: int = 1, axis: str = "x"
) -> np.ndarray:
    """Move the planes of a straight PSF against each other as a stage scan moves those of an image.

    The plane at a height of z micrometre above the centre is seen at -direction * z / tan(angle) along `axis`: on the
    lattice of the scan's voxels the sheared PSF is the kernel with which the sample was blurred. Each plane is moved
    by a phase in its Fourier transform, exactly for what its pixels can hold.

    To be done at the distance step * sin(angle) of the scan's planes: a straight PSF that has another spacing is
    resampled along z before. Resampled after, it would lose details along `axis`: the shear turns them into
    frequencies along z, which the scan's planes alias, and a low-pass takes away.

    Parameters
    ----------
    psf : ndarray (z, y, x)
        Straight, its centre at N//2 in each axis, without background.
    angle : float
        Between the direction of the stage and the camera's focal plane, in degrees.
    spacing : float
        Between the planes of the PSF, along the detection axis, in micrometre.
    pixel : float
        Of the PSF along `axis`, in micrometre.
    direction : {1, -1}
    axis : {"x", "y"}
        As for `deskew`.

    Returns
    -------
    ndarray (z, y, x) float64
        As long as the PSF but along `axis`, where it is as much longer as its planes move; centre at N//2, same sum.
        It may have small negative values.

    Raises
    ------
    InputError
        If the PSF is not 3-D or empty, or a value of the geometry cannot be one.
    """
    check_volume(psf)
    make_scan(angle=angle, step=spacing, pixel=pixel, direction=direction, axis=axis)
    move = -direction * spacing / (math.tan(math.radians(angle)) * pixel)
    return move_planes(psf, [move * (number - len(psf) // 2) for number in range(len(psf))], AXES[axis])


def move_planes(volume: np.ndarray, shifts: Sequence[float], axis: int) -> np.ndarray:
    """Move each plane along an axis, exactly for what its pixels can hold.

    Parameters
    ----------
    volume : ndarray (z, y, x)
        Without background, as zeros are put around it.
    shifts : sequence of float
        Pixels for each plane, either way.
    axis : {1, 2}
        Of the volume, along which planes are moved.

    Returns
    -------
    ndarray (z, y, x) float64
        Longer along the axis by `measure_margin(shifts)` at both ends.
    """
    margin = measure_margin(shifts)
    shape = list(volume.shape)
    shape[axis] += 2 * margin
    result = np.empty(shape)
    width = shape[axis]
    frequencies = np.fft.rfftfreq(width)
    target = np.moveaxis(result, axis, -1)
    for number, (plane, shift) in enumerate(zip(np.moveaxis(volume, axis, -1), shifts, strict=True)):
        wide_plane = np.pad(plane.astype(np.float64), [(0, 0), (margin, margin)])
        spectrum = scipy.fft.rfft(wide_plane) * np.exp(-2j * np.pi * frequencies * shift)
        target[number] = scipy.fft.irfft(spectrum, width)
    return result


def measure_margin(shifts: Sequence[float]) -> int:
    """Return by how many pixels `move_planes` makes planes longer at either end."""
    return math.ceil(max(map(abs, shifts))) + EDGE_PIXELS
