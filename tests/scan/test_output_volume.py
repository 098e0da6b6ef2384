"""Bands and places of a stage scan that is shown deskewed or rotated: what stores, viewers and reruns rely on."""

import itertools
import math

import numpy as np
import pytest

from lightsheet.scan import GEOMETRIES, OutputGeometry, OutputVolume, deskew, make_scan, rotate
from tests.support import fake_cupy
from tests.support.stage_scan import scan_points

SCAN = {"angle": 31.5, "step": 0.3, "pixel": 0.1}
SIDES = list(itertools.product([1, -1], "xy"))
SHAPE = (21, 24, 26)
FUNCTIONS = {"deskewed": deskew, "rotated": rotate}


def plan(kind, direction, axis, shape=SHAPE):
    return OutputGeometry(kind, make_scan(**SCAN, direction=direction, axis=axis), shape)


def draw_noise(shape=SHAPE):
    return (np.random.default_rng(0).random(shape) + 1).astype(np.float32)


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize(("direction", "axis"), SIDES)
def test_bands_are_parts_of_the_whole(kind, direction, axis):
    volume, geometry = draw_noise(), plan(kind, direction, axis)
    whole = FUNCTIONS[kind](volume, **SCAN, direction=direction, axis=axis)
    source = OutputVolume(volume, geometry)
    assert source.shape == geometry.shape == whole.shape
    assert source.dtype == whole.dtype == np.float32
    for depth, height in ((5, 7), (64, 64)):
        band = np.zeros_like(whole)
        for z, y in itertools.product(range(0, whole.shape[0], depth), range(0, whole.shape[1], height)):
            band[z : z + depth, y : y + height] = source[z : z + depth, y : y + height]
        np.testing.assert_array_equal(band, whole)


@pytest.mark.parametrize("kind", GEOMETRIES)
@pytest.mark.parametrize(("direction", "axis"), SIDES)
def test_a_device_computes_the_same(kind, direction, axis, monkeypatch):
    fake_cupy.install(monkeypatch)
    import cupy

    volume, geometry = draw_noise(), plan(kind, direction, axis)
    region = (slice(2, 7), slice(3, 20))
    band = OutputVolume(cupy.asarray(volume), geometry, xp=cupy)[region]
    np.testing.assert_array_equal(band.get(), OutputVolume(volume, geometry)[region])


@pytest.mark.parametrize("kind", GEOMETRIES)
@pytest.mark.parametrize(("direction", "axis"), SIDES)
def test_what_was_never_measured_is_zero_and_known(kind, direction, axis):
    """And only that: the pixels are all above 1."""
    geometry = plan(kind, direction, axis)
    result = OutputVolume(draw_noise(), geometry)[:, :]
    lines = result != 0 if axis == "y" else np.moveaxis(result, 1, 2) != 0
    np.testing.assert_array_equal(lines, np.broadcast_to(geometry.find_support()[..., None], lines.shape))
    if kind != "raw":
        assert 0.2 < lines.mean() < 0.9


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize(("direction", "axis"), SIDES)
def test_points_lie_at_their_places(kind, direction, axis):
    """Within 0.1 voxel, by the matrix that raw stores have and the origin of the result."""
    scan = {**SCAN, "direction": direction, "axis": axis}
    shape = (30, 40, 40)
    geometry = plan(kind, direction, axis, shape)
    raw_size = {"z": 0.3 * math.sin(math.radians(31.5)), "y": 0.1, "x": 0.1}
    for point in ([12.3, 22.4, 20.7], [17.6, 17.2, 22.1]):
        result = OutputVolume(scan_points(shape, [point], scan, width=2.0).astype(np.float32), geometry)[:, :]
        centre = [(index * result).sum() / result.sum() for index in np.indices(result.shape)]
        sizes = np.array(list(geometry.measure_voxels(raw_size).values()))
        place = geometry.find_origin(raw_size) + centre * sizes
        expected = np.array(geometry.describe_affine()) @ [*(np.array(point) * list(raw_size.values())), 1]
        np.testing.assert_allclose(place / sizes, expected / sizes, atol=0.1)


@pytest.mark.parametrize(("direction", "axis"), SIDES)
def test_a_turn_moves_a_body(direction, axis):
    """No distance changes from the straight frame to the turned one, nor left and right."""
    straight, turned = (np.array(plan(kind, direction, axis).describe_affine()) for kind in FUNCTIONS)
    turn = turned[:, :3] @ np.linalg.inv(straight[:, :3])
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(31.5)
