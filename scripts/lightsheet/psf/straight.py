"""The image of a bead that a moved stage recorded, straightened; and a straight PSF sheared to images of a scan.

Planes are moved along the image by fractions of a pixel, exactly for what its pixels can hold, whatever the distance
of the planes. So a straightened bead holds as much as one that was recorded straight at that distance.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lightsheet.psf.measure import Volume
from lightsheet.scan import Scan, make_scan, measure_margin, move_planes

FAINT = 1e-4
"""Share of the brightest line of a straightened PSF: what is fainter are ripples of the shift, which are not shown."""


class Movement(NamedTuple):
    """By how many pixels each plane of an image was moved along an axis, and how long that was."""

    pixels: Sequence[float]
    axis: int
    length: int


NO_MOVEMENT = Movement((), 2, 0)
"""The movement of an image that is straight as it is."""


def read_scan(scan: Mapping[str, Any] | None, voxel_size: Mapping[str, float]) -> Scan | None:
    """Return the geometry of a scan (its angle, step, axis and direction) in pixels; None of what is straight."""
    return make_scan(**scan, pixel=voxel_size[scan["axis"]]) if scan else None


def _list_shifts(scan: Scan, planes: int) -> list[float]:
    """Return by how many pixels planes are moved to be straight, the middle one by none."""
    return [scan.direction * scan.shift * (number - planes // 2) for number in range(planes)]


def straighten_light(light: Volume, scan: Scan) -> tuple[Volume, Movement]:
    """Move the planes of a scan, without offset, to where they were taken, the middle one by its margin alone."""
    shifts = _list_shifts(scan, len(light))
    margin = measure_margin(shifts)
    movement = Movement([shift + margin for shift in shifts], scan.axis, light.shape[scan.axis])
    return move_planes(light, shifts, scan.axis), movement


def move_back(volume: Volume, movement: Movement) -> Volume:
    """Return the voxels of a straightened volume that were recorded, plane by plane, each at the nearest pixel."""
    if not movement.pixels:
        return volume
    planes = np.moveaxis(volume, movement.axis, -1)
    starts = [round(pixels) for pixels in movement.pixels]
    straight = [plane[:, start : start + movement.length] for plane, start in zip(planes, starts, strict=True)]
    return np.moveaxis(np.stack(straight), -1, movement.axis)


def locate_in_image(place: Sequence[float], movement: Movement) -> list[float]:
    """Return where a place (z, y, x) of a straightened volume lies in the image."""
    image_place = [float(position) for position in place]
    if movement.pixels:
        plane = image_place[0]
        image_place[movement.axis] -= float(np.interp(plane, np.arange(len(movement.pixels)), movement.pixels))
    return image_place


def shear_to_scan(psf: Volume, scan: Scan) -> Volume:
    """Move the planes of a straight PSF, at the images' voxel size and with its centre at N//2, as the scan's move.

    Nothing is negative, and nothing is left of the ripples beyond what a plane held before it was moved.
    """
    shifts = [-shift for shift in _list_shifts(scan, len(psf))]
    voxels = move_planes(psf, shifts, scan.axis).clip(0)
    planes = np.moveaxis(voxels, scan.axis, -1)
    reach = psf.shape[scan.axis] // 2 + 1
    for plane, shift in zip(planes, shifts, strict=True):
        distance = np.abs(np.arange(planes.shape[2]) - planes.shape[2] // 2 - shift)
        plane[:, distance > reach] = 0
    return voxels


def straighten_psf(psf: Volume, scan: Mapping[str, Any] | None, voxel_size: Mapping[str, float]) -> Volume:
    """Show a PSF that was sheared to images of a scan as a person thinks of it: straight, at their voxel size.

    Parameters
    ----------
    psf : ndarray (z, y, x)
        As from `prepare_psf`, whose centre stays in the middle.
    scan, voxel_size : mapping
        As for `prepare_psf`.
    """
    geometry = read_scan(scan, voxel_size)
    if geometry is None:
        return psf
    shifts = _list_shifts(geometry, len(psf))
    straight = move_planes(psf, shifts, geometry.axis).clip(0)
    light = straight.sum(axis=tuple({0, 1, 2} - {geometry.axis}))
    bright = np.flatnonzero(light > light.max() * FAINT)
    middle = len(light) // 2
    reach = int(np.abs(bright - middle).max())
    return np.take(straight, range(middle - reach, middle + reach + 1), geometry.axis)
