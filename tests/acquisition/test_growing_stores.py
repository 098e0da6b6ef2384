"""Stores that a microscope still writes: what is left for the next run."""

import os
from pathlib import Path
from typing import Any

import pytest
import zarr

from lightsheet.acquisition import (
    describe_acquisition,
    discover,
    store_settling,
    unfold_stores,
)
from lightsheet.system import InputError
from tests.support.store_surveys import MOVIE, look
from tests.support.zarr_stores import (
    write_v05,
)


def allocate_end(store: Path) -> zarr.Array[Any]:
    """Write a store that was written a while ago, with three timepoints of six, and return its array."""
    write_v05(store, MOVIE)
    array = zarr.open_array(store / "0", mode="a")
    array.resize((6, 2, 6, 20, 24))
    age(store)
    return array


def age(store: Path) -> None:
    for path in store.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))


def test_timepoints_of_a_growing_store_wait_until_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timepoints that are still written wait, and the end that is allocated but empty."""
    monkeypatch.setattr(store_settling, "LOOK_SECONDS", 0.01)
    store = tmp_path / "a.zarr"
    array = allocate_end(store)
    survey = look(store, settle=60)
    assert survey.acquisition.timepoints == 3
    assert len(survey.acquisition.waiting_files) == 6
    assert survey.acquisition.seconds == (0, 2.5, 5)
    array[3, 0] = 7  # one channel of the next
    assert look(store, settle=60, previous=survey.state).acquisition.timepoints == 3
    array[3, 1] = 7
    age(store)
    assert look(store, settle=60, previous=survey.state).acquisition.timepoints == 4
    array[1, 0] = 8
    with pytest.raises(InputError, match=r"timepoint 1 of GFP changed after an earlier run had read it; run again in"):
        look(store, settle=60, previous=survey.state)
    assert "Zarr version 3: 6 x 2 x 6 x 20 x 24" in describe_acquisition(survey.acquisition, "")


def test_of_a_store_that_grows_only_what_is_selected_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 0::2 of 6 timepoints, 0 and 2 are there; others are not looked at, be they whole, empty or young."""
    monkeypatch.setattr(store_settling, "LOOK_SECONDS", 0.01)
    store = tmp_path / "a.zarr"
    array = allocate_end(store)
    array[1] = 8
    selection = {(channel, timepoint) for channel in ("GFP", "mCherry") for timepoint in (0, 2, 4)}
    assert look(store, settle=60, selection=selection).acquisition.timepoints == 4
    with pytest.raises(InputError, match=r"lacks timepoint 4 .*timepoints: \"0:4\""):
        look(store, selection=selection)
    array[4] = 7
    assert look(store, settle=60, selection=selection).acquisition.timepoints == 4
    for path in store.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    assert look(store, settle=60, selection=selection).acquisition.timepoints == 6


def test_a_store_that_is_being_created_waits(tmp_path: Path) -> None:
    for t in range(2):
        write_v05(tmp_path / f"{t}.zarr", MOVIE[:1])
    (tmp_path / "2.zarr").mkdir()
    with pytest.raises(InputError, match=r"2\.zarr: it is no Zarr store"):
        unfold_stores(discover(tmp_path, "{timepoint}.zarr"))
    acquisition = discover(tmp_path, "{timepoint}.zarr", settle=60)
    assert acquisition.waiting_files == (("2.zarr", "still being written"),)
    assert unfold_stores(acquisition).acquisition.timepoints == 2
    os.utime(tmp_path / "2.zarr", ns=(10**18, 10**18))
    with pytest.raises(InputError, match=r"2\.zarr: it is no Zarr store"):
        unfold_stores(discover(tmp_path, "{timepoint}.zarr", settle=60))
