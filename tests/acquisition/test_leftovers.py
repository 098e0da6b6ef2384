"""TIFFs that do not fit the pattern: those that a volume could lack stop it, the others are left out."""

import pytest

from lightsheet.acquisition.discovery import discover
from tests.acquisition.test_discovery import fill, reference_name, refusal

STACK = reference_name(0).removesuffix(".tif")


def test_parts_of_lattice_stacks_follow_each_other(tmp_path):
    fill(tmp_path, *(f"{STACK}{end}.tif" for end in ("_part0002", "", "_part0001")))
    (volume,) = discover(tmp_path).volumes
    assert [piece.path.stem.removeprefix(STACK) for piece in volume.pieces] == ["", "_part0001", "_part0002"]


def test_a_missing_part_of_a_lattice_stack(tmp_path):
    fill(tmp_path, f"{STACK}.tif", f"{STACK}_part0002.tif")
    assert "part 1 is missing from every tile" in refusal(tmp_path)


@pytest.mark.parametrize("end", ["-1", "_1", " (2)", "_b", "-file002", ".part2", "_p1", "_X10", "_rest", "_part1b"])
@pytest.mark.parametrize("suffix", [".tif", ".ome.TIFF"])
def test_a_name_that_goes_on(tmp_path, end, suffix):
    fill(tmp_path, f"{STACK}.tif", f"{STACK}{end}{suffix}")
    message = refusal(tmp_path)
    assert f"{STACK}{end}{suffix} would be left out" in message
    assert f"it continues the name of {STACK}.tif" in message
    assert discover(tmp_path, ignore=[f"{STACK}?*{suffix}"]).timepoints == 1


@pytest.mark.parametrize("end", ["_decon", "_decon_it10", "-MIP_xy", "_deskewed", " - Copy", "_8bit", "_PSF", "_mask2"])
def test_derived_files_are_left_out(tmp_path, end):
    fill(tmp_path, f"{STACK}.tif", f"{STACK}{end}.tif", f"MAX_{STACK}.tif", "overview_1.tif")
    assert len(discover(tmp_path).excluded_files) == 3


@pytest.mark.parametrize(
    "name", ["ch0_Z10.tif", "CH0_z10.tif", "ch0-z10.tif", "ch0_z 10.tif", "ch0_z-1.tif", "ch0_z9.5.tif"]
)
def test_a_plane_named_by_another_rule(tmp_path, name):
    fill(tmp_path, *(f"ch0_z{z}.tif" for z in range(10)), name)
    assert f"{name} would be left out" in refusal(tmp_path, "ch{channel}_z{plane}.tif")


@pytest.mark.parametrize(
    "change",
    [lambda name: name.upper(), lambda name: name.replace("_488nm", ""), lambda name: name.replace("stack", "stk")],
)
def test_a_volume_named_by_another_rule(tmp_path, change):
    fill(tmp_path, reference_name(0), reference_name(1), change(reference_name(2)))
    assert f"{change(reference_name(2))} would be left out" in refusal(tmp_path)


def test_numbers_of_planes_with_which_some_could_be_missing_are_told(tmp_path):
    remarks = discover(fill(tmp_path, *(f"z{z}.tif" for z in (5, 7, 9))), "z{plane}.tif").remarks
    assert remarks[0] == "The planes begin with number 5."
    assert remarks[1].startswith("The numbers of the planes go up by 2:")
    assert not discover(fill(tmp_path / "b", *(f"z{z}.tif" for z in (1, 2, 3))), "z{plane}.tif").remarks


def test_planes_of_another_channel_are_left_out(tmp_path):
    fill(tmp_path, *(f"CH{c}_z{z}.tif" for z in range(3) for c in (0, 1)), "psf.tif")
    acquisition = discover(tmp_path, "CH0_z{plane}.tif")
    assert len(acquisition.excluded_files) == 4


@pytest.mark.parametrize("field", ["part", "plane"])
def test_a_first_piece_without_a_number(tmp_path, field):
    fill(tmp_path, "CH0.tif", "CH0_0.tif", "CH0_1.tif")
    message = refusal(tmp_path, f"CH{{channel}}_{{{field}}}.tif")
    assert "CH0.tif would be left out" in message
    assert "CH0_1.tif continues its name" in message


def test_a_file_left_out_may_hold_the_planes_before_the_first(tmp_path):
    fill(tmp_path, *(f"CH0_{z}.tif" for z in range(5, 9)))
    assert len(discover(tmp_path, "CH{channel}_{plane}.tif").volumes[0].pieces) == 4
    fill(tmp_path, "first four.tif")
    message = refusal(tmp_path, "CH{channel}_{plane}.tif")
    assert "first four.tif would be left out" in message
    assert "the others begin with 5, not with 0 or 1" in message
