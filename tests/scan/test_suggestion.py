"""Which stage scan is suggested: sign and angle of simulated ones, and nothing for straight or drifting samples."""

import math

import numpy as np
import pytest
from scipy import ndimage

from lightsheet.scan import measure_plane_shift, suggest_scans
from lightsheet.scan.plane_shift import PlaneShift

PIXEL = 0.104
MOVED, STRAIGHT = (34, 96, 112), (20, 64, 80)
WIDTHS = (0.34, 0.13, 0.13)  # micrometre, standard deviations of the blur


def draw_light(size, distance, rng):
    """Points and slanted fibres, blurred as a light-sheet microscope does."""
    light = np.zeros(size, np.float32)
    count = int(np.prod(size) / 5000)
    light[tuple(rng.integers(0, n, count) for n in size)] = rng.uniform(100, 600, count)
    for _ in range(8):
        way = rng.standard_normal(3)
        way *= PIXEL / np.linalg.norm(way) / (distance, PIXEL, PIXEL)
        places = (rng.uniform(0, size) + np.arange(-200, 200, 0.5)[:, None] * way).round().astype(int)
        places = places[((places >= 0) & (places < size)).all(axis=1)]
        np.add.at(light, tuple(places.T), 40)
    light = ndimage.gaussian_filter(light, np.array(WIDTHS) / (distance, PIXEL, PIXEL))
    return light / np.percentile(light, 99.5)


def record(shape, rng, distance, moves, photons):
    """Slabs of planes (y, x), each of which shows the sample by `moves` (plane, 2) pixels farther along y and x."""
    margin = np.ceil(np.ptp(moves, axis=0)).astype(int) + 1
    light = draw_light((shape[0], *(shape[1:] + margin)), distance, rng)
    starts = moves.max(axis=0) - moves
    planes = [ndimage.shift(plane, -start, order=1) for plane, start in zip(light, starts, strict=True)]
    image = np.stack(planes)[:, : shape[1], : shape[2]]
    counts = rng.poisson(photons * image.clip(0) + 2) + rng.normal(100, 2, shape)
    return [counts[z : z + 4] for z in range(0, shape[0] - 3, 5)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_sign_and_angle_of_stage_scans(seed):
    rng = np.random.default_rng(seed)
    angle, step = [30, 31.5, 32.8, 45][seed % 4], [0.3, 0.4, 0.5][seed % 3]
    axis, direction, photons = "xy"[seed // 2 % 2], [1, -1][seed // 4 % 2], [30, 300][seed // 5 % 2]
    moves = np.zeros((MOVED[0], 2))
    shift = step * math.cos(math.radians(angle)) / PIXEL
    moves[:, "yx".index(axis)] = -direction * shift * np.arange(MOVED[0])
    distance = step * math.sin(math.radians(angle))
    measured = measure_plane_shift(record(MOVED, rng, distance, moves, photons))
    assert measured is not None
    scan, *_ = suggest_scans(measured, {"z": distance, "y": PIXEL, "x": PIXEL})
    assert (scan["axis"], scan["direction"]) == (axis, direction)
    assert scan["angle"] == pytest.approx(angle, abs=1)
    assert scan["step"] == pytest.approx(step, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["still", "drifting"])
def test_straight_volumes_suggest_none(seed, kind):
    """Samples that drift, do so by up to 15 pixels in a volume, or at random by 0.3 pixels from plane to plane."""
    rng = np.random.default_rng(seed)
    moves = np.zeros((STRAIGHT[0], 2))
    if kind == "drifting" and seed % 2:
        moves = np.cumsum(rng.normal(0, 0.3, moves.shape), axis=0)
    elif kind == "drifting":
        moves += np.outer(np.arange(STRAIGHT[0]), rng.uniform(-0.45, 0.45, 2))
    distance = [0.15, 0.3][seed % 2]
    shift = measure_plane_shift(record(STRAIGHT, rng, distance, moves, [30, 300][seed // 2 % 2]))
    assert shift is None or suggest_scans(shift, {"z": distance, "y": PIXEL, "x": PIXEL}) == []


def test_of_two_meanings_of_z_those_are_suggested_that_a_stage_can_have():
    shift = PlaneShift(0.01, -0.3 * math.cos(math.radians(31.5)) / 0.1, 24)
    pixels = {"y": 0.1, "x": 0.1}
    scan = {"angle": 31.5, "step": 0.3, "axis": "x", "direction": 1}
    assert suggest_scans(shift, {"z": 0.3 * math.sin(math.radians(31.5)), **pixels}) == [scan]
    other, of_step = suggest_scans(shift, {"z": 0.3, **pixels})
    assert of_step == scan
    assert other["angle"] == pytest.approx(49.5, abs=0.1)
    assert suggest_scans(PlaneShift(0.8, 0, 24), {"z": 2, **pixels}) == []
    assert [s["axis"] for s in suggest_scans(PlaneShift(3, 0, 24), {"z": 0.2, **pixels})] == ["y"]
    assert [s["direction"] for s in suggest_scans(PlaneShift(3, 0, 24), {"z": 0.2, **pixels})] == [-1]
