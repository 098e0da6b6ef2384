"""What a killed run left, and whose things stay."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import snakemake.api  # noqa: F401 (the other modules of Snakemake need it first)

from lightsheet.cluster import label_jobs
from lightsheet.store import RUNS, Results
from lightsheet.system import write_text
from lightsheet.workflow.remnants import date_back, end_orphans, free_files


def write_locks(**files: list[str]) -> Path:
    folder = Path(".snakemake/locks")
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / f"0.{name}.lock").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_files_of_a_killed_run_are_freed_by_whichever_path(results: Results) -> None:
    free_files(results.folder)  # as the killed run did, before it locked its files
    inside, outside = "results/a/work/manifests/x.json", "results/ab/report.html"
    folder = write_locks(output=[inside, f"link/{Path(inside).name}"], input=[outside, str(Path(inside).absolute())])
    Path(inside).parent.mkdir(parents=True)
    Path("link").symlink_to(Path(inside).parent)
    free_files(results.folder)
    assert (folder / "0.input.lock").read_text() == f"{outside}\n"
    assert not (folder / "0.output.lock").exists()


def test_locks_of_runs_in_other_folders_are_not_touched_and_may_vanish(results: Results) -> None:
    """They may be another member's of the group, or end at this moment."""
    free_files(results.folder)
    folder = write_locks(output=["results/ab/report.html"])
    (folder / "0.input.lock").symlink_to("vanished")
    os.utime(folder / "0.output.lock", (0, 0))
    free_files(results.folder)
    assert (folder / "0.output.lock").stat().st_mtime == 0


def test_results_from_the_future_are_dated_as_of_now_in_the_order_of_their_jobs(results: Results) -> None:
    """Snakemake fails a job whose input is younger than its new output: the clock was set right between two runs."""
    order = [
        results.psf("ch0", ".tif"),
        *map(results.manifest, ("ingest.ch0.t0000", "deconvolve.t0000")),
        results.report,
    ]
    for age, path in enumerate(reversed(order)):
        write_text(path, "")
        os.utime(path, (2e9 + age, 2e9 + age))
    old = results.inventory
    write_text(old, "")
    os.utime(old, (1e9, 1e9))
    date_back(results)
    times = [path.stat().st_mtime for path in order]
    assert times == sorted(times)
    assert times[-1] <= time.time()
    assert old.stat().st_mtime == 1e9


def test_locks_that_no_run_of_this_folder_wrote_are_heeded(results: Results) -> None:
    files = ["results/a/report.html"]
    folder = write_locks(output=files)
    (folder / f"{label_jobs(Path('results/b'))}.mark").touch()
    free_files(results.folder)
    assert (folder / "0.output.lock").read_text().split() == files


@pytest.fixture
def processes(results: Results) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Processes that killed runs left: of this folder (one ignores SIGTERM), of another, of a SLURM job."""
    place = str(results.folder.absolute())
    environments = {
        "orphan": {RUNS: f"0123 /elsewhere\n4567 {place}"},
        "other": {RUNS: f"4567 {place}b"},
        "job": {RUNS: f"4567 {place}", "SLURM_JOB_ID": "7"},
    }
    running = {
        name: subprocess.Popen(["sleep", "60"], env={**os.environ, **environment})
        for name, environment in environments.items()
    }
    yield running
    for process in running.values():
        process.kill()
        process.wait()


def test_processes_of_a_killed_run_are_ended_and_no_others(
    results: Results, processes: dict[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    end_orphans(str(results.folder.absolute()))
    assert processes["orphan"].poll() is not None or not psutil.pid_exists(processes["orphan"].pid)
    assert processes["other"].poll() is None
    assert processes["job"].poll() is None
