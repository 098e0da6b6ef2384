"""Runs from Zarr stores: the same pixels give the same bits, and a store may change and grow."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from lightsheet.acquisition import store_settling
from lightsheet.processing import ingest
from lightsheet.run.backlog import find_backlog
from lightsheet.run.prepare import prepare_run
from lightsheet.run.run import Run
from lightsheet.store import Record, VolumeKey
from lightsheet.system import InputError
from tests.support.families import parametrize
from tests.support.zarr_stores import CHANNELS, VOXEL, WRITERS, write_plain, write_v05

MOVIE = np.random.default_rng(2).integers(90, 900, (3, 2, 6, 20, 24), np.uint16)


def prepare(folder: Path, images: Path, in_job: bool = False, **options: Any) -> Run:
    tifffile.imwrite(folder / "psf.tif", np.ones((5, 5, 5), np.float32))
    voxel_size = options.pop("voxel_size", VOXEL)
    names = options.pop("channels", CHANNELS)
    config = {
        "name": "a",
        "input": {"folder": str(images), **options},
        "voxel_size": voxel_size,
        "psf": {"files": dict.fromkeys(names, str(folder / "psf.tif")), "voxel_size": VOXEL},
        "output": {"folder": str(folder / f"results {images.name}")},
    }
    return prepare_run(config, in_job=in_job)


def ingest_all(run: Run) -> dict[VolumeKey, Record]:
    return {
        key: ingest.ingest_volume(run.results, key, tiles, run.layouts["raw"], 1)
        for channel in run.channels
        for t, tiles in run.list_tiles(channel, run.timepoints)
        for key in [VolumeKey("raw", channel, t)]
    }


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The raw shards of the movie, from TIFFs."""
    folder = tmp_path_factory.mktemp("tiff")
    (folder / "images").mkdir()
    for t, c in np.ndindex(3, 2):
        tifffile.imwrite(folder / "images" / f"{list(CHANNELS)[c]}_{t}.tif", MOVIE[t, c])
    return list_shards(ingest_all(prepare(folder, folder / "images", pattern="plain")))


def list_shards(records: dict[VolumeKey, Record]) -> list[Any]:
    return [record["shards"] for record in records.values()]


@parametrize("writer", sorted(WRITERS))
def test_a_store_of_any_writer_gives_the_bits_of_tiffs(tmp_path: Path, shards: list[Any], writer: str) -> None:
    store = tmp_path / "a.ome.zarr"
    WRITERS[writer](store, MOVIE)
    is_unnamed = writer.startswith(("ome-zarr", "acquire"))
    run = prepare(tmp_path, store, channels=("ch0", "ch1") if is_unnamed else CHANNELS, voxel_size={})
    assert list_shards(ingest_all(run)) == shards
    assert {key for key in find_backlog(run).volumes if key.kind == "raw"} == set()


def test_plain_arrays_give_the_bits_of_tiffs(tmp_path: Path, shards: list[Any]) -> None:
    for t, c in np.ndindex(3, 2):
        name = f"images/{list(CHANNELS)[c]}_{t}.zarr"
        write_plain(tmp_path / name, MOVIE[t, c].transpose(1, 2, 0), (20, 24, 6), zarr_format=2, order="F")
    run = prepare(tmp_path, tmp_path / "images", pattern="plain", axes="yxz")
    assert list_shards(ingest_all(run)) == shards


def test_only_what_changed_is_done_again(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    write_v05(store, MOVIE)
    first = prepare(tmp_path, store)
    ingest_all(first)
    first.record_files()
    array = zarr.open_array(store / "0", mode="a")
    array.resize((4, 2, 6, 20, 24))
    array[3] = MOVIE[0]
    array[1, 0, 5, 19, 23] = 7
    job = prepare(tmp_path, store, in_job=True)
    assert (job.list_tiles("GFP", job.timepoints), job.layouts) == (
        first.list_tiles("GFP", first.timepoints),
        first.layouts,
    )
    run = prepare(tmp_path, store)
    reasons = {key: reason for key, reason in find_backlog(run).volumes.items() if key.kind == "raw"}
    changed = VolumeKey("raw", "GFP", 1)
    assert reasons.pop(changed).startswith("its chunks in the Zarr changed")
    assert reasons == {VolumeKey("raw", channel, 3): "" for channel in CHANNELS}
    before = first.results.record(VolumeKey("raw", "GFP", 0)).read_bytes()
    ingest_all(run)
    assert first.results.record(VolumeKey("raw", "GFP", 0)).read_bytes() == before
    assert {key for key in find_backlog(run).volumes if key.kind == "raw"} == set()


def test_selected_timepoints_that_a_store_has_not_yet_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_settling, "LOOK_SECONDS", 0.0)
    store = tmp_path / "a.zarr"
    write_v05(store, MOVIE)
    zarr.open_array(store / "0", mode="a").resize((6, 2, 6, 20, 24))
    for path in store.rglob("*"):
        os.utime(path, (1e9, 1e9))
    run = prepare(tmp_path, store, settle=60, select={"timepoints": "0:8:2"})
    assert run.timepoints == (0, 2)
    assert run.acquisition.awaited_timepoints == "timepoints 4 to 6 by 2"


def test_a_hole_beside_the_selected_part_stops_nothing(tmp_path: Path) -> None:
    movie = np.array(MOVIE)
    movie[1, 1, 3:, 10:, 12:] = 0
    store = tmp_path / "a.zarr"
    write_v05(store, movie)
    with pytest.raises(InputError, match=r"1 of the 8 chunks of timepoint 1 of mCherry were never written"):
        prepare(tmp_path, store)
    run = prepare(tmp_path, store, select={"y": [2, 20], "x": [3, 12]})
    for channel in run.channels:
        for t, tiles in run.list_tiles(channel, run.timepoints):
            key = VolumeKey("raw", channel, t)
            record = ingest.ingest_volume(run.results, key, tiles, run.layouts["raw"], 1, region=run.region)
            assert record["status"] == "done"
    array = zarr.open_array(run.results.work("raw", "mCherry") / "0", mode="r")
    np.testing.assert_array_equal(array[1], movie[1, 1, :, 2:20, 3:12])


def test_a_voxel_size_that_the_store_contradicts(tmp_path: Path) -> None:
    write_v05(tmp_path / "a.zarr", MOVIE)
    with pytest.raises(
        InputError, match=r"voxel_size\.z is 0\.5 um in the config, but 0\.3 um in OME-NGFF metadata of"
    ):
        prepare(tmp_path, tmp_path / "a.zarr", voxel_size={**VOXEL, "z": 0.5})
    run = prepare(tmp_path, tmp_path / "a.zarr", voxel_size={**VOXEL, "z": 0.5, "override": True})
    assert run.config["voxel_size"]["z"] == 0.5
