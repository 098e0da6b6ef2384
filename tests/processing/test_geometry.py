"""From raw planes of a stage scan to a result in its geometry: points stay where they are, and so does their light."""

import itertools
import math

import numpy as np
import pytest

from lightsheet.processing.deconvolve import deconvolve_pixels
from lightsheet.processing.geometry import describe_geometry, find_geometry
from lightsheet.psf import prepare_psf
from tests.support.families import parametrize
from tests.support.stage_scan import scan_points

ANGLE, STEP, PIXEL = 31.5, 0.3, 0.1
VOXEL = {"z": STEP * math.sin(math.radians(ANGLE)), "y": PIXEL, "x": PIXEL}
SHAPE, POINT = (30, 40, 44), [14.4, 20.3, 21.6]
METHOD = {"engine": "cpu", "iterations": 4, "boundary": "extended", "acceleration": "none", "background": 0, "scale": 1}


def make_settings(kind, direction=1, axis="x", **others):
    scan = {"angle": ANGLE, "step": STEP, "axis": axis, "direction": direction}
    return {**METHOD, "dtype": "float32", "scan": scan, "pixel": PIXEL, "geometry": kind, **others}


def draw(settings):
    return 1000 * scan_points(SHAPE, [POINT], {**settings["scan"], "pixel": PIXEL}, width=2.0).astype(np.float32)


@pytest.mark.parametrize("kind", ["deskewed", "rotated", "raw"])
@parametrize(("direction", "axis"), list(itertools.product([1, -1], "xy")), quick=2)
def test_points_stay_where_they_are(kind, direction, axis):
    """Within 0.1 voxel; light to 1 %."""
    settings = make_settings(kind, direction, axis)
    z, y, x = np.indices((41, 33, 33)) - np.array([20, 16, 16])[:, None, None, None]
    bead = 100 + 3000 * np.exp(-(z**2 + y**2 + x**2) / (2 * 2.0**2))
    psf = prepare_psf(bead, dict.fromkeys("zyx", PIXEL), VOXEL, background=100, scan=settings["scan"])
    raw = draw(settings)
    result, statistics = deconvolve_pixels(raw, psf, settings, 1)
    geometry = find_geometry(settings, SHAPE)
    assert result.shape == geometry.shape
    sizes = np.array(list(geometry.measure_voxels(VOXEL).values()))
    place = geometry.move(np.array(POINT) * list(VOXEL.values()))
    light = np.where(result > result.max() / 50, result, 0)
    centre = [(index * light).sum() / light.sum() for index in np.indices(result.shape)]
    np.testing.assert_allclose(centre, (place - np.array(geometry.find_origin(VOXEL))) / sizes, atol=0.1)
    share = result.sum() * sizes.prod() / (statistics["flux_before"] * math.prod(VOXEL.values()))
    assert share == pytest.approx(1, rel=0.01)


def test_numbers_are_those_of_raw_voxels_and_whole_numbers_are_rounded_last():
    psf = np.ones((3, 3, 3), np.float32)
    raw = draw(make_settings("raw"))
    results = {}
    for dtype in ("float32", "uint16"):
        results[dtype], statistics = deconvolve_pixels(raw, psf, make_settings("deskewed", dtype=dtype, scale=2), 1)
        _, expected = deconvolve_pixels(raw, psf, make_settings("raw", dtype=dtype, scale=2), 1)
        assert statistics == expected
    assert results["uint16"].dtype == np.uint16
    np.testing.assert_array_equal(results["uint16"], np.rint(2 * results["float32"]))


def test_straight_images_have_no_geometry():
    assert find_geometry(METHOD, SHAPE) is None
    assert describe_geometry(METHOD, SHAPE, "raw") == {}


def test_a_part_lies_where_it_is_in_the_whole():
    settings, start = make_settings("rotated"), [1.0, 2.0, 3.0]
    matrix = np.array(describe_geometry(settings, SHAPE, "raw")["affine"]["matrix"])
    geometry = find_geometry(settings, SHAPE)
    np.testing.assert_allclose(geometry.move(start), matrix[:, :3] @ start)
    np.testing.assert_allclose(matrix[:, 3], 0, err_msg="the store's translation says where its part lies")
