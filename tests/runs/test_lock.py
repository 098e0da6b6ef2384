"""Two runs in one results folder, and what `kill -9` of Snakemake alone leaves."""

import os
import signal
from pathlib import Path

import psutil
import pytest
import yaml
import zarr

from lightsheet.store import RUNS
from tests.support.patience import wait_until
from tests.support.project import ONE_WORKER, Project

pytestmark = pytest.mark.workflow


HOLD = """
import os, sys, time

def hold(event, arguments):
    while event == "open" and "work/raw/" in str(arguments[0]) and os.path.exists("hold"):
        time.sleep(0.05)

sys.addaudithook(hold)
"""
"""What Python's start runs: no volume is ingested as long as there is a file, while another run starts beside it."""


@pytest.fixture
def tiny(tmp_path: Path) -> Project:
    """The smallest run that has every rule, nothing done yet."""
    project = Project(tmp_path / "a")
    project.simulate(timepoints=2, shape=(8, 24, 20), channels=1)
    project.configure_one_channel(deconvolution={"iterations": 3})
    return project


def list_processes(project: Project) -> set[int]:
    """Return the processes that runs in the project's results folder started."""
    return {
        process.pid
        for process in psutil.process_iter(["environ"])
        if str(project.results) in (process.info["environ"] or {}).get(RUNS, "")
    }


def test_of_two_runs_in_a_folder_one_works_and_the_other_is_told(tiny: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "b")
    other.folder.mkdir()
    (tmp_path / "link").symlink_to(tiny.folder)
    config = yaml.safe_load((tiny.folder / "my.yaml").read_text())
    config["input"]["folder"] = str(tiny.folder / "data")
    config["output"] = {"folder": str(tmp_path / "link" / "results")}
    (other.folder / "my.yaml").write_text(yaml.safe_dump(config))

    (tiny.folder / "hold").touch()
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "sitecustomize.py").write_text(HOLD)
    running = tiny.start("consolidate", environment={**os.environ, "PYTHONPATH": str(tmp_path / "start")})
    wait_until((tiny.results / "lock.json").exists)
    refusal = other.fail()
    assert "another run works in this results folder" in refusal
    assert f"process {running.pid}, in {tiny.folder}" in refusal
    assert "this was a dry run" in other.succeed("-n"), "a dry run needs no lock"
    (tiny.folder / "hold").unlink()
    assert running.wait(240) == 0, (tiny.folder / "run.log").read_text()
    movie = zarr.open_array(tiny.results / "small.ome.zarr" / "0", mode="r")
    assert all(movie[t, 0].max() == tiny.record("result", 0, t)["statistics"]["max"] > 0 for t in range(2))
    assert not (tiny.results / "lock.json").exists()


def test_what_a_killed_snakemake_leaves_is_ended_and_the_same_command_goes_on(tiny: Project) -> None:
    tiny.configure_one_channel(deconvolution={"iterations": 10000})
    running = tiny.start("consolidate")
    wait_until(lambda: "volumes are to be deconvolved" in tiny.read_log("deconvolve.*"))
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    left = list_processes(tiny)
    assert left, "Snakemake's jobs outlive it"
    assert list((tiny.folder / ".snakemake" / "locks").glob("*.lock"))
    tiny.configure_one_channel(deconvolution={"iterations": 3})
    log = tiny.succeed("consolidate", *ONE_WORKER)
    assert "took over the lock of a run that is dead" in log
    assert not left & set(psutil.pids())
    assert tiny.record("result", 0, 1)["statistics"]["max"] > 0
    assert not list((tiny.folder / ".snakemake").rglob("*.lock"))
