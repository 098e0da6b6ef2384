"""Stage scans shown straight, against an affine transform by SciPy and points whose places are known."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.ndimage import affine_transform

from lightsheet.scan import deskew
from lightsheet.system import InputError
from tests.support import examples
from tests.support.stage_scan import list_scan_positions, scan_points

SCANS = [
    {"angle": 31.8, "step": 0.4, "pixel": 0.104},
    {"angle": 32.8, "step": 0.25, "pixel": 0.1},
    {"angle": 45.0, "step": 0.1, "pixel": 0.4},  # less than a pixel
    {"angle": 60.0, "step": 0.4, "pixel": 0.1},  # 2 pixels, exactly
]


def transform(volume, scan, direction, axis, fill):
    """Deskew by SciPy's affine transform, from the formula."""
    shift = scan["step"] * math.cos(math.radians(scan["angle"])) / scan["pixel"]
    matrix, number, start = np.eye(3), {"y": 1, "x": 2}[axis], np.zeros(3)
    matrix[number, 0] = -direction * shift
    if direction == -1:
        start[number] = -(len(volume) - 1) * shift
    shape = list(volume.shape)
    shape[number] += math.ceil(round((len(volume) - 1) * shift, 9))
    # Rounding can put the edge of a plane just outside, where SciPy would fill.
    return affine_transform(
        volume, matrix.round(12), start.round(12), tuple(shape), order=1, cval=fill, prefilter=False
    )


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("scan", SCANS)
def test_it_agrees_with_an_affine_transform(scan, direction, axis):
    """To float32's rounding of values up to 1."""
    volume = np.random.default_rng(0).random((9, 13, 17))
    expected = transform(volume, scan, direction, axis, -1.0)
    result = deskew(volume, **scan, direction=direction, axis=axis, fill=-1.0)
    assert (result.shape, result.dtype) == (expected.shape, np.float32)
    edge = np.isclose(expected, -1) != (result == -1)
    assert edge.sum() <= 13 * 9  # a column of each plane, where a whole number of pixels is rounded
    np.testing.assert_allclose(result[~edge], expected[~edge], atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float64, ">u2"])
def test_counts_of_any_dtype_are_moved(dtype):
    volume = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(dtype)
    result = deskew(volume, angle=60, step=0.4, pixel=0.1)
    assert result.shape == (3, 4, 9)
    for k in range(3):
        np.testing.assert_array_equal(result[k, :, 2 * k : 2 * k + 5], volume[k])
    assert result.sum() == volume.sum()


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("direction", [1, -1])
def test_points_lie_where_they_are(direction, axis):
    """Within 0.1 voxel, the distance between planes included."""
    scan = {"angle": 31.8, "step": 0.3, "pixel": 0.1, "direction": direction, "axis": axis}
    shape = (30, 40, 40)
    points = np.array([[12.3, 22.4, 20.7], [17.6, 17.2, 22.1]])  # (plane, y, x) on the camera
    for point in points:
        volume = scan_points(shape, point[None], scan, width=2.0)
        straight = deskew(volume, **scan)
        expected = list_scan_positions(point[None], shape, scan)[0]
        centre = [(np.indices(straight.shape)[n] * straight).sum() / straight.sum() for n in range(3)]
        np.testing.assert_allclose(centre, expected, atol=0.1)


@examples.take(2)
@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.floats(1, 89),
    st.floats(0.05, 1),
    st.sampled_from([1, -1]),
    st.sampled_from("xy"),
)
def test_any_shape_and_angle_is_deskewed(shape, angle, step, direction, axis):
    """Constant volumes stay constant where they were measured; all of each plane but a pixel is there."""
    scan = {"angle": angle, "step": step, "pixel": 0.1, "direction": direction, "axis": axis}
    result = deskew(np.full(shape, 7, np.uint8), **scan, fill=math.nan)
    measured = np.isfinite(result)
    np.testing.assert_allclose(result[measured], 7, rtol=1e-6)
    assert measured.sum() >= np.prod(shape) - shape[0] * max(shape)
    assert measured.sum() <= np.prod(shape)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"angle": 0}, "angle: 0"),
        ({"angle": 90}, "angle: 90"),
        ({"step": 0}, "step: 0"),
        ({"pixel": math.inf}, "pixel: inf"),
        ({"direction": 0}, "direction: 0"),
        ({"axis": "z"}, "axis: 'z'"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        deskew(np.zeros((2, 2, 2)), **{"angle": 30, "step": 0.3, "pixel": 0.1, **change})


def test_what_is_no_volume_is_refused():
    with pytest.raises(InputError, match=r"\(4, 4\)"):
        deskew(np.zeros((4, 4)), angle=30, step=0.3, pixel=0.1)
