"""What is left for the next run while files still arrive."""

import os
import time
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lightsheet.acquisition import settling
from lightsheet.acquisition.discovery import discover
from lightsheet.system.errors import InputError
from tests.acquisition.test_discovery import TEMPLATE, fill, refusal


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that stands: ages are told to the second, and a machine may stall."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)


@pytest.fixture
def no_wait(monkeypatch):
    monkeypatch.setattr(settling, "LOOK_SECONDS", 0.0)


def drop(folder: Path, *names: str, age: float = 100.0) -> None:
    """Let files arrive that were last modified `age` seconds ago."""
    fill(folder, *names)
    modified = time.time() - age - 0.1  # so much later is the next look
    for name in names:
        os.utime(folder / name, (modified, modified))


def accepted(folder: Path, **kwargs: object) -> list[str]:
    acquisition = discover(folder, TEMPLATE, settle=30, **kwargs)
    assert not set(acquisition.tiff_names) & {name for name, _ in acquisition.waiting_files}
    return [p.path.name for volume in acquisition.volumes for tile in volume.tiles for p in tile.pieces]


@pytest.mark.usefixtures("no_wait")
def test_young_files_and_unfinished_timepoints_are_left(tmp_path):
    drop(tmp_path, *(f"CH{c}_{t}.tif" for t in range(3) for c in (0, 1)))
    drop(tmp_path, "CH0_3.tif")
    drop(tmp_path, "CH1_3.tif", "CH0_4.tif", age=10)
    drop(tmp_path, "odd.tif", age=1)
    acquisition = discover(tmp_path, TEMPLATE, settle=30)
    assert acquisition.timepoints == 3
    assert dict(acquisition.waiting_files) == {
        "CH0_3.tif": "of a timepoint that is not complete",
        "CH0_4.tif": "younger than 30 s",
        "CH1_3.tif": "younger than 30 s",
    }
    assert acquisition.waiting_remark == (
        "3 files are left for the next run: 2 younger than 30 s, 1 of a timepoint that is not complete."
    )
    assert [name for name, _ in acquisition.excluded_files] == ["odd.tif"]
    again = discover(tmp_path, TEMPLATE, settle=30, names=acquisition.tiff_names)
    assert again == acquisition
    assert (again.waiting_files, again.waiting_remark) == ((), None)


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize("missing", ["error", "fill"])
def test_a_run_after_each_arrival_takes_what_is_whole(tmp_path, missing):
    arrivals = [f"CH{c}_{t}.tif" for t in range(4) for c in (0, 1)]
    drop(tmp_path, arrivals[0])
    before = []
    for count, name in enumerate(arrivals[1:], 2):
        drop(tmp_path, name, age=0)
        if before:
            assert accepted(tmp_path, missing=missing, previous_names=before) == before
        drop(tmp_path, name)
        before = accepted(tmp_path, missing=missing, previous_names=before)
        assert before == arrivals[: count // 2 * 2]


def test_a_file_that_grows_or_goes_between_the_looks_is_left(tmp_path, monkeypatch):
    drop(tmp_path, *(f"CH0_{t}.tif" for t in range(4)))
    looks = []

    def write(seconds: float) -> None:
        looks.append(seconds)
        (tmp_path / "CH0_2.tif").write_bytes(b"more")
        os.utime(tmp_path / "CH0_2.tif", (1, 1))  # as copying programs set it
        (tmp_path / "CH0_3.tif").unlink()

    monkeypatch.setattr(time, "sleep", write)
    acquisition = discover(tmp_path, TEMPLATE, settle=30)
    assert acquisition.waiting_files == (("CH0_2.tif", "still being written"), ("CH0_3.tif", "still being written"))
    assert acquisition.timepoints == 2
    assert looks == [settling.LOOK_SECONDS]
    discover(tmp_path, TEMPLATE, ["CH0_3*"])
    assert len(looks) == 1  # without settle, and with names, nobody waits
    discover(tmp_path, TEMPLATE, settle=30, names=["CH0_0.tif"])
    assert len(looks) == 1


@pytest.mark.usefixtures("no_wait")
def test_what_arrives_is_never_a_hole(tmp_path):
    drop(tmp_path, *(f"CH{c}_{t}.tif" for t in (0, 1, 3, 5) for c in (0, 1)))
    drop(tmp_path, "CH1_5.tif", age=0)
    acquisition = discover(tmp_path, TEMPLATE, settle=30, missing="fill")
    assert (acquisition.timepoints, acquisition.holes) == (4, (("ch0", 2), ("ch1", 2)))
    drop(tmp_path, "CH0_1.tif", age=0)  # what comes after it waits too, or timepoint 1 would pass for a hole
    assert accepted(tmp_path, missing="fill") == ["CH0_0.tif", "CH1_0.tif"]


@pytest.mark.usefixtures("no_wait")
def test_a_folder_without_a_whole_timepoint_says_when_to_come_back(tmp_path):
    drop(tmp_path, "CH0_0.tif", "CH1_0.tif", age=0)
    message = refusal(tmp_path, TEMPLATE, settle=30)
    assert "no timepoint is whole yet (2 younger than 30 s); run again in 30 s" in message


@pytest.mark.usefixtures("no_wait")
def test_what_an_earlier_run_had_read_is_not_taken_away(tmp_path):
    drop(tmp_path, *(f"CH{c}_{t}.tif" for t in range(4) for c in (0, 1)))
    before = discover(tmp_path, TEMPLATE, settle=30).tiff_names
    drop(tmp_path, "CH0_1.tif", age=10)
    for missing in ("error", "fill"):
        message = refusal(tmp_path, TEMPLATE, settle=30, missing=missing, previous_names=before)
        assert message == f"{tmp_path}/CH0_1.tif changed 10 s ago, after an earlier run had read it; run again in 20 s"
    drop(tmp_path, "CH1_3.tif", "CH0_4.tif", age=4)
    message = refusal(tmp_path, TEMPLATE, settle=30, previous_names=before)
    assert message.endswith(
        "CH0_1.tif and 1 more changed 10 s ago, after an earlier run had read them; run again in 26 s"
    )
    drop(tmp_path, "CH0_1.tif", "CH1_3.tif", age=31)
    acquisition = discover(tmp_path, TEMPLATE, settle=30, previous_names=before)
    assert (acquisition.timepoints, acquisition.waiting_files) == (4, (("CH0_4.tif", "younger than 30 s"),))


def test_a_file_that_grows_again_is_not_taken_away(tmp_path, monkeypatch):
    drop(tmp_path, *(f"CH0_{t}.tif" for t in range(3)))
    monkeypatch.setattr(time, "sleep", lambda _: (tmp_path / "CH0_1.tif").unlink())
    message = refusal(tmp_path, TEMPLATE, settle=30, previous_names=["CH0_0.tif", "CH0_1.tif"])
    assert "CH0_1.tif changed 0 s ago, after an earlier run had read it; run again in 30 s" in message


@pytest.mark.usefixtures("no_wait")
def test_what_arrives_for_a_hole_waits_alone(tmp_path):
    name = "CH{}_{}_x{}.tif".format
    drop(tmp_path, *(name(c, t, x) for t in range(4) for c in (0, 1) for x in (0, 1) if (c, t) != (0, 1)))
    ways = {"pattern": "CH{channel}_{timepoint}_x{x}.tif", "settle": 30, "missing": "fill"}
    first = discover(tmp_path, **ways)
    assert (first.timepoints, first.holes) == (4, (("ch0", 1),))
    drop(tmp_path, name(0, 1, 0), age=40)
    drop(tmp_path, name(0, 1, 1), *(name(c, 4, x) for c in (0, 1) for x in (0, 1)), age=20)
    drop(tmp_path, *(name(c, 5, x) for c in (0, 1) for x in (0, 1)))
    acquisition = discover(tmp_path, **ways, previous_names=first.tiff_names)
    assert acquisition == first
    assert dict(acquisition.waiting_files) == {
        name(0, 1, 0): "of a timepoint that is not complete",
        name(0, 1, 1): "younger than 30 s",
        **{name(c, 4, x): "younger than 30 s" for c in (0, 1) for x in (0, 1)},
        **{name(c, 5, x): "of a timepoint that is not complete" for c in (0, 1) for x in (0, 1)},
    }
    drop(tmp_path, *(path.name for path in tmp_path.iterdir()))
    acquisition = discover(tmp_path, **ways, previous_names=first.tiff_names)
    assert (acquisition.timepoints, acquisition.holes, acquisition.waiting_files) == (6, (), ())


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize("missing", ["error", "fill"])
def test_a_new_channel_or_tile_takes_nothing_away(tmp_path, missing):
    drop(tmp_path, *(f"CH0_{t}_x0.tif" for t in range(3)))
    ways = {"pattern": "CH{channel}_{timepoint}_x{x}.tif", "settle": 30, "missing": missing}
    before = discover(tmp_path, **ways).tiff_names
    for new, age, incomplete in [("CH1_0_x0.tif", 100, 1), ("CH0_1_x1.tif", 100, 2), ("CH0_1_x1.tif", 0, 1)]:
        drop(tmp_path, new, age=age)
        message = refusal(tmp_path, previous_names=before, **ways)
        assert f"an earlier run had read CH0_{incomplete}_x0.tif, of a timepoint that is no longer complete" in message
        (tmp_path / new).unlink()
    drop(tmp_path, "CH1_0_x0.tif", age=0)
    assert discover(tmp_path, previous_names=before, **ways).tiff_names == before


@pytest.mark.usefixtures("no_wait")
@given(*[st.sets(st.tuples(st.integers(0, 1), st.integers(1, 5)))] * 3, st.sampled_from(["error", "fill"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_arrival_takes_a_volume_away(tmp_path_factory, early, later, young, missing):
    folder = tmp_path_factory.mktemp("live")
    drop(folder, "CH0_0.tif", "CH1_0.tif", *(f"CH{c}_{t}.tif" for c, t in early))
    ways = {"pattern": TEMPLATE, "settle": 30, "missing": missing}
    try:
        first = discover(folder, **ways)
    except InputError:  # too much is missing
        return
    drop(folder, *(f"CH{c}_{t}.tif" for c, t in later))
    drop(folder, *(touched := {f"CH{c}_{t}.tif" for c, t in young}), age=0)
    if touched & set(first.tiff_names):
        assert "after an earlier run had read" in refusal(folder, previous_names=first.tiff_names, **ways)
        return
    try:
        second = discover(folder, previous_names=first.tiff_names, **ways)
    except InputError:  # too much is missing, with what came later
        return
    assert set(first.tiff_names) <= set(second.tiff_names)
    assert not touched & set(second.tiff_names)
    assert second.timepoints >= first.timepoints


@pytest.mark.usefixtures("no_wait")
def test_files_from_the_future_are_the_clocks_fault(tmp_path):
    clocks = "set the clocks of the microscope and of this machine right"
    drop(tmp_path, "CH0_0.tif", age=-3600)
    message = refusal(tmp_path, TEMPLATE, settle=30)
    assert f"(1 dated 3600 s in the future: {clocks}); run again in 36" in message
    message = refusal(tmp_path, TEMPLATE, settle=30, previous_names=["CH0_0.tif"])
    assert f"CH0_0.tif, dated 3600 s in the future, changed after an earlier run had read it; {clocks}; run" in message
    drop(tmp_path, "CH0_0.tif")
    drop(tmp_path, "CH0_1.tif", age=-60)
    drop(tmp_path, "CH0_2.tif", age=-120)
    drop(tmp_path, "CH0_3.tif", age=1)
    acquisition = discover(tmp_path, TEMPLATE, settle=30)
    assert acquisition.timepoints == 1
    assert f"2 dated up to 120 s in the future: {clocks}, 1 younger than 30 s" in acquisition.waiting_remark


@pytest.mark.usefixtures("no_wait")
@given(st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 1)), st.booleans(), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        acquisition = discover(folder, template, settle=30)
    except InputError:  # nothing is whole yet, or something before a whole timepoint is missing
        assert not whole or len(whole) <= max(whole) - min(t for t, _, _ in settled)
        return
    assert acquisition == discover(folder, template, names=acquisition.tiff_names)
    names = {piece.path.name for volume in acquisition.volumes for piece in volume.tiles[0].pieces}
    times = {t for t, c, z in settled if name(c, t, z) in names}
    assert names == {name(c, t, z) for t in times for c in channels for z in planes}
    assert times == set(whole)
