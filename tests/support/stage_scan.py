"""Stage scans of points, drawn from the formula of the geometry alone."""

import math

import numpy as np


def _measure(scan):
    angle, step = math.radians(scan["angle"]), scan["step"] / scan["pixel"]
    return (
        step * math.cos(angle),
        step * math.sin(angle),
        scan.get("direction", 1),
        {"y": 1, "x": 2}[scan.get("axis", "x")],
    )


def scan_points(shape, points, scan, width):
    """Draw round points, `width` pixels in standard deviation, at (plane, y, x) of the scan's voxels, fractions too."""
    shift, distance, direction, axis = _measure(scan)
    index = np.indices(shape).astype(float)
    volume = np.zeros(shape)
    for point in points:
        place = [index[n] - point[n] for n in range(3)]
        place[axis] += direction * place[0] * shift  # as long as the straight axis is
        place[0] *= distance
        volume += np.exp(-sum(p**2 for p in place) / (2 * width**2))
    return volume


def list_scan_positions(points, shape, scan):
    """Return where points (plane, y, x) of the scan's voxels lie in the straight volume, in its voxels."""
    shift, _, direction, axis = _measure(scan)
    straight = np.array(points, float)
    straight[:, axis] += direction * straight[:, 0] * shift + (shape[0] - 1) * shift * (direction == -1)
    return straight
