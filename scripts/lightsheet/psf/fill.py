"""Voxels in the image of a bead that were never measured: what deskewing or rotating filled with one value."""

import math

import numpy as np
from scipy import ndimage

from lightsheet.psf.measure import Array, Volume

LEAST_SHOWN = 0.05
"""Share of a face that must have been measured to tell the background; and of all faces, to be filled, of fill."""

DISTINCT = 5.0  # standard deviations of the background from fill of another value
SIDE = 0.005  # share of the background on either side of fill of the same value
SOLID = 0.02  # share of the image that fill, without its rim, takes


def find_fill(values: Volume) -> tuple[float | None, Array]:
    """Find the value of voxels that were never measured, None if all were; and where voxels were measured.

    Fill is a solid region of one value at the border, beside a background on the faces that is of another value, or
    noisy about that one. The empty surroundings of a computed PSF are none: there no other background is on the faces.
    """
    faces = list_faces(values)
    numbers, counts = np.unique(np.concatenate([face.ravel() for face in faces]), return_counts=True)
    value = float(numbers[counts.argmax()])
    all_voxels = np.ones(values.shape, bool)
    if counts.max() < LEAST_SHOWN * counts.sum():
        return None, all_voxels
    fill = _keep_at_border(values == value)
    if ndimage.binary_erosion(fill, np.ones((3, 3, 3)), border_value=1).mean() < SOLID:
        return None, all_voxels
    fill = ndimage.binary_dilation(fill)  # beside it interpolation mixed fill with what was measured
    visible_faces = list_faces(np.where(fill, np.nan, values))
    remaining = np.concatenate([face[np.isfinite(face)] for face in visible_faces])
    if remaining.size < LEAST_SHOWN * counts.sum():
        return None, all_voxels
    is_whole = np.array_equal(numbers, np.rint(numbers))
    if not (_is_distinct(value, remaining, estimate_noise(visible_faces), is_whole) or _is_within(value, remaining)):
        return None, all_voxels
    return value, ~fill


def list_faces(values: Array) -> list[Array]:
    """List the six faces of a volume, as volumes of a single plane."""
    return [np.take(values, [end], axis) for axis in range(3) for end in (0, -1)]


def _is_distinct(value: float, background: Array, noise: float, is_whole: bool) -> bool:
    """Tell whether a background lies apart from a value; by rounding alone (`is_whole`) it may be off by some."""
    level = np.median(background)
    spread = max(noise, 1.4826 * float(np.median(np.abs(background - level))), 0.6 if is_whole else 0.0)
    share = np.mean(np.abs(background - value) < np.abs(background - level))
    return bool(abs(level - value) > DISTINCT * spread and share < LEAST_SHOWN)


def _is_within(value: float, background: Array) -> bool:
    """Tell whether a background is noisy about a value."""
    return bool(min(np.mean(background < value), np.mean(background > value)) > SIDE)


def estimate_noise(faces: list[Array]) -> float:
    """Return the standard deviation of the camera's noise from neighbours: offset and blur cancel there.

    NaN is where nothing was measured.
    """
    steps = np.concatenate([np.diff(face, axis=axis).ravel() for face in faces for axis in range(3)])
    steps = steps[np.isfinite(steps)]
    return float(np.median(np.abs(steps)) / 0.6745 / math.sqrt(2)) if steps.size else 0.0


def _keep_at_border(mask: Array) -> Array:
    """Keep the parts of a mask that touch the border."""
    labels, _ = ndimage.label(mask)
    at_border = np.unique(np.concatenate([face.ravel() for face in list_faces(labels)]))
    return np.isin(labels, at_border[at_border > 0])
