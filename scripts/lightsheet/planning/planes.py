"""What the pilot shows of a volume: the same two planes, through its brightest structure, of each result."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from lightsheet.deconvolution import find_brightest_region
from lightsheet.processing import find_geometry
from lightsheet.scan import OutputGeometry

SIDE = 160
"""Voxels along y and x of what is shown."""

MARGIN = 8
"""Voxels along each edge that are not searched: what lies beyond would be missing from the pictures."""


def find_spot(raw: np.ndarray) -> list[int]:
    """Find the brightest structure of a volume (z, y, x), not at an edge if that can be avoided.

    It is the voxel with the largest mean over 3 x 3 x 3 voxels, so that no hot pixel is one.
    """
    spans = zip(find_brightest_region(raw), raw.shape, strict=True)
    margins = [min(MARGIN, n // 4) for n in raw.shape]
    region = tuple(
        slice(max(span.start, margin), min(span.stop, n - margin))
        for (span, n), margin in zip(spans, margins, strict=True)
    )
    smooth = ndimage.uniform_filter(raw[region].astype(np.float32), 3)
    brightest = np.unravel_index(int(smooth.argmax()), smooth.shape)
    return [int(span.start + index) for span, index in zip(region, brightest, strict=True)]


def find_planes(
    settings: Mapping[str, Any], shape: Sequence[int], spot: Sequence[int], voxel_size: Mapping[str, float]
) -> tuple[OutputGeometry | None, dict[str, tuple[int | slice, ...]]]:
    """Return the geometry of a stage scan's result, and the indices of its planes `xy` and `xz` through the spot.

    Parameters
    ----------
    settings : mapping, as for `deconvolve_volume`
    shape, spot, voxel_size : of the raw volume, the spot a voxel of it
    """
    geometry = find_geometry(settings, shape)
    if not geometry:
        return None, locate_planes(shape, spot, voxel_size)
    voxels = geometry.measure_voxels(voxel_size)
    place = geometry.move([index * voxel_size[axis] for axis, index in zip("zyx", spot, strict=True)])
    starts = zip(place, geometry.find_origin(voxel_size), voxels.values(), geometry.shape, strict=True)
    index = [min(max(0, round((end - start) / size)), n - 1) for end, start, size, n in starts]
    return geometry, locate_planes(geometry.shape, index, voxels)


def locate_planes(
    shape: Sequence[int], spot: Sequence[int], voxel_size: Mapping[str, float]
) -> dict[str, tuple[int | slice, ...]]:
    """Return the indices (z, y, x) of the planes `xy` and `xz` through the spot: in micrometre as much of z as of x."""
    sizes = (round(SIDE * voxel_size["x"] / voxel_size["z"]), SIDE, SIDE)
    spans = []
    for total, size, index in zip(shape, sizes, spot, strict=True):
        start = max(0, min(index - size // 2, total - size))
        spans.append(slice(start, min(start + max(size, 1), total)))
    depth, rows, columns = spans
    return {"xy": (spot[0], rows, columns), "xz": (depth, spot[1], columns)}
