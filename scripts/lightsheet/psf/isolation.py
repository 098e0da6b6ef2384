"""The part of a measured image that is the PSF: without the camera's offset and noise, and without neighbours."""

import math
from typing import Literal, NamedTuple

import numpy as np
from scipy import ndimage

from lightsheet.psf.fill import LEAST_SHOWN, estimate_noise, find_fill, list_faces
from lightsheet.psf.measure import Array, Volume, find_peak
from lightsheet.psf.straight import NO_MOVEMENT, Movement, locate_in_image, move_back, straighten_light
from lightsheet.scan import Scan

# Clipped at zero, the camera noise of the many dark voxels would outweigh the PSF itself (three times, in a
# measured 101 x 64 x 64 one). So a voxel counts only if its surrounding stands out of that noise by 5
# standard deviations (the criterion of A. Rose, 1948), smoothed enough to find faint tails, and if it is
# connected with the peak: hot pixels, other beads and a bright first plane are not. In a simulation with a
# known PSF (peak 2200 counts, noise 5) 1 % of error in the OTF was left, against 54 % by clipping alone.
SIGNIFICANT = 5.0
SMOOTHING = 2.0  # standard deviation, voxels
NOISE_LEFT = (2 * math.sqrt(math.pi) * SMOOTHING) ** -1.5  # of white noise after smoothing, in 3-D


class BeadImage(NamedTuple):
    """A PSF in its image, straightened if that is a stage scan."""

    signal: Volume  # float64, without the offset; zero where it is no part of the PSF, everywhere if there is none
    light: Volume  # float64, without the offset: all that is in the image
    raw_signal: Volume  # the signal as the camera recorded it, not straightened
    offset: float  # of the camera, that was subtracted
    noise: float  # of the camera, standard deviation
    levels: Array  # mean background on each face that shows any
    fill: float | None  # the value of voxels at the border that were never measured, if there are any
    peak: tuple[int, int, int]  # brightest voxel
    movement: Movement  # of the planes, by which they were straightened

    @property
    def peak_in_image(self) -> tuple[int, ...]:
        """Where the brightest voxel lies in the image as it was recorded, rounded."""
        return tuple(round(place) for place in locate_in_image(self.peak, self.movement))


def isolate_psf(image: Array, background: float | Literal["auto"], scan: Scan | None = None) -> BeadImage:
    """Subtract the camera's offset from an image (z, y, x), and set to zero what is no part of the PSF.

    `auto` estimates the offset from the voxels on the image's six faces, without those that were never measured. The
    image of a stage scan is straightened when its offset is known: what is connected with the peak lies together then.
    """
    values = image.astype(np.float64)
    fill, is_measured = find_fill(values)
    faces = list_faces(np.where(is_measured, values, np.nan))
    noise = estimate_noise(faces)
    levels = _measure_levels(faces, noise)
    offset = float(np.median(levels)) if background == "auto" else float(background)
    raw_light = np.where(is_measured, values - offset, 0.0)
    light, movement = straighten_light(raw_light, scan) if scan else (raw_light, NO_MOVEMENT)
    signal = _keep_connected(light, noise)
    raw_signal = np.where(move_back(signal, movement), raw_light, 0.0)
    return BeadImage(signal, light, raw_signal, offset, noise, levels, fill, _find_brightest(signal), movement)


def _find_brightest(signal: Volume) -> tuple[int, int, int]:
    """Find the peak where the surroundings are bright as well, which no hot pixel in a faint tail is."""
    smooth = smooth_noise(signal)
    return find_peak(np.where(smooth > smooth.max() / 2, signal, 0.0))


def smooth_noise(signal: Volume) -> Volume:
    """Smooth a volume, so that what is larger than a voxel stands out of the noise."""
    smooth: Volume = ndimage.gaussian_filter(signal, SMOOTHING, mode="constant")
    return smooth


def _keep_connected(signal: Volume, noise: float) -> Volume:
    """Set to zero what does not stand out of the noise, or is not connected with the peak."""
    smooth = smooth_noise(signal)
    labels, _ = ndimage.label(smooth > SIGNIFICANT * NOISE_LEFT * noise)
    connected: Volume = np.where(labels == labels[find_peak(smooth)], signal, 0.0) * (labels > 0)
    return connected


def _measure_levels(faces: list[Array], noise: float) -> Array:
    """Return the background of each face that has any; each is a mean, as rounding to a count can be 5 % of the PSF."""
    levels = []
    for face in faces:
        values = face[np.isfinite(face)]
        if values.size >= LEAST_SHOWN * face.size:
            median = np.median(values)
            central = values[np.abs(values - median) <= 3 * noise]  # the mean of two values far apart has none near it
            levels.append(central.mean() if noise and central.size else median)
    return np.array(levels)
