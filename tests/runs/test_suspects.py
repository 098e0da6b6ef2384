"""A run whose result nobody should trust ends well and says so."""

import contextlib

import pytest

from lightsheet.run import describe_suspicions
from tests.support.project import CHANNELS, Project

pytestmark = pytest.mark.workflow


def test_a_run_whose_every_volume_is_suspect_says_so_at_both_ends(small: Project) -> None:
    small.configure_one_channel(
        deconvolution={"background": 1000, "iterations": 2}, voxel_size={"z": 300, "y": 104, "x": 104}
    )
    lines = small.succeed().splitlines()
    jobs = next(number for number, line in enumerate(lines) if line.startswith("jobs: "))
    last = next(number for number, line in enumerate(lines) if line.startswith("report ") and " done in " in line)
    dark = "no voxel of the image is brighter than the background of 1000 counts"
    assert [line for line in lines[:jobs] if "suspect: voxel_size.z is 300 um" in line]
    (warned,) = [line for line in lines[:last] if f"{CHANNELS[0]} is suspect: {dark}" in line]
    assert warned.split(" ", 2)[2] in (small.results / "logs" / "inventory.log").read_text()
    assert f"{CHANNELS[0]} is suspect: its PSF is a single voxel" in (
        next((small.results / "logs").glob("deconvolve.*.log")).read_text()
    )
    end = "\n".join(lines[last:])
    assert "Every volume of this run is suspect; look at results/small/report.html" in end
    assert f"{CHANNELS[0]}: every volume is suspect (1): {dark}" in end
    assert "suspect: voxel_size.z is 300 um" in end
    again = small.succeed()
    assert again.index("Nothing to be done") < again.index("Every volume of this run is suspect")
    page = (small.results / "report.html").read_text()
    assert f"every volume is suspect (1)</b>: {dark}" in page
    assert "voxel_size.z is 300 um" in page


def test_a_good_run_is_not_suspect(finished: Project) -> None:
    with contextlib.chdir(finished.folder):
        run = finished.prepare()
        assert describe_suspicions(run, run.read_records()) == []
    assert "<dt>Suspect</dt><dd>none</dd>" in (finished.results / "report.html").read_text()
    assert "suspect" not in (finished.results / "logs" / "inventory.log").read_text()
