"""`store.write` on a SLURMCluster that a user started in a notebook: nothing there is of the workflow's."""

import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from dask_jobqueue.slurm import SLURMCluster
from distributed import Client

from lightsheet.store import write
from tests.support.minislurm import Cluster

pytestmark = pytest.mark.slurm
SHAPE = (3, 1, 4, 40, 30)


def test_an_array_is_written_by_jobs_of_the_users_own_cluster(slurm: Cluster, tmp_path: Path) -> None:
    options = {"queue": "cpu", "cores": 1, "memory": "700MiB", "walltime": "00:10:00", "python": sys.executable}
    with SLURMCluster(**options, log_directory=str(tmp_path), scheduler_options={"dashboard_address": None}) as cluster:
        cluster.scale(jobs=1)
        with Client(cluster):
            array = da.arange(np.prod(SHAPE), chunks=-1).reshape(SHAPE).rechunk((1, 1, 4, 40, 30)).astype("float32")
            store = write(array, tmp_path / "a.ome.zarr", voxel_size={"z": 0.3, "y": 0.1, "x": 0.1})
    np.testing.assert_array_equal(zarr.open_array(store / "0", mode="r")[:].ravel(), np.arange(np.prod(SHAPE)))
    assert slurm.jobs(), "it was a job of SLURM's that wrote"
