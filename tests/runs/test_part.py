"""A part of a finished movie, without raw volumes from now on: by the workflow itself."""

import numpy as np
import pytest
import zarr

from lightsheet.provenance import read_volumes
from lightsheet.store import find_finished
from tests.support.project import CHANNELS, Project, redone

pytestmark = pytest.mark.workflow


def test_a_part_without_raw_volumes_does_what_is_missing_of_it_from_the_files(project: Project) -> None:
    """A volume that a killed run did not finish is done, those that stand are published, and raw copies are removed."""
    result, store = project.finished("result"), zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r")
    before = np.asarray(store[:])
    record = project.results / "records" / "result" / CHANNELS[1] / "t0002.json"
    record.unlink()
    (project.results / "records" / "raw" / CHANNELS[1] / "t0002.json").unlink()
    select = {"timepoints": "0::2", "channels": [CHANNELS[1]]}
    project.configure(input={"select": select}, output={"raw": "none"})

    output = project.succeed()

    assert "2 of 3 timepoints (0, 2, from 0), 1 of 2 channels" in output
    assert redone(result, project.finished("result")) == [f"{CHANNELS[1]}/t0002"]
    part = np.asarray(zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r")[:])
    np.testing.assert_array_equal(part, before[::2, 1:])
    raw = read_volumes(find_finished(project.results), "raw")
    assert raw.seconds == pytest.approx((0, 87.496))
    assert raw.interval == pytest.approx(87.496)
    assert not (project.results / "raw" / f"{CHANNELS[1]}.ome.zarr").exists()
    assert (project.results / "raw" / f"{CHANNELS[0]}.ome.zarr").exists(), "of a channel that is not selected"
    assert "Selected" in (project.results / "report.html").read_text()
    assert not project.list_due()
