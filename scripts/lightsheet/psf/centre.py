"""Where a PSF is, to a fraction of a voxel: so that channels whose beads lay differently on the camera do not shift."""

import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from lightsheet.psf.isolation import BeadImage
from lightsheet.psf.measure import Array, Volume, find_peak

SMOOTHING = 2.0  # standard deviation, voxels
LEAST_WIDTH = 0.7  # likewise; what is narrower is not sampled

# Variance of the part of a Gaussian above half of its maximum, what is below subtracted, to that of the whole.
PART = 0.18887

# Share of its Nyquist frequency in a line through the peak, above which a PSF cannot be interpolated: 0.4 voxels wide
# (standard deviation) has 0.7, 0.6 voxels 0.35, one that is sampled well, from 0.9 voxels on, less than 0.05.
ALIASED = 0.3

COMPUTED = 1e-6  # noise to peak, that no camera has


class Core(NamedTuple):
    """Where the brightest part of a PSF is."""

    centre: Array  # (z, y, x), to a thousandth of a voxel
    covariance: Array  # of it, voxels squared


def find_core(bead: BeadImage) -> Core:
    """Find the centre of a PSF.

    It is the centroid of the core: of what, in the image smoothed by the core's own width, is above half of the maximum
    and connected with it, weighed by how much it is above. So it is the middle of a Gaussian wherever that lies between
    voxels, and of the brightest part of an oblique or comatic PSF, of which noise chooses the brightest voxel.

    The brightest voxel stays the centre of what was computed (no noise) and is too narrow to be interpolated.
    """
    signal, peak = bead.signal, bead.peak
    _, covariance = _measure_core(signal, np.full(3, SMOOTHING))
    if bead.noise < COMPUTED * signal[peak] and _is_aliased(signal, peak):
        return Core(np.array(peak, float), covariance)
    widths = np.sqrt(np.maximum(np.diag(covariance), LEAST_WIDTH**2))
    centre, _ = _measure_core(signal, widths)
    return Core(centre.round(3), covariance)


def _measure_core(signal: Volume, smoothing: Array) -> tuple[Array, Array]:
    """Return the centroid of the core, and its covariance without the smoothing."""
    smooth = ndimage.gaussian_filter(signal, smoothing, mode="constant")
    weights = np.clip(smooth - smooth.max() / 2, 0, None)
    labels, _ = ndimage.label(weights)
    places = np.argwhere(labels == labels[find_peak(smooth)])
    shares = weights[tuple(places.T)] / weights[tuple(places.T)].sum()
    centre = shares @ places
    covariance = (places - centre).T * shares @ (places - centre)
    return centre, covariance / PART - np.diag(smoothing**2)


def _is_aliased(signal: Volume, peak: tuple[int, int, int]) -> bool:
    z, y, x = peak
    for line in (signal[:, y, x], signal[z, :, x], signal[z, y, :]):
        alternation = math.fabs(line[::2].sum() - line[1::2].sum())
        if alternation > ALIASED * line.sum():
            return True
    return False
