"""A stage scan shown with the coverslip level: straightened and turned in one interpolation."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from lightsheet.scan.geometry import Array, Scan, check_volume, make_scan, round_pixels

BAND_LEVELS, BAND_ROWS = 32, 32
"""Levels and rows of the volume that are turned at a time, so that little memory is needed."""

ROWS = 64
"""Of the other axis that are turned at a time where they must be laid side by side: they stay in a core's cache."""


class _Level(NamedTuple):
    """What is read for one level, parallel to the coverslip, at the places along it from `start`."""

    start: int  # index of the first place that was measured, among those that are asked for
    plane: np.ndarray[Any, Any]  # the lower one of two
    part: np.ndarray[Any, Any]  # of the way to the next plane, float32
    pixels: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]  # in the lower plane and in the next one, fractions too
    is_measured: np.ndarray[Any, Any]


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
    """Turn a stage scan until the coverslip is level, with voxels of `pixel` along z and `axis`.

    The straight frame of `deskew` is turned by direction * angle about the axis that does not move, as a body, so that
    left and right stay. With h the distance from the coverslip and s along it, in pixels, a voxel of the result is read
    in the straight frame at direction * s * cos(angle) + h * sin(angle) along `axis`, between the two planes at either
    side of (s - direction * h / tan(angle)) * pixel / step, linearly between them and between two pixels of each.

    Parameters
    ----------
    volume, angle, step, pixel, direction, axis, fill
        As for `deskew`.

    Returns
    -------
    ndarray (z, y, x) float32
        For direction 1 h rises with falling z and s with `axis`; for direction -1 h rises with z, and s with falling
        `axis`, where it begins at -(n - 1) * cos(angle), for n pixels along `axis`, so that all of it is there.

    Raises
    ------
    InputError
        As from `deskew`.
    """
    check_volume(volume)
    scan = make_scan(angle=angle, step=step, pixel=pixel, direction=direction, axis=axis)
    shape = list(volume.shape)
    shape[0], shape[scan.axis] = measure_extent(scan, shape[0], shape[scan.axis])
    result = np.empty(shape, np.float32)
    for level in range(0, shape[0], BAND_LEVELS):
        levels = slice(level, min(level + BAND_LEVELS, shape[0]))
        for row in range(0, shape[1], BAND_ROWS):
            rows = slice(row, min(row + BAND_ROWS, shape[1]))
            turn_levels(volume, scan, levels, rows, result[levels, rows], fill)
    return result


def measure_extent(scan: Scan, planes: int, width: int) -> tuple[int, int]:
    """Return the voxels of the turned volume along z, and along the axis that moves."""
    height = (width - 1) * math.sin(scan.angle)
    length = (planes - 1) * scan.step + (width - 1) * math.cos(scan.angle)
    return math.floor(round_pixels(height)) + 1, math.floor(round_pixels(length)) + 1


def turn_levels(
    volume: Array, scan: Scan, levels: slice, rows: slice, target: Array, fill: float = 0.0, xp: Any = np
) -> None:
    """Write levels and rows of the turned volume into a band (z, y, x) of them.

    `volume` and `target` (float32) are of the array module `xp`, NumPy or CuPy.
    """
    count, width = volume.shape[0], volume.shape[scan.axis]
    extent = (rows.start, rows.stop) if scan.axis == 1 else (0, measure_extent(scan, count, width)[1])
    plans, planes, pixels = _plan_levels(scan, (levels.start, levels.stop), extent, count, width)
    reads = [_locate(plan, planes, pixels, xp) for plan in plans]
    target[...] = fill
    if scan.axis == 1:
        _turn(volume[planes, pixels], plans, reads, target, fill, xp)
        return
    for start in range(rows.start, rows.stop, ROWS):
        part = slice(start, min(start + ROWS, rows.stop))
        # What is read at the same place lies side by side: the axis that does not move is last.
        box, place = volume[planes, part, pixels], slice(part.start - rows.start, part.stop - rows.start)
        _turn(box.transpose(0, 2, 1), plans, reads, target[:, place].transpose(0, 2, 1), fill, xp)


def _turn(box: Array, plans: list[_Level], reads: list[list[Array]], target: Array, fill: float, xp: Any) -> None:
    """Write levels (level, place, row) from the box (plane, pixel, row) that holds all that is read for them."""
    lines = xp.ascontiguousarray(box, dtype=np.float32)
    lines = lines.reshape(-1, lines.shape[2])
    for band, plan, (first, second, third, fourth, low, high, part) in zip(target, plans, reads, strict=True):
        if not len(plan.plane):
            continue
        values = _mix(_mix(lines[first], lines[second], low), _mix(lines[third], lines[fourth], high), part)
        if not plan.is_measured.all():
            values[xp.asarray(np.flatnonzero(~plan.is_measured))] = fill
        band[plan.start : plan.start + len(plan.plane)] = values


@lru_cache(maxsize=2)  # for the bands beside each other
def _plan_levels(
    scan: Scan, levels: tuple[int, int], extent: tuple[int, int], count: int, width: int
) -> tuple[list[_Level], slice, slice]:
    """Plan levels, and find the planes and the pixels that hold all that is read for them."""
    plans = [_plan_level(scan, level, slice(*extent), count, width) for level in range(*levels)]
    return plans, *_find_box(plans, count, width)


def _plan_level(scan: Scan, level: int, extent: slice, count: int, width: int) -> _Level:
    """Find where places of a level of the result lie among `count` planes of `width` pixels."""
    height, length = measure_extent(scan, count, width)
    s, h = np.arange(extent.start, extent.stop), level
    if scan.direction == 1:
        h = height - 1 - level
    else:
        s = length - 1 - s - (width - 1) * math.cos(scan.angle)
    position = np.round((s - scan.direction * h / math.tan(scan.angle)) / scan.step, 9)
    straight_pixels = scan.direction * s * math.cos(scan.angle) + h * math.sin(scan.angle)
    plane = np.clip(np.floor(position), 0, max(0, count - 2))
    part = position - plane
    low = np.round(straight_pixels - scan.direction * plane * scan.shift, 9)
    high = np.round(low - scan.direction * scan.shift, 9)
    is_measured = (position >= 0) & (position <= count - 1)
    for pixels, weight in ((low, 1 - part), (high, part)):
        is_measured &= (weight == 0) | ((pixels >= 0) & (pixels <= width - 1))
    indices = np.flatnonzero(is_measured)
    start, stop = (int(indices[0]), int(indices[-1]) + 1) if len(indices) else (0, 0)
    span = slice(start, stop)
    ends = (low[span].clip(0, width - 1), high[span].clip(0, width - 1))
    return _Level(start, plane[span].astype(int), part[span].astype(np.float32), ends, is_measured[span])


def _find_box(plans: list[_Level], count: int, width: int) -> tuple[slice, slice]:
    """Return the planes and the pixels that hold all that is read for some levels."""
    planes = [plan.plane[plan.is_measured] for plan in plans]
    pixels = [places[plan.is_measured] for plan in plans for places in plan.pixels]
    if not any(map(len, planes)):
        return slice(0, 1), slice(0, 1)
    firsts, lasts = zip(*((p.min(), p.max()) for p in planes if len(p)), strict=True)
    lows, highs = zip(*((p.min(), p.max()) for p in pixels if len(p)), strict=True)
    stop = min(count, int(max(lasts)) + 2)
    return slice(int(min(firsts)), stop), slice(math.floor(min(lows)), min(width, math.floor(max(highs)) + 2))


def _locate(plan: _Level, planes: slice, pixels: slice, xp: Any) -> list[Array]:
    """Return which lines of a box, by plane and pixel, are read for a level, and how they are mixed.

    They are two of the lower plane, two of the next one, and the ways from the first to the second pixel of each and
    from the lower plane to the next. Of places that were not measured they are any of the box.
    """
    width, lines, ways = pixels.stop - pixels.start, [], []
    for number, positions in enumerate(plan.pixels):
        plane = np.clip(plan.plane + number - planes.start, 0, planes.stop - planes.start - 1) * width
        floor = np.floor(positions)
        low = np.clip(floor.astype(int) - pixels.start, 0, width - 1)
        lines += [plane + low, plane + np.minimum(low + 1, width - 1)]
        ways.append((positions - floor).astype(np.float32)[:, None])
    return [xp.asarray(array) for array in (*lines, *ways, plan.part[:, None])]


def _mix(first: Array, second: Array, part: Array) -> Array:
    """Go so far from the first to the second, which is overwritten."""
    np.subtract(second, first, out=second)
    np.multiply(second, part, out=second)
    return np.add(second, first, out=second)


def list_measured_levels(scan: Scan, planes: int, width: int, length: int) -> np.ndarray[Any, Any]:
    """Return which voxels of a turned volume were measured: bool (z, along the axis that moves, `length`)."""
    height, _ = measure_extent(scan, planes, width)
    measured = np.zeros((height, length), bool)
    for level, row in enumerate(measured):
        plan = _plan_level(scan, level, slice(0, length), planes, width)
        row[plan.start : plan.start + len(plan.plane)] = plan.is_measured
    return measured
