"""`kill -9` of a whole run, at any moment, loses nothing and shows nobody half a store."""

import random
import time

import pytest
import yaozarrs
import zarr

from lightsheet.store.paths import shard_path

from .conftest import CHANNELS, CONFIG, SHAPE, Project

pytestmark = pytest.mark.workflow

KILLS = 10
CHANNEL = CHANNELS[0]


def assert_no_half_store(project: Project) -> None:
    """Whatever a reader finds under its published name is valid and has every shard."""
    stores = {project.results / "small.ome.zarr": [(t, 0) for t in range(3)]}
    stores |= {project.results / "raw" / f"{CHANNEL}.ome.zarr": [(t,) for t in range(3)]}
    for store, indices in stores.items():
        if store.exists():
            yaozarrs.validate_zarr_store(str(store))
            array = zarr.open_array(store / "0", mode="r")
            assert array.shape[-3:] == SHAPE
            for index in indices:
                assert shard_path(store, 0, index).exists()
                assert array[index].any()


def test_a_killed_run_goes_on_where_it_was(fresh: Project) -> None:
    # Few jobs, because each is a process that has to start; the bytes do not depend on blocks and channels.
    for path in fresh.tiffs()[3:]:
        path.unlink()
    psfs = {CHANNEL: CONFIG["psf"]["files"][CHANNEL]}
    fresh.configure(psf={"files": psfs}, deconvolution={"timepoints_per_job": 3})
    start = time.monotonic()
    fresh.succeed("consolidate")
    seconds = time.monotonic() - start
    undisturbed = fresh.digests()
    moments = random.Random(7)
    for number in range(KILLS):
        fresh.forget()
        running = fresh.start("consolidate")
        # one moment from each tenth of the run, so that every stage is hit
        time.sleep(seconds * (number + moments.random()) / KILLS)
        fresh.kill(running)
        assert_no_half_store(fresh)
        fresh.succeed("--unlock")
        fresh.succeed("consolidate")
        assert_no_half_store(fresh)
        assert fresh.digests() == undisturbed
