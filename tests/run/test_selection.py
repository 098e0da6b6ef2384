"""A part of an acquisition: what is read of it, where it lies, and what another selection finds done."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, strategies

from lightsheet.acquisition import describe_acquisition, settling
from lightsheet.provenance import verify_volumes
from lightsheet.run import find_backlog
from lightsheet.run.run import Run
from lightsheet.run.selection import parse_timepoints
from lightsheet.store.paths import VolumeKey
from lightsheet.system.errors import InputError
from lightsheet.viewing import export_volumes
from lightsheet.viewing.viewer import describe_state
from tests.support import tiny_run
from tests.support.selected_part import REGION, prepare, read, read_group
from tests.support.tiny_run import NAMES

FIRST, SECOND = NAMES


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The second timepoint and channel, and a region over both tiles."""
    folder = tmp_path_factory.mktemp("part")
    tiny_run.simulate(folder / "my data")
    run = prepare(folder, timepoints=[1], channels=SECOND, **REGION)
    tiny_run.finish(run)
    return run


def test_a_part_equals_the_run_of_files_that_were_cut_by_hand(part: Run, tmp_path: Path) -> None:
    source, cut = part.acquisition.folder, tmp_path / "my data"
    cut.mkdir()
    tiles = [tifffile.imread(sorted(source.glob(f"*ch1*stack0001*_{x:03d}x_*.tif"))[0]) for x in range(2)]
    volume = np.concatenate(tiles, axis=2)
    z, y, x = (slice(*REGION[axis]) for axis in "zyx")
    name = sorted(source.glob("*ch1*stack0001*_000x_*.tif"))[0].name
    tifffile.imwrite(cut / name, volume[z, y, x], photometric="minisblack")
    (cut / NAMES[SECOND]).write_bytes((source / NAMES[SECOND]).read_bytes())
    by_hand = tiny_run.prepare(tmp_path, psf={"files": {SECOND: NAMES[SECOND]}})
    tiny_run.finish(by_hand)

    assert read(part).shape == (1, 1, 4, 14, 16)
    np.testing.assert_array_equal(read(part), read(by_hand))


def test_a_part_lies_where_it_was_in_the_whole_and_its_times_are_those(part: Run) -> None:
    voxel = tiny_run.VOXEL
    attributes = read_group(part.results.store)
    (multiscales,) = attributes["ome"]["multiscales"]
    _, translation = multiscales["datasets"][0]["coordinateTransformations"]
    # A single timepoint has no interval, so that its time is no place on an axis of seconds.
    assert translation["translation"] == pytest.approx([0, 0, 1 * voxel["z"], 3 * voxel["y"], 5 * voxel["x"]])
    assert attributes["lightsheet"]["seconds"] == [1.0]
    assert attributes["lightsheet"]["timepoints"] == [1]
    assert "z 1 to 5 of 6" in attributes["lightsheet"]["share"]


def test_exports_and_viewers_place_the_part_likewise(part: Run, tmp_path: Path) -> None:
    voxel, folder = tiny_run.VOXEL, part.results.folder
    (tiff,) = export_volumes(folder, "ome-tiff", tmp_path)
    with tifffile.TiffFile(tiff) as file:
        planes = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]["Plane"]
    assert [plane["PositionZ"] for plane in planes] == pytest.approx([voxel["z"] * (1 + z) for z in range(4)])
    assert [plane["PositionX"] for plane in planes] == pytest.approx([5 * voxel["x"]] * 4)
    (copy,) = export_volumes(folder, "ome-zarr-0.4", tmp_path)
    (multiscales,) = json.loads((copy / ".zattrs").read_text())["multiscales"]
    _, place = multiscales["datasets"][0]["coordinateTransformations"]
    assert place["translation"] == pytest.approx([0, 0, 1 * voxel["z"], 3 * voxel["y"], 5 * voxel["x"]])
    assert describe_state(part.results, "http://localhost")["position"] == pytest.approx([0, 2.5, 9.5, 12.5])


def test_the_provenance_of_a_part_makes_it_again(part: Run) -> None:
    (outcome,) = verify_volumes(part.results.folder, 1, 1)
    assert outcome["identical"]


def test_of_a_part_nothing_else_is_read(tmp_path: Path) -> None:
    """A file of a tile that the region does not meet is damaged."""
    tiny_run.simulate(tmp_path / "my data")
    before = prepare(tmp_path, timepoints=1, channels=[SECOND], z=[1, 5], x=[14, 20])
    tile = next((tmp_path / "my data").glob("*ch1*stack0001*_000x_*.tif"))
    size = tile.stat().st_size
    tile.write_bytes(b"no TIFF".ljust(size))
    tiny_run.finish(before)
    assert read(before).shape == (1, 1, 4, 20, 6)
    assert read(before).max() > 0


@pytest.mark.slow
def test_a_wider_selection_finds_what_is_done(tmp_path: Path) -> None:
    tiny_run.simulate(tmp_path / "my data")
    tiny_run.finish(prepare(tmp_path, timepoints="1:", channels=[SECOND]))
    record = VolumeKey("result", SECOND, 1)

    wider = prepare(tmp_path)
    inode = wider.results.record(record).stat().st_ino
    backlog = find_backlog(wider)
    assert {key for key in wider.list_keys() if key not in backlog.volumes} == {record, record.raw}
    assert not any(backlog.volumes.values()), "all are new"
    tiny_run.finish(wider)
    assert wider.results.record(record).stat().st_ino == inode
    assert read(wider).shape == (2, 2, 6, 20, 24)

    narrow = prepare(tmp_path, timepoints="0:1")
    backlog = find_backlog(narrow)
    assert not backlog.volumes
    assert "is of other volumes" in backlog.publication
    tiny_run.finish(narrow)
    np.testing.assert_array_equal(read(narrow), read_shards(wider, 0))
    verify_volumes(narrow.results.folder, 2, 1)


def read_shards(run: Run, timepoint: int) -> np.ndarray:
    """Read a timepoint of all channels from the work area."""
    arrays = [zarr.open_array(run.results.work("result", c) / "0", mode="r") for c in run.channels]
    return np.stack([np.asarray(array[timepoint]) for array in arrays])[None]


def test_another_region_makes_everything_again_and_says_so_once(part: Run) -> None:
    folder = part.results.folder.parents[1]
    backlog = find_backlog(prepare(folder, timepoints=[1], channels=SECOND, z=[1, 5]))
    assert set(backlog.volumes.values()) == {"input.select z 1:5, y 3:17, x 5:21 -> z 1:5"}
    assert backlog.choices == [SECOND]
    backlog = find_backlog(prepare(folder, timepoints=[1], channels=SECOND))
    assert set(backlog.volumes.values()) == {"input.select z 1:5, y 3:17, x 5:21 -> all voxels"}
    same = find_backlog(prepare(folder, timepoints=[1], channels=SECOND, **REGION))
    assert not same.volumes
    assert not same.choices
    assert not same.publication


def test_selected_timepoints_that_have_not_settled_are_left_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "LOOK_SECONDS", 0.0)
    tiny_run.simulate(tmp_path / "my data")
    for path in (tmp_path / "my data").glob("*stack0000*"):
        os.utime(path, (1e9, 1e9))

    def prepare_growing(timepoints: Any) -> Run:
        return tiny_run.prepare(tmp_path, input={"settle": 3600, "select": {"timepoints": timepoints}})

    run = prepare_growing("0:5")
    assert run.acquisition.timepoints == 1
    assert run.acquisition.awaited_timepoints == "timepoints 1 to 4"
    assert "not settled: timepoints 1 to 4." in (run.acquisition.waiting_remark or "")
    assert "timepoints 1 to 4 of those that are selected" in describe_acquisition(run.acquisition, "")
    for request in (1, "1:"):
        with pytest.raises(InputError, match=r"not there yet, or not settled: timepoint 1; run again later"):
            prepare_growing(request)
    tiny_run.finish(run)
    for path in (tmp_path / "my data").glob("*stack0001*"):
        os.utime(path, (1e9, 1e9))
    grown = prepare_growing("0:5")
    assert grown.acquisition.awaited_timepoints == "timepoints 2 to 4"
    backlog = find_backlog(grown)
    assert {key.timepoint for key in backlog.volumes} == {1}, "only what is new"
    assert not any(backlog.volumes.values())
    assert prepare_growing(["0:2"]).acquisition.waiting_remark is None


def test_what_spans_an_axis_is_no_part(tmp_path: Path) -> None:
    tiny_run.simulate(tmp_path / "my data")
    run = prepare(tmp_path, z=[0, 6], timepoints="0:2", channels=[SECOND, FIRST])
    assert run.region is None
    assert run.acquisition.part is None
    assert not run.describe_share()


def test_the_share_is_told(part: Run) -> None:
    share = part.describe_share()
    assert "1 of 2 timepoints (1, from 0)" in share
    assert f"without {FIRST}" in share
    voxels = 4 * 14 * 16 / (6 * 20 * 24) / 4
    assert f"{100 * voxels:.3g} % of the acquisition" in share


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ({"timepoints": "0:9"}, "0:9 is not among the timepoints 0 to 1"),
        ({"timepoints": 2}, "2 is not among the timepoints 0 to 1"),
        ({"timepoints": "1:1"}, "1:1 is not among"),
        ({"timepoints": []}, "no timepoint is selected"),
        ({"timepoints": "-1"}, "'-1' is neither a number nor START:END"),
        ({"timepoints": -1}, "is not a number from 0"),
        ({"timepoints": 0.5}, "is not a number from 0"),
        ({"timepoints": ["0", "soon"]}, "'soon' is neither"),
        ({"channels": ["CamA_ch1_561nm"]}, f"did you mean {SECOND}?; its channels are {FIRST}, {SECOND}"),
        ({"channels": []}, "no channel is selected"),
        ({"z": [3, 9]}, "no part of a volume, which has 6 voxels along z"),
        ({"y": [4, 4]}, "no part of a volume, which has 20 voxels along y"),
        ({"z": [2, 3]}, "a volume is a stack"),
        ({"x": [2]}, "a list of two whole numbers"),
        ({"t": [2, 3]}, "input.select.t is unknown"),
    ],
)
def test_what_cannot_be_selected_is_a_sentence(part: Run, select: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=r"input\.select") as error:
        prepare(part.results.folder.parents[1], **select)
    assert words in str(error.value)


def test_psfs_of_channels_that_are_not_selected_may_be_named_or_left_out(part: Run) -> None:
    folder = part.results.folder.parents[1]
    run = tiny_run.prepare(folder, input={"select": {"channels": SECOND}}, psf={"files": {SECOND: NAMES[SECOND]}})
    assert run.channels == (SECOND,)
    with pytest.raises(InputError, match="nothing is given for channel"):
        tiny_run.prepare(folder, psf={"files": {SECOND: NAMES[SECOND]}})


@given(strategies.integers(1, 40), strategies.integers(0, 39), strategies.integers(0, 40), strategies.integers(1, 9))
def test_slices_are_pythons(count: int, start: int, stop: int, step: int) -> None:
    text, expected = f"{start}:{stop}:{step}", list(range(start, stop, step))
    if not expected or expected[-1] >= count:
        with pytest.raises(InputError):
            parse_timepoints(text, count)
    else:
        assert parse_timepoints(text, count) == expected
        assert parse_timepoints(f"{text},{expected[0]}", count) == expected


def test_files_that_are_not_selected_are_known_to_the_jobs(part: Run) -> None:
    """Else the timepoints would count anew in a job, which sees those files alone that the run began with."""
    names = part.acquisition.tiff_names
    tiffs = {path.name for path in part.acquisition.folder.glob("a b_*.tif")}
    assert tiffs <= set(names)
    assert len(names) == len(set(names)) == len(list(part.acquisition.folder.iterdir()))
