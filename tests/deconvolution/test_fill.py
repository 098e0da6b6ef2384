"""Fill, told from darkness: images of a simulated camera, filled by all that programs do, and images that are not."""

import numpy as np
import pytest
from scipy import ndimage

from lightsheet.deconvolution import describe_fill, find_fill
from tests.support.families import parametrize

SHAPE = (12, 120, 160)
Z, Y, X = np.indices(SHAPE)
SKEWED = (X >= 3 * Z) & (X < 3 * Z + 125)


def light(seed=0, peak=400, dark=92):
    random = np.random.default_rng(seed).random(SHAPE)
    shapes = ndimage.gaussian_filter(random, (1.5, 4, 4))
    shapes = np.clip(shapes - np.percentile(shapes, dark), 0, None) / np.ptp(shapes)
    return ndimage.gaussian_filter(np.where(shapes > 0, shapes / shapes.max() + 0.1, 0) * peak, (2, 1.3, 1.3))


SCENE = light()


def record(scene=SCENE, seed=0, offset=100.0, noise=2.0):
    random = np.random.default_rng(seed)
    return np.clip(np.rint(random.poisson(scene) + random.normal(offset, noise, SHAPE)), 0, 65535).astype(np.uint16)


FRAMES = [record(seed=t) for t in range(3)]


def skew(value=0, frames=FRAMES):
    return [np.where(SKEWED, frame, value).astype(frame.dtype) for frame in frames]


def subtract(count, frames=FRAMES):
    """Subtract more or less than the offset, as programs do that cut off at 0."""
    return [np.maximum(frame.astype(int) - count, 0).astype(np.uint16) for frame in frames]


def rotate(angle, axes=(2, 1), order=1):
    return [
        np.rint(ndimage.rotate(frame.astype(float), angle, axes, order=order)).astype(np.uint16) for frame in FRAMES
    ]


def interpolate():
    """Deskew by fractions of a voxel: one voxel beside the fill is a mixture."""
    padded = [np.pad(frame.astype(float), ((0, 0), (0, 0), (1, 30))) for frame in FRAMES]
    movie = [[ndimage.shift(plane, (0, 2.37 * z), order=1) for z, plane in enumerate(frame)] for frame in padded]
    return [np.rint(frame).astype(np.uint16) for frame in movie]


MOSAIC = ((Y > 4) & (Y < 65) & (X > 6) & (X < 90)) | ((Y > 60) & (X > 80) & (X < 150))

FILLED = {
    "deskewed": (skew(), [0]),
    "a single timepoint": (skew()[:1], [0]),
    "filled with the offset": (skew(100), [100]),
    "filled near the offset": (skew(96), [96]),
    "filled with the largest value": (skew(65535), [65535]),
    "bright everywhere": (skew(frames=[record(light(peak=3000, dark=0))]), [0]),
    "background cut off before": (skew(frames=subtract(100)), [0]),
    "fractions": (skew(frames=[frame - np.float32(100.3) for frame in FRAMES]), [0]),
    "below zero": (skew(-1, [frame.astype(np.float32) for frame in FRAMES]), [-1]),
    "bytes": (skew(frames=[record(seed=t, offset=12, noise=1.2).clip(0, 255).astype(np.uint8) for t in (0, 1)]), [0]),
    "rotated by 45 degrees": (rotate(45), [0]),
    "rotated by 3 degrees": (rotate(3, order=3), [0]),
    "rotated about y": (rotate(40, (0, 2)), [0]),
    "interpolated": (interpolate(), [0]),
    "stitched": ([np.where(MOSAIC, frame, 0) for frame in FRAMES], [0]),
    "registered": ([ndimage.shift(frame, (0, 3 * t, -9 * t), order=0) for t, frame in enumerate(FRAMES)], [0]),
    "registered to the first ones": ([*FRAMES[:2], np.where(X < 140, FRAMES[2], 0)], [0]),
    "a padded frame": ([np.where(X < 140, frame, 0) for frame in FRAMES], [0]),
    "blank planes": ([np.where(Z > 1, frame, 0) for frame in FRAMES], [0]),
    "beside a dead frame": ([*skew()[:2], np.zeros(SHAPE, np.uint16)], [0]),
    "two values": ([np.pad(frame, ((0, 0), (20, 0), (0, 0)), constant_values=77) for frame in skew()], [0, 77]),
}

BALL = (50 - np.hypot(X - 80, Y - 60)).clip(0, 1)

MEASURED = {
    "as recorded": FRAMES,
    "cut off at the offset": subtract(100),
    **{f"cut off {count - 100} above it": subtract(count) for count in (102, 104, 106, 110)},
    "without noise": [np.rint(np.maximum(light(t) - 5, 0)).astype(np.uint16) for t in range(3)],
    "without noise, fractions": [np.maximum(light(t) - 5, 0).astype(np.float32) for t in range(3)],
    "a ball of photons": [np.random.default_rng(0).poisson(ndimage.gaussian_filter(300 * BALL, 2)).astype(np.uint16)],
    **{
        f"a sharp ball, {blur}": subtract(120, [record(ndimage.gaussian_filter(3000 * BALL, blur), t) for t in (0, 1)])
        for blur in (0.5, 1, 2)
    },
    "saturated": [np.minimum(record(light(0, 5000, 40), t).astype(int) * 60, 65535).astype(np.uint16) for t in (0, 1)],
    "saturated at 12 bits": [np.minimum(record(light(0, 5000, 40), t) * 4, 4095) for t in (0, 1)],
    "a saturated half": [np.minimum(record(9e4 * np.exp(-(X / 60))), 65535)],
    "a dead frame": [FRAMES[0], np.zeros(SHAPE, np.uint16), FRAMES[2]],
    "all dark": [np.zeros(SHAPE, np.uint16)] * 2,
    "rounded to nothing": [record(seed=t, offset=5, noise=0.25).clip(0, 255).astype(np.uint8) for t in (0, 1)],
    "rounded to eighths": [frame // 8 * 8 for frame in FRAMES],
    "single photons": [np.random.default_rng(t).poisson(SCENE / 200).astype(np.uint16) for t in range(3)],
    "smoothed": [ndimage.median_filter(frame, 3) for frame in subtract(100)[:1]],
    "a cell cut out": [np.where(np.roll(SCENE, 5 * t, 1) > 40, np.roll(FRAMES[t], 5 * t, 1), 0) for t in range(3)],
    "a bead": [np.rint(5000 * np.exp(-((X - 80) ** 2 + (Y - 60) ** 2) / 8)).astype(np.uint16)],
    "tiny": [np.zeros((1, 3, 3), np.uint16), np.ones((1, 1, 1), np.uint16)],
}


@parametrize("name", list(FILLED), quick=2)
def test_fill_is_found(name):
    images, values = FILLED[name]
    fill = find_fill(images)
    assert sorted(fill.values) == values
    assert fill.rim == (name == "interpolated")


@parametrize("name", MEASURED, quick=2)
def test_darkness_is_no_fill(name):
    assert find_fill(MEASURED[name]).values == ()


def test_the_share_is_told():
    assert find_fill(skew()).share == pytest.approx(1 - SKEWED.mean(), abs=1e-9)
    assert find_fill(FILLED["beside a dead frame"][0]).share == pytest.approx(1 - SKEWED.mean(), abs=1e-9)


def test_darkness_that_is_solid_is_told_as_doubtful():
    ((value, share),) = find_fill(MEASURED["cut off 6 above it"]).doubtful
    assert (value, share) == (0, pytest.approx(0.78, abs=0.1))


def test_a_value_that_the_user_knows_is_described():
    fill = describe_fill(FILLED["interpolated"][0], [0])
    assert (fill.values, fill.rim) == ((0,), 1)
    assert describe_fill(FRAMES, [7]).share == 0
