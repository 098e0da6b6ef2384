"""A stage scan shown straight: each plane moved to where it was taken."""

import math
from typing import Any

import numpy as np

from lightsheet.scan.geometry import Array, Scan, check_volume, make_scan, round_pixels


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
        Longer along `axis` by (n - 1) * step * cos(angle) / pixel voxels, rounded up, for n planes. In units of
        the volume: each plane keeps its light, but for half a pixel at either end.

    Raises
    ------
    InputError
        If the volume is not 3-D or empty, or a value of the geometry cannot be one.
    """
    check_volume(volume)
    scan = make_scan(angle=angle, step=step, pixel=pixel, direction=direction, axis=axis)
    shape = list(volume.shape)
    shape[scan.axis] += math.ceil(max(list_offsets(scan, len(volume))))
    result = np.full(shape, fill, np.float32)
    move_planes(volume, scan, slice(0, shape[0]), slice(0, shape[1]), result)
    return result


def list_offsets(scan: Scan, planes: int) -> list[float]:
    """Return by how many pixels each plane is moved, none by less than 0."""
    order = range(planes) if scan.direction == 1 else range(planes - 1, -1, -1)
    return [round_pixels(number * scan.shift) for number in order]


def move_planes(volume: Array, scan: Scan, planes: slice, rows: slice, target: Array) -> None:
    """Write planes and rows of the deskewed volume into a band (z, y, x) of them; others of its voxels stay.

    `volume` and `target` (float32) are of one array module, NumPy or CuPy.
    """
    offsets = list_offsets(scan, volume.shape[0])
    for number, offset in enumerate(offsets[planes]):
        plane, band = volume[planes.start + number], target[number]
        if scan.axis == 1:
            _move(plane, offset, band, 0, rows.start)
        else:
            _move(plane[rows], offset, band, 1, 0)


def _move(plane: Array, offset: float, target: Array, axis: int, start: int) -> None:
    """Write a plane (y, x), `offset` pixels along an axis, where the target lies on it that begins at `start`."""
    whole, width = math.floor(offset), plane.shape[axis]
    part = np.float32(offset - whole)
    low, high = max(start, whole + bool(part)), min(start + target.shape[axis], whole + width)
    if low >= high:
        return
    source, place = _cut(plane, axis, low - whole, high - whole), _cut(target, axis, low - start, high - start)
    if not part:
        place[...] = source
        return
    change = np.subtract(_cut(plane, axis, low - whole - 1, high - whole - 1), source, dtype=np.float32)
    np.multiply(change, part, out=change)
    np.add(source, change, out=place, dtype=np.float32)


def _cut(plane: Array, axis: int, start: int, stop: int) -> Array:
    return plane[start:stop] if axis == 0 else plane[:, start:stop]


def list_measured_planes(scan: Scan, planes: int, width: int, length: int) -> np.ndarray[Any, Any]:
    """Return which voxels of a deskewed volume were measured: bool (z, along the axis that moves, `length`)."""
    offsets = np.array(list_offsets(scan, planes))[:, None]
    places = np.arange(length)
    is_measured: np.ndarray[Any, Any] = (places >= np.ceil(offsets)) & (places < np.floor(offsets) + width)
    return is_measured
