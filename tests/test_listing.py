"""Folders of small files, against which of them a person would take."""

import os
import time
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightsheet import listing
from lightsheet.acquisition import discover
from lightsheet.errors import InputError

from .test_acquisition import TEMPLATE, fill, reference_name, refusal

# --- What is left out


def test_files_left_out_are_named_with_the_reason(tmp_path):
    fill(tmp_path, reference_name(0), "._" + reference_name(0), "old_CamB_ch0_stack0000_488nm.tif", "psf.TIF")
    fill(tmp_path, reference_name(0).replace(".tif", "_decon.tif"), "notes.txt")
    (tmp_path / "folder.tif").mkdir()
    found = discover(tmp_path, "lattice", ["old_*"])
    reasons = dict(found.left_out)
    assert [volume.tiles[0].pieces[0].path.name for volume in found.volumes] == [reference_name(0)]
    assert len(reasons) == 5
    assert "hidden" in reasons["._" + reference_name(0)]
    assert "'old_*'" in reasons["old_CamB_ch0_stack0000_488nm.tif"]
    assert "expected a channel" in reasons["psf.TIF"]
    assert "looks derived" in reasons[reference_name(0).replace(".tif", "_decon.tif")]
    assert "not a file" in reasons["folder.tif/"]


# --- What is refused


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


def test_another_format_than_tiff_is_named(tmp_path):
    fill(tmp_path, "notes.txt", "embryo.czi")
    assert "no TIFF file" in (message := refusal(tmp_path))
    assert "embryo.czi: is " in message
    fill(tmp_path, "CH0_0.tif")
    assert discover(tmp_path, TEMPLATE).timepoints == 1


def test_folders_that_the_pattern_lacks_are_hinted_at(tmp_path):
    fill(tmp_path, "488/CH0_0.tif")
    assert "or write folders into input.pattern" in refusal(tmp_path, TEMPLATE)
    assert "or write folders" not in refusal(fill(tmp_path / "empty"), TEMPLATE)


def test_the_preset_that_would_read_the_names_is_suggested(tmp_path):
    fill(tmp_path, *(f"CH0{c}_{t:06d}.tif" for c in (0, 1) for t in range(3)), "psf.tif")
    assert "set input.pattern: the preset navigate reads 6 of them" in refusal(tmp_path)


def test_several_positions_are_several_acquisitions(tmp_path):
    fill(tmp_path, *(f"P{p}_T{t}.tif" for p in ("A", 2, 10) for t in (0, 1)))
    template = "P{position}_T{timepoint}.tif"
    message = refusal(tmp_path, template)
    assert "its files are of 3 positions (2, 10, A)" in message
    assert "input.ignore" in message
    assert "{x} and {y}" in message
    assert discover(tmp_path, template, ["PA_*", "P10_*"]).timepoints == 2


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    fill(tmp_path, "a/0.tif", "b/0.tif")
    scan = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "b":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert f"{tmp_path / 'b'}: cannot be listed (Permission denied)" in refusal(tmp_path, "{channel}/{timepoint}.tif")


# --- While the microscope writes


@pytest.fixture
def no_wait(monkeypatch):
    monkeypatch.setattr(listing, "LOOK_SECONDS", 0.0)


def drop(folder: Path, *names: str, age: float = 100.0) -> None:
    """Let files arrive that were last modified `age` seconds ago."""
    fill(folder, *names)
    modified = time.time() - age
    for name in names:
        os.utime(folder / name, (modified, modified))


def accepted(folder: Path, **kwargs: object) -> list[str]:
    found = discover(folder, TEMPLATE, settle=30, **kwargs)
    assert not set(found.names_seen) & {name for name, _ in found.waiting}
    return [p.path.name for volume in found.volumes for tile in volume.tiles for p in tile.pieces]


@pytest.mark.usefixtures("no_wait")
def test_young_files_and_unfinished_timepoints_are_left(tmp_path):
    drop(tmp_path, *(f"CH{c}_{t}.tif" for t in range(3) for c in (0, 1)))
    drop(tmp_path, "CH0_3.tif")
    drop(tmp_path, "CH1_3.tif", "CH0_4.tif", age=10)
    drop(tmp_path, "odd.tif", age=1)
    found = discover(tmp_path, TEMPLATE, settle=30)
    assert found.timepoints == 3
    assert dict(found.waiting) == {
        "CH0_3.tif": "of a timepoint that is not complete",
        "CH0_4.tif": "younger than 30 s",
        "CH1_3.tif": "younger than 30 s",
    }
    assert found.waiting_remark == (
        "3 files are left for the next run: 2 younger than 30 s, 1 of a timepoint that is not complete."
    )
    assert [name for name, _ in found.left_out] == ["odd.tif"]
    again = discover(tmp_path, TEMPLATE, settle=30, names=found.names_seen)
    assert again == found
    assert (again.waiting, again.waiting_remark) == ((), None)


@pytest.mark.usefixtures("no_wait")
def test_a_run_after_each_arrival_takes_what_is_whole(tmp_path):
    arrivals = [f"CH{c}_{t}.tif" for t in range(4) for c in (0, 1)]
    drop(tmp_path, arrivals[0])
    for count, name in enumerate(arrivals[1:], 2):
        drop(tmp_path, name)
        assert accepted(tmp_path) == arrivals[: count // 2 * 2]


def test_a_file_that_grows_or_goes_between_the_looks_is_left(tmp_path, monkeypatch):
    drop(tmp_path, *(f"CH0_{t}.tif" for t in range(4)))
    looks = []

    def write(seconds: float) -> None:
        looks.append(seconds)
        (tmp_path / "CH0_2.tif").write_bytes(b"more")
        os.utime(tmp_path / "CH0_2.tif", (1, 1))  # as copying programs set it
        (tmp_path / "CH0_3.tif").unlink()

    monkeypatch.setattr(time, "sleep", write)
    found = discover(tmp_path, TEMPLATE, settle=30)
    assert found.waiting == (("CH0_2.tif", "still being written"), ("CH0_3.tif", "still being written"))
    assert found.timepoints == 2
    assert looks == [listing.LOOK_SECONDS]
    discover(tmp_path, TEMPLATE, ["CH0_3*"])
    assert len(looks) == 1  # without settle, and with names, nobody waits
    discover(tmp_path, TEMPLATE, settle=30, names=["CH0_0.tif"])
    assert len(looks) == 1


@pytest.mark.usefixtures("no_wait")
def test_what_arrives_is_never_a_hole(tmp_path):
    drop(tmp_path, *(f"CH{c}_{t}.tif" for t in (0, 1, 3, 5) for c in (0, 1)))
    drop(tmp_path, "CH1_5.tif", age=0)
    found = discover(tmp_path, TEMPLATE, settle=30, missing="fill")
    assert (found.timepoints, found.missing) == (4, (("ch0", 2), ("ch1", 2)))
    drop(tmp_path, "CH0_1.tif", age=0)  # what comes after it waits too, or timepoint 1 would pass for a hole
    assert accepted(tmp_path, missing="fill") == ["CH0_0.tif", "CH1_0.tif"]


@pytest.mark.usefixtures("no_wait")
def test_nothing_is_there_yet(tmp_path):
    drop(tmp_path, "CH0_0.tif", "CH1_0.tif", age=0)
    message = refusal(tmp_path, TEMPLATE, settle=30)
    assert "no timepoint is whole yet (2 younger than 30 s); run again in 30 s" in message


@pytest.mark.usefixtures("no_wait")
@given(st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 1)), st.booleans(), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_only_whole_and_settled_timepoints_are_taken(tmp_path_factory, settled):
    folder = tmp_path_factory.mktemp("live")
    name = "CH{}_{}_z{}.tif".format
    for (t, c, z), old in settled.items():
        drop(folder, name(c, t, z), age=100 if old else 0)
    channels, planes = ({key[axis] for key in settled} for axis in (1, 2))
    first_young = min((t for (t, _, _), old in settled.items() if not old), default=4)
    whole = [t for t in range(first_young) if all(settled.get((t, c, z)) for c, z in product(channels, planes))]
    template = "CH{channel}_{timepoint}_z{plane}.tif"
    try:
        found = discover(folder, template, settle=30)
    except InputError:  # nothing is whole yet, or something before a whole timepoint is missing
        assert not whole or len(whole) <= max(whole) - min(t for t, _, _ in settled)
        return
    assert found == discover(folder, template, names=found.names_seen)
    taken = {piece.path.name for volume in found.volumes for piece in volume.tiles[0].pieces}
    times = {t for t, c, z in settled if name(c, t, z) in taken}
    assert taken == {name(c, t, z) for t in times for c in channels for z in planes}
    assert times == set(whole)
