"""What is missing of volumes in folders of empty files, against what a person would see missing."""

import pytest

from lightsheet.acquisition.discovery import discover
from lightsheet.system import InputError
from tests.acquisition.test_discovery import fill, refusal, scan_name

# --- Planes and parts


@pytest.mark.parametrize(
    ("planes", "missing", "following"), [((0, 1, 3, 4), 2, 3), ((0, 20, 40, 100), 60, 100), ((5, 8, 9), 6, 8)]
)
def test_planes_at_uneven_distances_are_refused(tmp_path, planes, missing, following):
    fill(tmp_path, *(f"t{t}_z{z:03d}.tif" for t in (0, 1) for z in planes))
    message = refusal(tmp_path, "t{timepoint}_z{plane}.tif", missing="fill")
    assert f"plane {missing} is missing from every tile (plane {following} is the next)" in message
    assert "input.ignore" in message


def test_a_volume_that_lacks_planes_is_no_hole(tmp_path):
    fill(tmp_path, *(f"t{t}_z{z}.tif" for t in (0, 1, 2) for z in range(5) if (t, z) not in {(1, 3), (1, 4)}))
    for missing in ("error", "fill"):
        message = refusal(tmp_path, "t{timepoint}_z{plane}.tif", missing=missing)
        assert "timepoint 1 of ch0 lacks 2 of 5 planes, first plane 3; copy" in message
        assert "with input.ignore (input.missing: fill then records a hole)" in message
        assert 'to which you add "t1_z*.tif", or the plane wherever it is' in message
        assert "input.settle" not in message
    acquisition = discover(tmp_path, "t{timepoint}_z{plane}.tif", ["t1_z*.tif"], missing="fill")
    assert acquisition.holes == (("ch0", 1),)


PLANES = {
    "C[1]_t0{t}_z{z}.tif": "C[[]1]_t01_z*.tif",
    "TP{t}/C0/plane_{z}.tif": "TP1/C0/plane_*.tif",
    "z{z}_t{t}.tif": "z*_t1.tif",
}


@pytest.mark.parametrize(("name", "glob"), PLANES.items())
def test_the_pattern_that_leaves_out_what_lacks_planes_fits_nothing_else(tmp_path, name, glob):
    fill(tmp_path, *(name.format(t=t, z=z) for t in range(3) for z in range(5) if (t, z) != (1, 3)))
    pattern = name.format(t="{timepoint}", z="{plane}")
    with pytest.raises(InputError, match="timepoint 1 of ") as error:
        discover(tmp_path, pattern)
    assert error.value.ignore == (glob,)
    assert len(discover(tmp_path, pattern, [glob], missing="fill").holes) == 1
    assert "the plane wherever" not in str(error.value), "others have planes on both sides of it"


def test_of_a_timepoint_that_has_not_yet_arrived_settle_is_named(tmp_path):
    fill(
        tmp_path, *(f"c{c}_t{t}_z{z}.tif" for t in range(3) for c in "ab" for z in range(9) if (t, c, z) < (2, "b", 4))
    )
    message = refusal(tmp_path, "c{channel}_t{timepoint}_z{plane}.tif")
    assert "timepoint 2 of b lacks 5 of 9 planes" in message
    assert "or, while the microscope still writes, leave it for the next run with input.settle: 60" in message


def test_how_many_more_volumes_lack_planes_is_told(tmp_path):
    fill(tmp_path, *(f"t{t}_z{z}.tif" for t in range(30) for z in range(3) if t % 2 == 0 or z != 1))
    message = refusal(tmp_path, "t{timepoint}_z{plane}.tif")
    assert (
        "timepoint 1 of ch0 lacks 1 of 3 planes, first plane 1 (and 14 more of the 30 volumes lack some); copy"
        in message
    )


@pytest.mark.parametrize("stray", ["t3_z5.tif", "t3_z40.tif"])
def test_one_plane_too_many_is_named(tmp_path, stray):
    template = "t{timepoint}_z{plane}.tif"
    fill(tmp_path, *(f"t{t}_z{z}.tif" for t in range(7) for z in range(5)), stray)
    with pytest.raises(InputError) as error:
        discover(tmp_path, template)
    assert f"{stray} is beyond what the other volumes have: leave it out with input.ignore" in str(error.value)
    assert error.value.ignore == (stray,)
    assert discover(tmp_path, template, error.value.ignore).holes == ()
    (tmp_path / "t1_z2.tif").unlink()
    assert "beyond" not in refusal(tmp_path, template), "one lacks a plane that the others have"


def test_of_two_volumes_nobody_knows_which_has_a_plane_too_many(tmp_path):
    fill(tmp_path, *(f"t{t}_z{z}.tif" for t in range(2) for z in range(5)), "t1_z5.tif")
    assert "timepoint 0 of ch0 lacks 1 of 6 planes, first plane 5" in refusal(tmp_path, "t{timepoint}_z{plane}.tif")


def test_a_plane_of_one_tile(tmp_path):
    fill(tmp_path, *(f"x{x}_z{z}.tif" for x in (0, 1) for z in range(3) if (x, z) != (1, 2)))
    assert "lacks 1 of 6 files, first x=1, y=0, z=0, plane 2;" in refusal(tmp_path, "x{x}_z{plane}.tif")


@pytest.mark.parametrize(("parts", "missing"), [((0, 2), 1), ((1, 2), 0), ((2,), 0)])
def test_a_part_of_a_stack(tmp_path, parts, missing):
    fill(tmp_path, *(f"a_{part}.tif" for part in parts))
    message = refusal(tmp_path, "a_{part}.tif")
    assert f"part {missing} is missing from every tile" in message


# --- Tiles


def test_a_volume_that_lacks_a_tile_is_refused(tmp_path):
    places = [(t, x, y) for t in range(2) for x in (0, 1) for y in (2, 3)]
    fill(tmp_path, *(scan_name(t, "CamA", x, y) for t, x, y in places if (t, x, y) != (1, 1, 2)))
    message = refusal(tmp_path)
    assert "timepoint 1 of CamA_ch0_488nm lacks 1 of 4 tiles, first x=1, y=2, z=0" in message


def test_a_column_that_lacks_all_its_tiles_is_refused(tmp_path):
    fill(tmp_path, *(scan_name(0, "CamA", x) for x in (0, 1, 3)))
    assert "no tile lies between x=1 and x=3" in refusal(tmp_path)


def test_stage_positions_that_make_no_grid_take_no_memory(tmp_path):
    fill(tmp_path, *(f"x{i**2}_y{2 * i**2}_z{3 * i**2}.tif" for i in (*range(7, 306), 311)))
    assert "lacks 26999700 of 27000000 tiles, first x=64, y=98, z=147" in refusal(tmp_path, "x{x}_y{y}_z{z}.tif")


def test_where_no_two_volumes_have_a_tile_in_common_none_is_a_stray(tmp_path):
    fill(tmp_path, *(f"t{t}_x{10 * t + x}.tif" for t in range(4) for x in range(1 + (t == 3))))
    assert "beyond what the other volumes have" not in refusal(tmp_path, "t{timepoint}_x{x}.tif")
