"""A straight PSF as the voxels of a stage scan see it."""

import math

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
    by a phase in its Fourier transform, exactly for what its pixels can hold. To be done at the PSF's own spacing,
    before it is resampled to the distance step * sin(angle) of the scan's planes: what that distance cannot hold
    depends on the shear.

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
    shifts = move * (np.arange(len(psf)) - len(psf) // 2)
    margin = math.ceil(np.abs(shifts).max()) + EDGE_PIXELS
    planes = np.moveaxis(psf.astype(np.float64), AXES[axis], -1)
    planes = np.pad(planes, [(0, 0), (0, 0), (margin, margin)])
    width = planes.shape[2]
    phase = np.exp(-2j * np.pi * np.fft.rfftfreq(width) * shifts[:, None])
    moved = scipy.fft.irfft(scipy.fft.rfft(planes) * phase[:, None, :], width)
    return np.ascontiguousarray(np.moveaxis(moved, -1, AXES[axis]))
