"""A stage scan shown straight: each plane moved to where it was taken."""

import math

import numpy as np

from lightsheet.scan.geometry import Scan, check_volume, make_scan, round_pixels


def deskew(
    volume: np.ndarray,
    *,
    angle: float,
    step: float,
    pixel: float,
    direction: int = 1,
    axis: str = "x",
    fill: float = 0.0,
) -> np.ndarray:
    """Move the planes of a stage scan along the axis of the image to where they were taken.

    Voxel i' of the result's plane k is read at i' - direction * k * step * cos(angle) / pixel of the volume's, by
    linear interpolation, and begins with the plane that lies lowest: for direction -1 that is the last one, to whose
    position (n - 1) * step * cos(angle) / pixel is added. Planes then lie step * sin(angle) apart.

    Parameters
    ----------
    volume : ndarray (z, y, x)
        A plane for each step of the stage; any integer or float dtype.
    angle : float
        Between the direction of the stage and the camera's focal plane, in degrees, as 31.8.
    step : float
        Of the stage from plane to plane, along its own direction, in micrometre.
    pixel : float
        Of the image along `axis`, in micrometre.
    direction : {1, -1}
        To which side the stage moves.
    axis : {"x", "y"}
        Along which planes move.
    fill : float
        For voxels that were never measured, beside each plane.

    Returns
    -------
    ndarray (z, y, x) float32
        Longer along `axis` by (n - 1) * step * cos(angle) / pixel voxels, rounded up, for n planes.

    Raises
    ------
    InputError
        If the volume is not 3-D or empty, or a value of the geometry cannot be one.
    """
    check_volume(volume)
    scan = make_scan(angle=angle, step=step, pixel=pixel, direction=direction, axis=axis)
    planes = np.moveaxis(volume, scan.axis, -1)
    offsets = list_offsets(scan, len(volume))
    shape = list(volume.shape)
    shape[scan.axis] += math.ceil(max(offsets))
    result = np.full(shape, fill, np.float32)
    for plane, offset, target in zip(planes, offsets, np.moveaxis(result, scan.axis, -1), strict=True):
        _move(plane, offset, target)
    return result


def list_offsets(scan: Scan, planes: int) -> list[float]:
    """Return by how many pixels each plane is moved, none by less than 0."""
    order = range(planes) if scan.direction == 1 else range(planes - 1, -1, -1)
    return [round_pixels(number * scan.shift) for number in order]


def _move(plane: np.ndarray, offset: float, target: np.ndarray) -> None:
    """Write a plane (y, x) into a wider one, `offset` pixels along x; what lies outside of it stays as it is."""
    width, whole = plane.shape[1], math.floor(offset)
    part = np.float32(offset - whole)
    if not part:
        target[:, whole : whole + width] = plane
        return
    plane = plane.astype(np.float32, copy=False)
    target[:, whole + 1 : whole + width] = plane[:, 1:] + part * (plane[:, :-1] - plane[:, 1:])
