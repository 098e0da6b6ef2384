"""Folders of (mostly empty) files, against the volumes that a person would find in them."""

import csv
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from lightsheet import acquisition, tiff
from lightsheet.acquisition import discover, write_inventory
from lightsheet.errors import InputError

TEMPLATE = "CH{channel}_{timepoint}.tif"


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def reference_name(stack: int, channel: int = 0, msec: int | None = None, prefix: str = "ex6-2", start=1291795) -> str:
    """Write a name of the reference acquisition: time in stackNNNN, 0000t fixed, 43.7485 s apart."""
    camera, nm = ("CamA", 560) if channel else ("CamB", 488)
    msec = round(stack * 43748.5) if msec is None else msec
    return (
        f"{prefix}_{camera}_ch{channel}_CAM1_stack{stack:04d}_{nm}nm_{msec:07d}msec_{start + msec:010d}msecAbs"
        "_000x_000y_000z_0000t.tif"
    )


def scan_name(time: int, camera: str = "CamA", x: int = 0, y: int = 0, z: int = 0) -> str:
    """Write a name of a tiled scan: time in NNNNt and the second Iter, stack and msec fixed at 0."""
    clock = 106060251 + 154792 * time + 100 * (x + 10 * y)
    return (
        f"Scan_Iter_0000_{time:04d}_{camera}_ch0_CAM1_stack0000_488nm_0000000msec_{clock:010d}msecAbs"
        f"_{x:03d}x_{y:03d}y_{z:03d}z_{time:04d}t.tif"
    )


def file_names(found: acquisition.Acquisition) -> dict[tuple[str, int], list[str]]:
    return {(v.channel, v.timepoint): [tile.path.name for tile in v.tiles] for v in found.volumes}


def refusal(folder: Path, *args: object) -> str:
    with pytest.raises(InputError) as error:
        discover(folder, *args)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- What is found


def test_reference_acquisition(tmp_path):
    names = {("CamA_ch1_560nm" if c else "CamB_ch0_488nm", t): [reference_name(t, c)] for t in range(5) for c in (0, 1)}
    fill(tmp_path, "notes.txt", *(name for [name] in names.values()))
    found = discover(tmp_path)
    assert found.folder == tmp_path
    assert found.channels == ("CamA_ch1_560nm", "CamB_ch0_488nm")
    assert found.wavelengths == {"CamA_ch1_560nm": 560, "CamB_ch0_488nm": 488}
    assert (found.timepoints, found.grid) == (5, (1, 1, 1))
    assert file_names(found) == names
    assert [(v.timepoint, v.channel) for v in found.volumes] == sorted((t, c) for c, t in names)
    assert found.volumes[0].tiles[0].position == (0, 0, 0)
    # The names round to milliseconds: 43748.5 to the even neighbour.
    assert found.seconds == (0.0, 43.748, 87.497, 131.246, 174.994)
    assert found.interval == pytest.approx(43.7485, abs=1e-3)
    assert (found.left_out, found.remarks) == ((), ())


def test_tiled_scan_in_time(tmp_path):
    fill(tmp_path, *(scan_name(t, c, x, y) for t in range(3) for c in ("CamA", "CamB") for x in (0, 1) for y in (2, 3)))
    found = discover(tmp_path)
    assert (found.timepoints, found.grid) == (3, (1, 2, 2))
    for volume in found.volumes:
        for tile in volume.tiles:
            z, y, x = tile.position
            assert z == 0
            assert tile.path.name == scan_name(volume.timepoint, volume.channel[:4], x, y + 2)
    # msec stands still at 0, so the seconds come from msecAbs.
    assert found.seconds == (0.0, 154.792, 309.584)
    assert found.remarks == ()


def test_negative_tiles_and_stage_positions_are_ranked(tmp_path):
    positions = list(product((-1, 0), (-250, 13, 300)))
    fill(tmp_path, *(f"z{z}_x{x}_t4.tif" for z, x in positions))
    found = discover(tmp_path, "z{z}_x{x}_t{timepoint}.tif")
    assert found.grid == (2, 1, 3)
    assert [tile.path.name for tile in found.volumes[0].tiles] == [f"z{z}_x{x}_t4.tif" for z, x in positions]
    assert [tile.position for tile in found.volumes[0].tiles] == list(product((0, 1), (0,), (0, 1, 2)))


def test_template_in_natural_order_from_one(tmp_path):
    fill(tmp_path, *(f"CH{c}_{t}.tif" for c in (2, 10) for t in range(1, 13)))
    found = discover(tmp_path, TEMPLATE)
    assert found.channels == ("ch2", "ch10")
    assert found.wavelengths == {"ch2": None, "ch10": None}
    assert [file_names(found)["ch10", t] for t in range(12)] == [[f"CH10_{t}.tif"] for t in range(1, 13)]


@given(st.sets(st.sampled_from(list(product(("GFP", "2"), range(7, 10), (-1, 0, 1)))), min_size=1))
def test_only_complete_acquisitions_are_accepted(keys):
    channels, times, columns = (sorted(set(values)) for values in zip(*keys, strict=True))
    complete = set(product(channels, times, columns)) == keys and times[-1] - times[0] == len(times) - 1
    with tempfile.TemporaryDirectory() as name:
        folder = fill(Path(name), *(f"{c}_t{t}_x{x}.tif" for c, t, x in keys))
        try:
            found = discover(folder, "{channel}_t{timepoint}_x{x}.tif")
        except InputError:
            assert not complete
        else:
            assert complete
            assert file_names(found) == {
                ("ch2" if c == "2" else c, t - times[0]): [f"{c}_t{t}_x{x}.tif" for x in columns]
                for c in channels
                for t in times
            }


def test_a_full_size_folder(tmp_path):
    fill(tmp_path, *(reference_name(t, c) for t in range(300) for c in (0, 1)))
    found = discover(tmp_path)
    assert (len(found.volumes), found.timepoints) == (600, 300)


def test_importing_it_loads_no_heavy_library():
    heavy = "{'numpy', 'tifffile', 'dask'}"
    code = f"import sys, lightsheet.acquisition; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- What is left out, and remarks


def test_files_left_out_are_named_with_the_reason(tmp_path):
    fill(tmp_path, reference_name(0), "._" + reference_name(0), "old_CamB_ch0_stack0000_488nm.tif", "psf.TIF")
    fill(tmp_path, reference_name(0).replace(".tif", "_decon.tif"), "notes.txt")
    (tmp_path / "folder.tif").mkdir()
    found = discover(tmp_path, "lattice", ["old_*"])
    reasons = dict(found.left_out)
    assert [volume.tiles[0].path.name for volume in found.volumes] == [reference_name(0)]
    assert len(reasons) == 5
    assert "hidden" in reasons["._" + reference_name(0)]
    assert "'old_*'" in reasons["old_CamB_ch0_stack0000_488nm.tif"]
    assert "expected a channel" in reasons["psf.TIF"]
    assert "looks derived" in reasons[reference_name(0).replace(".tif", "_decon.tif")]
    assert "not a file" in reasons["folder.tif"]


def test_several_prefixes_are_remarked(tmp_path):
    fill(tmp_path, reference_name(0, prefix="a"), reference_name(1, prefix="b"))
    [remark] = discover(tmp_path).remarks
    assert "2 ways: 'a', 'b'" in remark


# --- What is refused


def test_missing_tile(tmp_path):
    every = [(t, x, y) for t in range(2) for x in (0, 1) for y in (2, 3)]
    fill(tmp_path, *(scan_name(t, "CamA", x, y) for t, x, y in every if (t, x, y) != (1, 1, 2)))
    message = refusal(tmp_path)
    assert "timepoint 1 of CamA_ch0_488nm lacks 1 of 4 tiles, first x=1, y=2, z=0" in message


def test_missing_column_of_tiles(tmp_path):
    fill(tmp_path, *(scan_name(0, "CamA", x) for x in (0, 1, 3)))
    assert "no tile lies between x=1 and x=3" in refusal(tmp_path)


def test_folder_that_is_none(tmp_path):
    assert f"{tmp_path / 'absent'}: no such folder" in refusal(tmp_path / "absent")
    (tmp_path / "file").touch()
    assert "not a folder" in refusal(tmp_path / "file")
    assert "no TIFF file" in refusal(fill(tmp_path / "empty", "notes.txt"))


def test_nothing_fits_shows_how_the_first_names_were_read(tmp_path):
    fill(tmp_path, *(f"ex_ch0_stock{t:04d}_488nm.tif" for t in range(12)))
    message = refusal(tmp_path)
    assert "none of its 12 TIFF files can be used; set input.pattern" in message
    assert message.count("reading stopped after 'ex_ch0'") == 3
    assert "ex_ch0_stock0002_488nm.tif" in message
    assert "ignored by '*'" in refusal(tmp_path, "lattice", ["*"])


def test_wrong_pattern_is_not_taken_for_the_files_fault(tmp_path):
    fill(tmp_path, "CH0_0.tif")
    assert "did you mean {channel}" in refusal(tmp_path, "CH{chanel}_{timepoint}.tif")


# --- The inventory


def test_inventory(tmp_path):
    folder = fill(tmp_path / "data", *(scan_name(t, "CamA", x) for t in (0, 1) for x in (0, 1)))
    (folder / scan_name(1, "CamA", 1)).write_bytes(b"12345")
    table = tmp_path / "inventory.csv"
    table.write_text("older")
    write_inventory(discover(folder), table)
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == [scan_name(t, "CamA", x) for t in (0, 1) for x in (0, 1)]
    assert rows[3] == {
        "file": scan_name(1, "CamA", 1),
        "channel": "CamA_ch0_488nm",
        "wavelength_nm": "488",
        "timepoint": "1",
        "tile": "z0y0x1",
        "seconds": "154.792",
        "bytes": "5",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"data", "inventory.csv"}


def test_inventory_leaves_empty_what_is_unknown(tmp_path):
    fill(tmp_path, "CH0_0.tif")
    write_inventory(discover(tmp_path, TEMPLATE), tmp_path / "inventory.csv")
    assert (tmp_path / "inventory.csv").read_text().splitlines()[1] == "CH0_0.tif,ch0,,0,z0y0x0,,0"


# --- As one array


def test_open_equals_the_assembly_by_hand(tmp_path):
    rng = np.random.default_rng(1)
    expected = rng.integers(0, 60000, (2, 3, 2, 2 * 4, 3 * 5), dtype=np.uint16)
    for c, t, y, x in product(range(2), range(3), range(2), range(3)):
        pixels = expected[c, t, :, 4 * y : 4 * y + 4, 5 * x : 5 * x + 5]
        tifffile.imwrite(tmp_path / scan_name(t, f"Cam{'AB'[c]}", x, y), pixels, photometric="minisblack")
    array = acquisition.open(tmp_path)
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
    assert array.chunks == ((1, 1), (1, 1, 1), (2,), (4, 4), (5, 5, 5))
    np.testing.assert_array_equal(array.compute(scheduler="synchronous"), expected)


def test_open_reads_only_what_is_asked(tmp_path, monkeypatch):
    read = []
    whole = tiff.read
    monkeypatch.setattr(tiff, "read", lambda path: read.append(path.name) or whole(path))
    for t in range(3):
        tifffile.imwrite(tmp_path / f"CH0_{t}.tif", np.full((2, 4, 5), t, np.uint8), photometric="minisblack")
    array = acquisition.open(tmp_path, TEMPLATE)
    assert read == []
    assert array[0, 2].compute(scheduler="synchronous").max() == 2
    assert read == ["CH0_2.tif"]


def test_open_names_the_file_of_another_shape(tmp_path):
    tifffile.imwrite(tmp_path / "CH0_0.tif", np.zeros((2, 4, 5), np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "CH0_1.tif", np.zeros((3, 4, 5), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match=r"CH0_1\.tif"):
        acquisition.open(tmp_path, TEMPLATE).compute(scheduler="synchronous")
