"""Stage scans with the coverslip level, against SciPy, place by place, and a sphere."""

import math

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from lightsheet.scan import rotate
from tests.support.stage_scan import scan_points


def turn(volume, angle, step, pixel, direction):
    """Rotate by SciPy's interpolation within planes and the formula, place by place; NaN outside."""
    theta, steps, (count, _, width) = math.radians(angle), step / pixel, volume.shape
    begin = 0.0 if direction == 1 else (width - 1) * math.cos(theta)
    length = math.floor((count - 1) * steps + (width - 1) * math.cos(theta) + 1e-9) + 1
    h, s = np.meshgrid(
        np.arange(math.floor((width - 1) * math.sin(theta) + 1e-9) + 1), np.arange(length) - begin, indexing="ij"
    )
    h, s = (h[::-1], s) if direction == 1 else (h, s[:, ::-1])  # turned as a body: left and right stay
    number = (s - direction * h / math.tan(theta)) / steps
    low, total = np.floor(number), 0.0
    for plane, weight in ((low, 1 - (number - low)), (low + 1, number - low)):
        along = direction * (s - plane * steps) * math.cos(theta) + h * math.sin(theta)
        y = np.arange(volume.shape[1])[:, None, None]
        places = np.broadcast_arrays(plane[None], y, along[None])
        values = map_coordinates(volume, places, order=1, cval=math.nan, prefilter=False)
        total = total + np.where(weight < 1e-9, 0, weight * values)
    return np.moveaxis(total, 0, 1)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(("angle", "step", "pixel"), [(31.8, 0.4, 0.104), (45, 0.2, 0.1), (57.3, 0.15, 0.2)])
def test_it_agrees_with_the_formula(angle, step, pixel, direction, axis):
    """To float32's rounding of values up to 1."""
    volume = np.random.default_rng(0).random((11, 14, 17))
    result = rotate(volume, angle=angle, step=step, pixel=pixel, direction=direction, axis=axis, fill=math.nan)
    if axis == "y":
        volume, result = np.swapaxes(volume, 1, 2), np.swapaxes(result, 1, 2)
    expected = turn(volume, angle, step, pixel, direction)
    assert (result.dtype, result.shape) == (np.float32, expected.shape)
    edge = np.isfinite(expected) != np.isfinite(result)
    assert edge.mean() < 0.01  # places exactly on an edge, by rounding
    np.testing.assert_allclose(result[~edge], expected[~edge], atol=1e-6)
    assert np.isfinite(expected).mean() > 0.3


@pytest.mark.parametrize("direction", [1, -1])
def test_a_sphere_stays_one_with_its_light(direction):
    """Axes equal to 2 %, light to 1 % (voxels have the volume pixel ** 3, before it was pixel ** 2 step sin(angle))."""
    scan = {"angle": 31.8, "step": 0.3, "pixel": 0.1, "direction": direction}
    volume = scan_points((60, 40, 120), np.array([[30.0, 20.0, 60.0]]), scan, width=5.0)
    result = rotate(volume, **scan)
    index = np.indices(result.shape)
    centre = [(axis * result).sum() / result.sum() for axis in index]
    offsets = [axis - middle for axis, middle in zip(index, centre, strict=True)]
    moments = np.array([[(a * b * result).sum() / result.sum() for b in offsets] for a in offsets])
    widths = np.sqrt(np.linalg.eigvalsh(moments))
    assert widths.max() / widths.min() < 1.02
    assert result.sum() == pytest.approx(volume.sum() * 3 * math.sin(math.radians(31.8)), rel=0.01)
    theta = math.radians(31.8)
    along = 30 * 3 + direction * 60 * math.cos(theta) + (119 * math.cos(theta) if direction == -1 else 0)
    above = 60 * math.sin(theta)
    place = [result.shape[0] - 1 - above, 20, along] if direction == 1 else [above, 20, result.shape[2] - 1 - along]
    np.testing.assert_allclose(centre, place, atol=0.1)
