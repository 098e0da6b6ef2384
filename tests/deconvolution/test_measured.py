"""Which voxels were measured, against masks that are known because the fill was put there."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import ndimage

from lightsheet.deconvolution import find_measured

SHAPE = (20, 40, 50)
Z, Y, X = np.indices(SHAPE)
IMAGE = np.random.default_rng(0).integers(90, 110, SHAPE).astype(np.uint16)

INSIDE = {
    "deskewed along x": (X >= Z) & (X < Z + 30),
    "deskewed along y": (Y >= 19 - Z) & (Y < 39 - Z),
    "rotated": np.abs(X - 25) + np.abs(Y - 20) < 19,
    "rotated about y": np.abs(X - 25) / 2 + np.abs(Z - 10) < 9,
    "stitched": ((Y < 20) & (X < 30)) | ((Y >= 18) & (X > 15)),
    "padded": (X < 40) & (Y > 0),
    "first planes": Z > 1,
    "none of it": np.zeros(SHAPE, bool),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_was_filled_is_found(name):
    inside = INSIDE[name]
    measured = find_measured(np.where(inside, IMAGE, 0), [0])
    assert np.array_equal(np.stack(list(measured)), inside)
    assert measured.count() == inside.sum()


def test_nothing_is_found_where_all_was_measured():
    image = IMAGE.copy()
    image[5:9, 10:20, 10:20] = 0  # touches no border
    image[3, 0, 4] = image[2, 5, :7] = 0
    assert find_measured(image, [0]) is None, "a few pixels at the border are no fill"


@given(st.tuples(*[st.tuples(st.integers(0, n - 1), st.integers(1, n)) for n in SHAPE]), st.sampled_from([*INSIDE]))
def test_the_mask_of_a_part_is_the_part_of_the_mask(spans, name):
    region = tuple(slice(start, min(start + size, n)) for (start, size), n in zip(spans, SHAPE, strict=True))
    measured = find_measured(np.where(INSIDE[name], IMAGE, 0), [0])
    part = measured[region]
    assert part.shape == IMAGE[region].shape
    assert np.array_equal(np.stack(list(part)), INSIDE[name][region])
    assert part.is_whole == INSIDE[name][region].all()


def test_mixtures_beside_fill_are_left_out():
    inside = INSIDE["deskewed along x"]
    measured = np.stack(list(find_measured(np.where(inside, IMAGE, 0), [0], rim=1)))
    beside = ndimage.binary_dilation(~inside, np.array([[[0, 0, 0], [1, 1, 1], [0, 0, 0]]]))
    assert not (measured & beside).any()
    deep = ndimage.binary_erosion(inside, iterations=2, border_value=1)
    assert measured[deep].all(), "no more than that"


def test_fill_may_have_several_values():
    inside = INSIDE["rotated"]
    image = np.where(inside, IMAGE, np.where(X < 25, 0, 7))
    assert np.array_equal(np.stack(list(find_measured(image, [0, 7]))), inside)


def test_masks_that_differ_have_other_bytes():
    one, other = (find_measured(np.where(INSIDE[name], IMAGE, 0), [0]) for name in ("rotated", "stitched"))
    assert one.tobytes() != other.tobytes()
    assert one.tobytes() == find_measured(np.where(INSIDE["rotated"], IMAGE, 0), [0]).tobytes()
