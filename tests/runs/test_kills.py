"""`kill -9` of a whole run, at any moment, loses nothing and shows nobody half a store."""

import random
import shutil
import time
from pathlib import Path

import pytest
import yaozarrs
import zarr

from lightsheet.store.paths import shard_path
from tests.support.project import CHANNELS, Project

pytestmark = pytest.mark.workflow

KILLS = 10
SHAPE = (8, 24, 20)
TIMEPOINTS = 2


def assert_no_half_store(project: Project) -> None:
    """Whatever a reader finds under its published name is valid and has every shard."""
    stores = {project.results / "small.ome.zarr": [(t, 0) for t in range(TIMEPOINTS)]}
    stores |= {project.results / "raw" / f"{CHANNELS[0]}.ome.zarr": [(t,) for t in range(TIMEPOINTS)]}
    for store, indices in stores.items():
        if store.exists():
            yaozarrs.validate_zarr_store(str(store))
            array = zarr.open_array(store / "0", mode="r")
            assert array.shape[-3:] == SHAPE
            for index in indices:
                assert shard_path(store, 0, index).exists()
                assert array[index].any()


def unlock(project: Project, by_command: bool) -> None:
    """Remove the lock that a killed run leaves, as `--unlock` does: which takes as long as a short job."""
    if by_command:
        project.succeed("--unlock")
    else:
        shutil.rmtree(project.folder / ".snakemake" / "locks", ignore_errors=True)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    # The smallest run that has every rule: the bytes do not depend on sizes, blocks and channels.
    project = Project(tmp_path)
    project.simulate(timepoints=TIMEPOINTS, shape=SHAPE, channels=1)
    project.configure_one_channel(deconvolution={"iterations": 3})
    start = time.monotonic()
    project.succeed("consolidate")
    seconds = time.monotonic() - start
    undisturbed = project.digests()
    moments = random.Random(7)
    for number in range(KILLS):
        project.forget()
        running = project.start("consolidate")
        # one moment from each tenth of the run, so that every stage is hit
        time.sleep(seconds * (number + moments.random()) / KILLS)
        project.kill(running)
        assert_no_half_store(project)
        unlock(project, by_command=number == KILLS // 2)
        project.succeed("consolidate")
        assert_no_half_store(project)
        assert project.digests() == undisturbed
