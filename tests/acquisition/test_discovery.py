"""Folders of (mostly empty) files, against the volumes that a person would find in them."""

import subprocess
import sys
import tempfile
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, strategies as st

from lightsheet.acquisition import lazy, model
from lightsheet.acquisition.discovery import discover
from lightsheet.sources import tiff_pixels, tiff_stack
from lightsheet.system.errors import InputError
from tests.support.cpu_time import measure_cpu

TEMPLATE = "CH{channel}_{timepoint}.tif"


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
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


def file_names(acquisition: model.Acquisition) -> dict[tuple[str, int], list[str]]:
    return {
        (v.channel, v.timepoint): [piece.path.name for tile in v.tiles for piece in tile.pieces]
        for v in acquisition.volumes
    }


def refusal(folder: Path, *args: object, **kwargs: object) -> str:
    with pytest.raises(InputError) as error:
        discover(folder, *args, **kwargs)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- What is found


def test_the_names_of_the_reference_acquisition_are_understood(tmp_path):
    names = {("CamA_ch1_560nm" if c else "CamB_ch0_488nm", t): [reference_name(t, c)] for t in range(5) for c in (0, 1)}
    fill(tmp_path, "notes.txt", *(name for [name] in names.values()))
    acquisition = discover(tmp_path)
    assert acquisition.folder == tmp_path
    assert acquisition.channels == ("CamA_ch1_560nm", "CamB_ch0_488nm")
    assert acquisition.wavelengths == {"CamA_ch1_560nm": 560, "CamB_ch0_488nm": 488}
    assert (acquisition.timepoints, acquisition.grid) == (5, (1, 1, 1))
    assert file_names(acquisition) == names
    assert [(v.timepoint, v.channel) for v in acquisition.volumes] == sorted((t, c) for c, t in names)
    assert acquisition.volumes[0].tiles[0].position == (0, 0, 0)
    # The names round to milliseconds: 43748.5 to the even neighbour.
    assert acquisition.seconds == (0.0, 43.748, 87.497, 131.246, 174.994)
    assert acquisition.interval == pytest.approx(43.7485, abs=1e-3)
    assert (acquisition.excluded_files, acquisition.remarks) == ((), ())


def test_tiles_of_a_scan_in_time_get_their_places_and_seconds(tmp_path):
    fill(tmp_path, *(scan_name(t, c, x, y) for t in range(3) for c in ("CamA", "CamB") for x in (0, 1) for y in (2, 3)))
    acquisition = discover(tmp_path)
    assert (acquisition.timepoints, acquisition.grid) == (3, (1, 2, 2))
    for volume in acquisition.volumes:
        for tile in volume.tiles:
            z, y, x = tile.position
            assert z == 0
            assert tile.pieces[0].path.name == scan_name(volume.timepoint, volume.channel[:4], x, y + 2)
    # msec stands still at 0, so the seconds come from msecAbs.
    assert acquisition.seconds == (0.0, 154.792, 309.584)
    assert acquisition.remarks == ()


def test_negative_tiles_and_stage_positions_are_ranked(tmp_path):
    positions = list(product((-1, 0), (-250, 13, 300)))
    fill(tmp_path, *(f"z{z}_x{x}_t4.tif" for z, x in positions))
    acquisition = discover(tmp_path, "z{z}_x{x}_t{timepoint}.tif")
    assert acquisition.grid == (2, 1, 3)
    assert [tile.pieces[0].path.name for tile in acquisition.volumes[0].tiles] == [
        f"z{z}_x{x}_t4.tif" for z, x in positions
    ]
    assert [tile.position for tile in acquisition.volumes[0].tiles] == list(product((0, 1), (0,), (0, 1, 2)))


def test_template_in_natural_order_from_one(tmp_path):
    fill(tmp_path, *(f"CH{c}_{t}.tif" for c in (2, 10) for t in range(1, 13)))
    acquisition = discover(tmp_path, TEMPLATE)
    assert acquisition.channels == ("ch2", "ch10")
    assert acquisition.wavelengths == {"ch2": None, "ch10": None}
    assert [file_names(acquisition)["ch10", t] for t in range(12)] == [[f"CH10_{t}.tif"] for t in range(1, 13)]


@given(st.sets(st.sampled_from(list(product(("GFP", "2"), range(7, 10), (-1, 0, 1)))), min_size=1))
def test_only_complete_acquisitions_are_accepted(keys):
    channels, times, columns = (sorted(set(values)) for values in zip(*keys, strict=True))
    complete = set(product(channels, times, columns)) == keys and times[-1] - times[0] == len(times) - 1
    with tempfile.TemporaryDirectory() as name:
        folder = fill(Path(name), *(f"{c}_t{t}_x{x}.tif" for c, t, x in keys))
        try:
            acquisition = discover(folder, "{channel}_t{timepoint}_x{x}.tif")
        except InputError:
            assert not complete
        else:
            assert complete
            assert file_names(acquisition) == {
                ("ch2" if c == "2" else c, t - times[0]): [f"{c}_t{t}_x{x}.tif" for x in columns]
                for c in channels
                for t in times
            }


def test_planes_are_stacked_by_their_number(tmp_path):
    # As text, 10 comes before 5; a step of 5 leaves no plane out.
    names = {(c, t): [f"c{c}_t{t}_z{z}.tif" for z in (0, 5, 10)] for c in (0, 1) for t in (0, 1)}
    fill(tmp_path, *(name for stack in names.values() for name in stack))
    acquisition = discover(tmp_path, "c{channel}_t{timepoint}_z{plane}.tif")
    assert (acquisition.channels, acquisition.timepoints, acquisition.grid) == (("ch0", "ch1"), 2, (1, 1, 1))
    assert file_names(acquisition) == {(f"ch{c}", t): stack for (c, t), stack in names.items()}
    assert {len(volume.tiles) for volume in acquisition.volumes} == {1}
    assert {piece.pages for volume in acquisition.volumes for piece in volume.tiles[0].pieces} == {None}


def test_planes_are_stacked_into_the_tiles_that_their_names_say(tmp_path):
    fill(tmp_path, *(f"x{x}_y{y}_{z:02d}.tif" for x in (0, 700) for y in (-3, 4) for z in range(1, 12)))
    acquisition = discover(tmp_path, "x{x}_y{y}_{plane}.tif")
    [volume] = acquisition.volumes
    assert {tile.position: [piece.path.name for piece in tile.pieces] for tile in volume.tiles} == {
        (0, j, i): [f"x{x}_y{y}_{z:02d}.tif" for z in range(1, 12)]
        for i, x in enumerate((0, 700))
        for j, y in enumerate((-3, 4))
    }


def test_rolled_over_files_follow_one_another(tmp_path, monkeypatch):
    def read(name: str, _: str) -> dict[str, int]:
        return {"part": int((name + "_0").split("_")[1].removesuffix(".tif"))}

    monkeypatch.setattr("lightsheet.acquisition.listing.parse_name", read)
    fill(tmp_path, "a.tif", *(f"a_{part}.tif" for part in range(1, 12)))
    [volume] = discover(tmp_path).volumes
    assert [p.path.name for p in volume.tiles[0].pieces] == ["a.tif", *(f"a_{part}.tif" for part in range(1, 12))]


def test_channels_and_tiles_are_folders(tmp_path):
    names = [f"Ex_{c}/x{x}/{z:03d}0.tif" for c in (488, 561) for x in (3, 4) for z in range(3)]
    fill(tmp_path, *names, "Ex_488/notes.txt", "Ex_488/x3/deeper/0030.tif", ".trash/x3/0000.tif")
    acquisition = discover(tmp_path, "Ex_{channel}/x{x}/{plane}.tif")
    assert (acquisition.channels, acquisition.timepoints, acquisition.grid, acquisition.excluded_files) == (
        ("ch488", "ch561"),
        1,
        (1, 1, 2),
        (),
    )
    paths = [piece.path for volume in acquisition.volumes for tile in volume.tiles for piece in tile.pieces]
    assert paths == [tmp_path / name for name in names]
    assert acquisition.tiff_names == tuple(names)


@pytest.mark.slow
def test_five_times_as_many_files_take_about_five_times_as_long(tmp_path):
    """A slow machine is slow for both; 10,000 files take 0.5 s where nothing else runs."""
    few, many = ([reference_name(t, c) for t in range(number) for c in (0, 1)] for number in (1000, 5000))
    assert len(discover(tmp_path, names=many).volumes) == 10_000
    pairs = [[measure_cpu(partial(discover, tmp_path, names=names)) for names in (few, many)] for _ in range(3)]
    assert min(more / less for less, more in pairs) < 10, "each file compared with each other one: 25 times as long"


@pytest.mark.slow
def test_ten_thousand_files_of_planes_are_twenty_stacks(tmp_path):
    planes = discover(
        tmp_path, "t{timepoint}_{plane}.tif", names=[f"t{t}_{z}.tif" for t in range(20) for z in range(500)]
    )
    assert [len(volume.tiles[0].pieces) for volume in planes.volumes] == [500] * 20


def test_a_folder_of_600_files_is_understood(tmp_path):
    fill(tmp_path, *(reference_name(t, c) for t in range(300) for c in (0, 1)))
    acquisition = discover(tmp_path)
    assert (len(acquisition.volumes), acquisition.timepoints) == (600, 300)


def test_the_same_names_make_the_same_acquisition(tmp_path):
    fill(tmp_path, *(reference_name(t, c) for t in range(3) for c in (0, 1)), "psf.tif", "._a.tif")
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "lost.tif").symlink_to("nowhere")
    acquisition = discover(tmp_path)
    assert len(acquisition.tiff_names) == 10
    fill(tmp_path, reference_name(3, 0))  # which arrives later, and half a timepoint
    assert discover(tmp_path, names=acquisition.tiff_names) == acquisition
    assert "lacks timepoint 3" in refusal(tmp_path)


def test_importing_it_loads_no_heavy_library():
    heavy = "{'numpy', 'tifffile', 'dask'}"
    code = f"import sys, lightsheet.acquisition.discovery; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- What is left out, and remarks


def test_several_prefixes_are_remarked(tmp_path):
    fill(tmp_path, reference_name(0, prefix="a"), reference_name(1, prefix="b"))
    [remark] = discover(tmp_path).remarks
    assert "2 ways: 'a', 'b'" in remark


# --- As one array


def test_open_equals_the_assembly_by_hand(tmp_path):
    rng = np.random.default_rng(1)
    expected = rng.integers(0, 60000, (2, 3, 2, 2 * 4, 3 * 5), dtype=np.uint16)
    for c, t, y, x in product(range(2), range(3), range(2), range(3)):
        pixels = expected[c, t, :, 4 * y : 4 * y + 4, 5 * x : 5 * x + 5]
        tifffile.imwrite(tmp_path / scan_name(t, f"Cam{'AB'[c]}", x, y), pixels, photometric="minisblack")
    array = lazy.open(tmp_path)
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
    assert array.chunks == ((1, 1), (1, 1, 1), (2,), (4, 4), (5, 5, 5))
    np.testing.assert_array_equal(array.compute(scheduler="synchronous"), expected)


def test_open_reads_only_what_is_asked(tmp_path, monkeypatch):
    read = []
    rows = tiff_pixels.read_rows
    monkeypatch.setattr(tiff_stack, "read_rows", lambda *args: read.append(args[2].path.name) or rows(*args))
    for t in range(3):
        tifffile.imwrite(tmp_path / f"CH0_{t}.tif", np.full((2, 4, 5), t, np.uint8), photometric="minisblack")
    array = lazy.open(tmp_path, TEMPLATE)
    assert read == []
    assert array[0, 2].compute(scheduler="synchronous").max() == 2
    assert read == ["CH0_2.tif"]


def test_open_names_the_file_of_another_shape(tmp_path):
    tifffile.imwrite(tmp_path / "CH0_0.tif", np.zeros((2, 4, 5), np.uint8), photometric="minisblack")
    tifffile.imwrite(tmp_path / "CH0_1.tif", np.zeros((3, 4, 5), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match=r"CH0_1\.tif"):
        lazy.open(tmp_path, TEMPLATE).compute(scheduler="synchronous")


def test_open_stacks_planes_and_unfolds_files(tmp_path):
    rng = np.random.default_rng(2)
    expected = rng.integers(0, 255, (2, 2, 3, 4, 5), dtype=np.uint8)
    for c, t, z in np.ndindex(2, 2, 3):
        tifffile.imwrite(fill(tmp_path / "planes") / f"c{c}_t{t}_z{z}.tif", expected[c, t, z])
    array = lazy.open(tmp_path / "planes", "c{channel}_t{timepoint}_z{plane}.tif")
    np.testing.assert_array_equal(array.compute(scheduler="synchronous"), expected)
    imagej = fill(tmp_path / "imagej") / "all.tif"
    tifffile.imwrite(imagej, np.moveaxis(expected, 0, 2), imagej=True, metadata={"axes": "TZCYX"})
    array = lazy.open(tmp_path / "imagej", "{prefix}.tif")
    np.testing.assert_array_equal(array.compute(scheduler="synchronous"), expected)
