"""What a sample says of how a channel was scanned: told, and refused where it is certain."""

import numpy as np
import pytest

from lightsheet.processing.straightness import describe_shift, measure_shift, refuse_shift
from lightsheet.system.errors import InputError
from tests.scan.test_plane_shift import record

VOXEL = {"z": 0.2, "y": 0.1, "x": 0.1}
SCAN = {"angle": 31.5, "step": 0.383, "axis": "x", "direction": 1}  # by 3.27 pixels from plane to plane
STRAIGHT = {"y": 0.02, "x": -0.1, "pairs": 24}


def shift_by(x, y=0.0):
    return {"y": y, "x": x, "pairs": 24}


def test_the_shift_of_a_stage_scan_and_of_a_straight_volume_is_measured():
    scan, straight = np.concatenate(record(-3.27)), np.concatenate(record(0))
    assert measure_shift({0: straight, 5: scan, 9: straight}, 200)["x"] == pytest.approx(-3.27, abs=0.1)
    assert measure_shift({0: scan, 5: np.full_like(scan, 100), 9: scan}, 200)["x"] == pytest.approx(-3.27, abs=0.1)
    still = measure_shift({0: straight}, 200)
    assert (still["y"], still["x"]) == pytest.approx((0, 0), abs=0.1)
    assert measure_shift({0: scan.swapaxes(1, 2)}, 200)["y"] == pytest.approx(-3.27, abs=0.1)


def test_a_volume_that_was_read_whole_is_one_slab():
    whole = np.concatenate(record(3.27))[:12]
    assert measure_shift({0: whole[:8]}, 8)["pairs"] == 7
    assert measure_shift({0: whole[:3]}, 3) is None


def test_planes_that_move_are_told_and_refused_unless_straight_is_written():
    sentence = describe_shift(shift_by(-3.27), None, {**VOXEL, "z": 0.2})
    assert "looks like a raw stage scan: each plane lies 3.27 voxels along x beside the one before" in sentence
    assert "{kind: stage, angle: 31.5, step: 0.383, axis: x, direction: 1} fits if voxel_size.z is the dist" in sentence
    assert sentence.endswith("input.scan: straight is right")
    with pytest.raises(InputError, match=r"key input\.scan: GFP: it looks like a raw stage scan.*angle: 31\.5"):
        refuse_shift("GFP", shift_by(-3.27), "auto", VOXEL)
    refuse_shift("GFP", shift_by(-3.27), "straight", VOXEL)
    assert "if it is the step" in describe_shift(shift_by(-2.5), None, {**VOXEL, "z": 0.3})


@pytest.mark.parametrize("shift", [None, STRAIGHT, shift_by(0.6), shift_by(-3.2, 2.9)])
def test_planes_that_do_not_move_as_a_stage_does_are_right(shift):
    assert describe_shift(shift, None, VOXEL) == ""
    refuse_shift("GFP", shift, "auto", VOXEL)


def test_what_moves_less_than_any_stage_for_its_depth_is_a_slanted_or_drifting_sample():
    coarse = {**VOXEL, "z": 0.3}
    assert describe_shift(shift_by(1.1), None, coarse) == ""
    refuse_shift("GFP", shift_by(1.1), "auto", coarse)


def test_what_no_stage_does_with_this_voxel_size_is_refused_with_the_key():
    with pytest.raises(InputError, match=r"voxel_size\.z and voxel_size\.x as they are no stage moves so"):
        refuse_shift("GFP", shift_by(-3.27), "auto", {**VOXEL, "z": 0.02})


@pytest.mark.parametrize(
    ("shift", "right"),
    [
        (shift_by(3.2), "axis: x, direction: -1"),
        (shift_by(0.1, 3.4), "axis: y, direction: -1"),
        (shift_by(0.1, -3.4), "axis: y, direction: 1"),
    ],
)
def test_the_wrong_sign_or_axis_of_a_stage_scan_is_refused(shift, right):
    with pytest.raises(InputError, match=rf"would move planes by -3\.27 voxels along x .* {right}}} fits"):
        refuse_shift("GFP", shift, {"kind": "stage", **SCAN}, VOXEL)
    assert right in describe_shift(shift, SCAN, VOXEL)


@pytest.mark.parametrize(
    ("shift", "sentence"),
    [
        (STRAIGHT, "if they were deskewed before, input.scan: straight"),
        (shift_by(-2.7), "look whether angle, step and voxel_size.x are right"),
        (shift_by(1.2), "look whether"),
    ],
)
def test_other_contradictions_of_a_stage_scan_are_told(shift, sentence):
    refuse_shift("GFP", shift, {"kind": "stage", **SCAN}, VOXEL)
    assert sentence in describe_shift(shift, SCAN, VOXEL)


@pytest.mark.parametrize("shift", [None, shift_by(-3.27), shift_by(-3.0, 0.3), shift_by(-3.6)])
def test_a_stage_scan_that_fits_is_right(shift):
    assert describe_shift(shift, SCAN, VOXEL) == ""
    refuse_shift("GFP", shift, {"kind": "stage", **SCAN}, VOXEL)
