"""A stage scan shown with the coverslip level: straightened and turned in one interpolation."""

import math
from typing import NamedTuple

import numpy as np

from lightsheet.scan.geometry import Scan, check_volume, make_scan, round_pixels

BAND_ROWS = 32
"""Of the image's other axis that are turned at a time, so that little memory is needed."""


class _Level(NamedTuple):
    """What is read for one level above the coverslip, at the places along it that were measured."""

    places: np.ndarray  # along the coverslip
    plane: np.ndarray  # the lower one of two
    part: np.ndarray  # of the way to the next plane, float32
    pixels: tuple[np.ndarray, np.ndarray]  # in the lower plane and in the next one, fractions too


def rotate(
    volume: np.ndarray,
    *,
    angle: float,
    step: float,
    pixel: float,
    direction: int = 1,
    axis: str = "x",
    fill: float = 0.0,
) -> np.ndarray:
    """Turn a stage scan into the frame of the coverslip, with voxels of `pixel` in all three axes.

    With h above the coverslip and s along it, in pixels, a voxel of the result is read in the straight frame at
    direction * s * cos(angle) + h * sin(angle) along `axis`, between the two planes at either side of
    (s - direction * h / tan(angle)) * pixel / step, linearly between them and between two pixels of each. For
    direction -1 s begins at -(n - 1) * cos(angle), for n pixels along `axis`, so that all of it is there.

    Parameters
    ----------
    volume, angle, step, pixel, direction, axis, fill
        As for `deskew`; `pixel` is that of both axes of the image.

    Returns
    -------
    ndarray (z, y, x) float32
        z is the height above the coverslip, if that lies at the low end of `axis`; `axis` runs along it.

    Raises
    ------
    InputError
        As from `deskew`.
    """
    check_volume(volume)
    scan = make_scan(angle=angle, step=step, pixel=pixel, direction=direction, axis=axis)
    planes = np.moveaxis(volume, scan.axis, -1)
    count, rows, width = planes.shape
    height, length = measure_extent(scan, count, width)
    result = np.full((height, length, rows) if axis == "y" else (height, rows, length), fill, np.float32)
    turned = np.moveaxis(result, scan.axis, -1)
    levels = [_plan_level(scan, level, length, count, width) for level in range(height)]
    for start in range(0, rows, BAND_ROWS):
        band = slice(start, start + BAND_ROWS)
        # Rows last: a voxel's neighbours, which are read at the same place, lie beside each other.
        columns = np.ascontiguousarray(planes[:, band].transpose(0, 2, 1), np.float32)
        for target, level in zip(turned, levels, strict=True):
            target[band, level.places] = _interpolate(columns, level).T
    return result


def measure_extent(scan: Scan, planes: int, width: int) -> tuple[int, int]:
    """Return the voxels of the turned volume: above the coverslip, and along it."""
    height = (width - 1) * math.sin(scan.angle)
    length = (planes - 1) * scan.step + (width - 1) * math.cos(scan.angle)
    return math.floor(round_pixels(height)) + 1, math.floor(round_pixels(length)) + 1


def _plan_level(scan: Scan, level: int, length: int, count: int, width: int) -> _Level:
    """Find where the places of a level lie among `count` planes of `width` pixels, without those that lie outside."""
    begin = 0.0 if scan.direction == 1 else (width - 1) * math.cos(scan.angle)
    along = np.arange(length) - begin
    position = np.round((along - scan.direction * level / math.tan(scan.angle)) / scan.step, 9)
    straight = scan.direction * along * math.cos(scan.angle) + level * math.sin(scan.angle)
    plane = np.clip(np.floor(position), 0, max(0, count - 2))
    part = position - plane
    low = np.round(straight - scan.direction * plane * scan.shift, 9)
    high = np.round(low - scan.direction * scan.shift, 9)
    is_inside = (position >= 0) & (position <= count - 1)
    for pixels, weight in ((low, 1 - part), (high, part)):
        is_inside &= (weight == 0) | ((pixels >= 0) & (pixels <= width - 1))
    places = np.flatnonzero(is_inside)
    both = (low[places].clip(0, width - 1), high[places].clip(0, width - 1))
    return _Level(places, plane[places].astype(int), part[places].astype(np.float32), both)


def _interpolate(columns: np.ndarray, level: _Level) -> np.ndarray:
    """Return the places of a level (place, row), of columns (plane, pixel, row)."""
    last_plane, last_pixel = columns.shape[0] - 1, columns.shape[1] - 1
    values = []
    for number, pixels in enumerate(level.pixels):
        plane = np.minimum(level.plane + number, last_plane)
        low = np.floor(pixels).astype(int)
        first, second = columns[plane, low], columns[plane, np.minimum(low + 1, last_pixel)]
        values.append(first + (pixels - low).astype(np.float32)[:, None] * (second - first))
    first, second = values
    between: np.ndarray = first + level.part[:, None] * (second - first)
    return between
