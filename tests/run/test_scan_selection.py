"""A part of a stage scan: where it lies in the whole, and when it was recorded."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr_models.v05 import Image
from yaozarrs import validate_zarr_store

from lightsheet.run.places import find_start_seconds
from lightsheet.store import read_image
from lightsheet.system import InputError
from tests.support import tiny_run
from tests.support.families import parametrize
from tests.support.selected_part import read
from tests.support.tiny_run import NAMES

FIRST = next(iter(NAMES))


@pytest.mark.slow
@parametrize(("geometry", "direction"), [("deskewed", -1), ("rotated", 1), ("raw", 1)])
def test_a_part_of_a_stage_scan_lies_where_it_does_in_the_whole(tmp_path: Path, geometry: str, direction: int) -> None:
    """The place of the brightest voxel, to one voxel: the geometry interpolates. Raw planes lie there exactly."""
    (tmp_path / "my data").mkdir()
    tiny_run.simulate(tmp_path / "psfs")
    (tmp_path / "my data" / NAMES[FIRST]).write_bytes((tmp_path / "psfs" / NAMES[FIRST]).read_bytes())
    volume = np.random.default_rng(3).poisson(110, (16, 24, 40)).astype(np.uint16)
    volume[8, 12, 20] = 9000
    name = next((tmp_path / "psfs").glob("*ch0*stack0000*_000x_*")).name
    tifffile.imwrite(tmp_path / "my data" / name, volume, photometric="minisblack")
    scan = {"kind": "stage", "angle": 31.8, "step": 0.4, "axis": "x", "direction": direction}
    places, raw_places = [], []
    for select in ({}, {"z": [3, 14], "y": [2, 22], "x": [6, 36]}):
        run = tiny_run.prepare(
            tmp_path,
            input={"select": select, "scan": scan},
            voxel_size={"z": 0.4 * np.sin(np.radians(31.8)), "override": True},
            psf={"files": {FIRST: NAMES[FIRST]}},
            output={"geometry": geometry, "folder": str(tmp_path / f"results{len(places)}")},
        )
        tiny_run.finish(run)
        image, stored = read_image(run.results, "result"), read(run)[0, 0]
        peak = np.array(np.unravel_index(stored.argmax(), stored.shape))
        places.append(peak * [*image.voxel_size.values()] + image.origin)
        store, image = run.results.raw_store(FIRST), read_image(run.results, "raw")
        raw = np.asarray(zarr.open_array(store / "0", mode="r")[0])
        peak = np.array(np.unravel_index(raw.argmax(), raw.shape))
        raw_places.append(peak * [*image.voxel_size.values()] + image.origin)
        for valid in (store, run.results.store):
            validate_zarr_store(valid)
            Image.from_zarr(zarr.open_group(valid, mode="r"))
    assert np.abs(places[0] - places[1]).max() < 0.22
    np.testing.assert_allclose(raw_places[0], raw_places[1])
    if geometry == "raw":
        np.testing.assert_allclose(places[1], raw_places[1])
    else:
        sheared = np.array(image.affine) @ [*raw_places[1], 1]
        assert np.abs(sheared - places[1]).max() < 0.22, "the matrix is from the store's places to those of the result"


def test_a_part_of_the_times_of_a_stage_scan_begins_when_it_was_recorded(tmp_path: Path) -> None:
    tiny_run.simulate(tmp_path / "my data")
    scan = {"kind": "stage", "angle": 31.8, "step": 0.4, "axis": "x", "direction": 1}
    voxel_size = {"z": 0.4 * np.sin(np.radians(31.8)), "override": True}
    run = tiny_run.prepare(tmp_path, input={"select": {"timepoints": 1}, "scan": scan}, voxel_size=voxel_size)
    assert find_start_seconds(run) == 1.0


def test_a_stage_scan_whose_result_would_hold_nothing_that_was_measured_is_refused(tmp_path: Path) -> None:
    tiny_run.simulate(tmp_path / "my data")
    scan = {"kind": "stage", "angle": 5, "step": 2.0, "axis": "y", "direction": -1}
    sections = {"input": {"scan": scan}, "voxel_size": {"z": 2 * np.sin(np.radians(5)), "override": True}}
    tiny_run.prepare(tmp_path, **sections, output={"geometry": "raw"})
    with pytest.raises(InputError, match=r"output\.geometry: rotated leaves no voxel that planes of \(6, 20, 24\)"):
        tiny_run.prepare(tmp_path, **sections, output={"geometry": "rotated"})
