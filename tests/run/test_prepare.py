import copy
import dataclasses
import math
import os
import re
import shutil
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.run.backlog import NEW, find_backlog
from lightsheet.run.jobs import estimate_psf_shape
from lightsheet.run.prepare import prepare_run
from lightsheet.run.progress import summarise_run
from lightsheet.run.run import Run
from lightsheet.system.errors import InputError

CONFIG: dict[str, Any] = {
    "name": "a",
    "input": {"folder": "data", "pattern": "{channel}_{timepoint}.tif"},
    "voxel_size": {"z": 0.3, "y": 0.1, "x": 0.1},
    "psf": {"files": {"red": "psf.tif", "blue": "psf.tif"}, "voxel_size": {"z": 0.1, "y": 0.1, "x": 0.1}},
    "deconvolution": {"timepoints_per_job": 2, "background": {"red": 90, "blue": "auto"}},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for channel in ("red", "blue"):
        for t in range(5):
            tifffile.imwrite(tmp_path / "data" / f"{channel}_{t}.tif", np.full((5, 8, 8), t, np.uint16))
    (tmp_path / "data" / "psf.tif").write_bytes(b"found, not read")
    return tmp_path


def prepare(**changes: Any) -> Run:
    config = copy.deepcopy(CONFIG)
    config["input"]["ignore"] = ["psf.tif"]
    return prepare_run({**config, **changes})


def summarise(run: Run) -> str:
    return summarise_run(run, find_backlog(run))


def test_timepoints_are_cut_into_blocks_and_the_last_may_be_short() -> None:
    run = prepare()
    assert run.blocks == {"t0000": range(0, 2), "t0002": range(2, 4), "t0004": range(4, 5)}
    assert run.list_sources("red") == [f"data/red_{t}.tif" for t in range(5)]
    assert len(run.list_manifests()) == len(set(run.list_manifests())) == 2 * 1 + 3
    assert len(run.list_keys()) == 2 * 10


SCAN = {"kind": "stage", "angle": 30, "step": 0.4, "axis": "y", "direction": -1}


def test_a_stage_scan_stands_in_the_settings_and_decides_the_distance_of_planes() -> None:
    section = {**CONFIG["input"], "ignore": ["psf.tif"], "scan": SCAN}
    psf = {**CONFIG["psf"], "scan": {"kind": "stage", "step": 0.2}}
    psf["files"] = {"red": {"path": "psf.tif", "scan": "straight"}, "blue": "psf.tif"}
    run = prepare(input=section, psf=psf, voxel_size={"y": 0.1, "x": 0.2}, output={"geometry": "rotated"})
    geometry = {"angle": 30, "step": 0.4, "axis": "y", "direction": -1}
    assert (run.settings["scan"], run.settings["geometry"]) == (geometry, "rotated")
    assert run.config["voxel_size"] == pytest.approx({"z": 0.2, "y": 0.1, "x": 0.2})
    assert run.scan is not None
    assert run.scan.shift == pytest.approx(0.4 * 0.75**0.5 / 0.1)
    assert (run.psf_settings["blue"]["scan"], run.psf_settings["blue"]["psf_scan"]) == (
        geometry,
        {**geometry, "step": 0.2},
    )
    assert "psf_scan" not in run.psf_settings["red"]
    assert (run.psf_scan("red"), run.psf_scan("blue")) == (None, run.scan._replace(step=2.0))
    assert [run.psf_settings[c]["psf_voxel_size"]["z"] for c in ("red", "blue")] == pytest.approx([0.1, 0.1])
    assert "stage scan: 30 degrees, steps of 0.4 micrometre, direction -1" in run.describe_volume()


def test_the_step_of_a_stage_is_no_distance_between_straight_planes(folder: Path) -> None:
    (folder / "data" / "a_Settings.txt").write_text(
        "S PZT Offset, Interval (um), # of Pixels for Excitation (0) :\t50\t0.4\t5\nZ motion :\tSample piezo\n"
        "Angle between stage and bessel beam (deg) = 30.0\n"
    )
    step = {"voxel_size": {"z": 0.4, "y": 0.1, "x": 0.1}}
    with pytest.raises(InputError, match=r"voxel_size\.z is 0\.4 um, and by a_Settings\.txt .* step of a stage"):
        prepare(**step)
    straight = {"input": {**CONFIG["input"], "ignore": ["psf.tif"], "scan": "straight"}}
    assert prepare(**step, **straight).config["voxel_size"]["z"] == 0.4
    assert prepare(voxel_size={"z": 0.2, "y": 0.1, "x": 0.1}).config["voxel_size"]["z"] == 0.2


def test_the_size_of_a_psf_is_foreseen_as_long_as_its_planes_move(folder: Path) -> None:
    tifffile.imwrite(folder / "data" / "psf.tif", np.zeros((20, 9, 9), np.uint16))
    run = prepare(input={**CONFIG["input"], "ignore": ["psf.tif"], "scan": SCAN}, voxel_size={"y": 0.1, "x": 0.1})
    # 20 planes of 0.1 um are 10 of 0.2 um, each of which lies 0.4 um * cos(30 degrees) beside the one before.
    assert estimate_psf_shape(run, "red") == [10, 9 + math.ceil(10 * 0.4 * 0.75**0.5 / 0.1), 9]
    straight = prepare(input={**CONFIG["input"], "ignore": ["psf.tif"], "scan": "straight"})
    assert estimate_psf_shape(straight, "red") == [7, 9, 9]


def test_straight_images_have_the_settings_that_they_always_had() -> None:
    run = prepare(input={**CONFIG["input"], "ignore": ["psf.tif"], "scan": "straight"})
    assert (run.scan, run.psf_scan("red")) == (None, None)
    assert {"scan", "geometry"}.isdisjoint(run.settings)
    assert run.psf_settings["red"].keys() == {"psf_voxel_size", "background", "pages", "voxel_size"}
    assert run.settings == prepare().settings


def test_settings_name_a_background_for_each_channel() -> None:
    assert prepare().settings["background"] == {"red": 90, "blue": "auto"}
    assert prepare(deconvolution={"background": 7}).settings["background"] == {"red": 7, "blue": 7}


def test_a_psf_is_looked_for_here_and_then_beside_the_images(folder: Path) -> None:
    assert prepare().find_psf_file("red") == "data/psf.tif"
    (folder / "psf.tif").write_bytes(b"nearer")
    assert prepare().find_psf_file("red") == "psf.tif"
    (folder / "psf.tif").rename(folder / "psf_561.tif")
    (folder / "data" / "psf.tif").unlink()
    with pytest.raises(InputError, match=r"there is no file psf.tif, and none data/psf.tif; did you mean psf_561.tif"):
        prepare().find_psf_file("red")


def test_the_summary_says_what_is_still_to_be_written() -> None:
    # per volume 5 * 8 * 8 voxels, 2 bytes raw and 4 bytes result; no pyramid at that size
    assert "5 timepoints x 2 channels" in summarise(prepare())
    assert "10 volumes of (5, 8, 8) uint16; still to be written: at most 19.2 kB" in summarise(prepare())


def test_the_summary_says_how_many_volumes_are_missing(folder: Path) -> None:
    (folder / "data" / "blue_1.tif").unlink()
    run = prepare(input={**CONFIG["input"], "missing": "fill"})
    assert "10 volumes of (5, 8, 8) uint16, 1 of them missing; still to be written" in summarise(run)


def test_one_odd_file_is_not_taken_for_the_rule(folder: Path) -> None:
    tifffile.imwrite(folder / "data" / "blue_0.tif", np.zeros((6, 8, 8), np.uint8))
    assert (prepare().shape, prepare().dtype) == ((5, 8, 8), "uint16")


def test_a_disk_that_is_too_small_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(100_000, 90_000, 10_000))
    with pytest.raises(InputError, match=r"results/a needs up to 19\.2 kB more .* its disk has 10\.0 kB free"):
        summarise(prepare())


def test_a_folder_below_a_file_is_refused(folder: Path) -> None:
    (folder / "results").write_text("in the way")
    with pytest.raises(InputError, match=r"output\.folder: results/a cannot be made"):
        summarise(prepare())


def test_a_path_with_braces_is_refused(folder: Path) -> None:
    (folder / "data" / "psf.tif").rename(folder / "psf {1}.tif")
    files = dict.fromkeys(("red", "blue"), "psf {1}.tif")
    with pytest.raises(InputError, match=r"psf \{1\}\.tif: a path with braces cannot be used"):
        prepare(psf={**CONFIG["psf"], "files": files})


def test_nothing_is_written(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    run = prepare()
    summarise(run)
    assert sorted(folder.rglob("*")) == before


def test_before_anything_was_made_all_of_it_is_new() -> None:
    backlog = find_backlog(prepare())
    assert set(backlog.volumes.values()) == {NEW}
    assert len(backlog.volumes) == 20
    assert "again" not in summarise(prepare())


def test_jobs_see_the_files_that_their_run_began_with(folder: Path) -> None:
    config = {**CONFIG, "input": {**CONFIG["input"], "ignore": ["psf.tif"]}}
    begun = prepare_run(config)
    begun.record_files()
    begun.record_blocks()
    for channel in ("red", "blue"):
        tifffile.imwrite(folder / "data" / f"{channel}_5.tif", np.zeros((5, 8, 8), np.uint16))
    assert prepare_run(config, in_job=True) == dataclasses.replace(begun, written_sizes=begun.chosen_sizes)
    assert prepare_run(config).acquisition.timepoints == 6
    (folder / "data" / "red_0.tif").unlink()
    with pytest.raises(InputError, match=r"red_0\.tif: cannot be read \(No such file"):
        prepare_run(config, in_job=True)


def test_voxel_size_comes_from_the_files_where_the_configuration_leaves_it_out(folder: Path) -> None:
    tags = {"spacing": 0.25, "unit": "um"}
    for path in (folder / "data").glob("*_?.tif"):
        stack = np.zeros((5, 8, 8), np.uint16)
        tifffile.imwrite(path, stack, imagej=True, resolution=(10, 10), metadata={"axes": "ZYX", **tags})
    assert prepare(voxel_size={}).config["voxel_size"] == pytest.approx({"z": 0.25, "y": 0.1, "x": 0.1})
    assert prepare(voxel_size={"z": 0.25, "x": 0.1}).describe_volume().endswith("voxels of 0.25 x 0.1 x 0.1 micrometre")
    with pytest.raises(InputError, match=r"0\.3 um in the config, but 0\.25 um in ImageJ"):
        prepare()
    assert prepare(voxel_size={"z": 0.3, "override": True}).config["voxel_size"]["z"] == 0.3


def test_folders_whose_path_cannot_be_written_down_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a folder above may be so, or that of what a link leads to."""
    other = folder / "G\udcb5"
    shutil.copytree(folder / "data", other / "data")
    (folder / "link").symlink_to(other / "data")
    with pytest.raises(InputError, match=r"G\\xb5/data': this path is not UTF-8"):
        prepare(input={**CONFIG["input"], "folder": "link", "ignore": ["psf.tif"]})
    monkeypatch.chdir(other)
    with pytest.raises(InputError, match=r"G\\xb5/results/a': this path is not UTF-8"):
        prepare()


def test_files_from_the_future_are_told_in_a_sentence(folder: Path) -> None:
    assert "future" not in summarise(prepare())
    late = time.time() + 7200
    os.utime(folder / "data" / "psf.tif", (late, late + 20))
    assert re.search(r"1 file is dated in the future, by up to .* \(data/psf\.tif\): the clock", summarise(prepare()))
    for path in (folder / "data").glob("red_*"):
        os.utime(path, (late, late))
    assert "6 files are dated in the future" in summarise(prepare())
    os.utime(folder / "data" / "blue_0.tif", (0, -86400.0))
    assert "6 files are dated in the future" in summarise(prepare()), "from before 1970"


def test_tiles_that_overlap_stop_a_run_unless_no_position_is_to_be_believed(folder: Path) -> None:
    for x in range(2):
        places = {"PositionX": [0.6 * x] * 5, "PositionXUnit": ["µm"] * 5}  # a tile is 0.8 um wide
        path = folder / "data" / f"red_{x}_0.tif"
        tifffile.imwrite(path, np.zeros((5, 8, 8), "uint16"), ome=True, metadata={"axes": "ZYX", "Plane": places})
    section = {"folder": "data", "pattern": "red_{x}_{timepoint}.tif", "ignore": ["*psf.tif", "blue*", "red_?.tif"]}
    psf = {**CONFIG["psf"], "files": {"ch0": "psf.tif"}}
    changes = {"psf": psf, "deconvolution": {}}
    with pytest.raises(InputError, match=r"they overlap by 2 voxels \(0\.2 um, 25 %\)"):
        prepare_run({**CONFIG, **changes, "input": section})
    run = prepare_run({**CONFIG, **changes, "input": {**section, "tiles": "edge-to-edge"}})
    assert run.shape == (5, 8, 16)
    assert prepare_run({**CONFIG, **changes, "input": section}, in_job=True).shape == (5, 8, 16), "a job looks at none"


def test_planes_that_are_taken_for_volumes_are_refused(folder: Path) -> None:
    for path in (folder / "data").glob("*_*.tif"):
        tifffile.imwrite(path, np.zeros((8, 8), np.uint16))
    with pytest.raises(InputError, match=r"it is a single plane, .* write \{plane\} there, in a template"):
        prepare()
    psf = {**CONFIG["psf"], "files": dict.fromkeys(("red", "blue"), "psf.tif")}
    section = {"folder": "data", "pattern": "{channel}_{plane}.tif", "ignore": ["psf.tif"]}
    assert prepare_run({**CONFIG, "psf": psf, "input": section}).shape == (5, 8, 8)


def test_files_of_several_pages_are_no_planes() -> None:
    psf = {**CONFIG["psf"], "files": dict.fromkeys(("red", "blue"), "psf.tif")}
    section = {"folder": "data", "pattern": "{channel}_{plane}.tif", "ignore": ["psf.tif"]}
    with pytest.raises(
        InputError, match=r"blue_0\.tif: .* a single plane, but the 5 files of its volume hold 25; write \{part"
    ):
        prepare_run({**CONFIG, "psf": psf, "input": section})
    assert prepare_run({**CONFIG, "psf": psf, "input": {**section, "pattern": "{channel}_{part}.tif"}}).shape == (
        25,
        8,
        8,
    )
