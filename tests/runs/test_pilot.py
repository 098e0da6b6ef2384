"""`snakemake pilot`: a sheet to choose from, before any run, and nothing else."""

import re
from pathlib import Path

import pytest

from lightsheet.system import files
from tests.support.project import CHANNELS, Project

pytestmark = pytest.mark.workflow


def test_a_pilot_writes_its_sheet_and_touches_nothing_else(tmp_path: Path) -> None:
    fresh = Project(tmp_path)
    fresh.simulate(timepoints=1)
    fresh.configure(
        deconvolution={"iterations": 3},
        pilot={"iterations": [1, 5], "crop": {"y": [4, 36]}, "methods": [{"acceleration": "heavy-ball"}]},
    )
    output = fresh.succeed("pilot")
    assert "pilot, deconvolve 1/" in fresh.read_log("pilot")
    assert re.search(rf"^{CHANNELS[1]}, cpu extended heavy-ball, background 100: ", output, re.MULTILINE)
    assert "results/small/pilot.html" in output
    numbers = files.read_json(fresh.results / "pilot.json")
    assert numbers["shape"] == [12, 32, 36]
    assert numbers["start_seconds"]["job"] > 0
    assert numbers["start_seconds"]["workers"] > 0
    assert list(numbers["channels"]) == list(CHANNELS)
    assert {run["iterations"] for run in numbers["channels"][CHANNELS[0]]["methods"][0]["runs"]} >= {1, 3, 5}
    assert "<svg" in (fresh.results / "pilot.html").read_text()
    assert sorted(path.name for path in fresh.results.iterdir()) == ["logs", "pilot.html", "pilot.json", "psf", "work"]
    assert {path.name for path in (fresh.results / "work").iterdir()} == {"blocks.json", "files.json"}
    again = fresh.succeed("pilot")
    assert "Nothing to be done" in again
    assert "pilot.html" in again, "whoever asks for a pilot looks for its page"
