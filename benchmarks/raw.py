"""Measure what it saves to copy no raw volumes, and keep it in results/raw.md.

One simulated volume gets the names of a movie. Of it two runs are started in turns, with `output.raw: keep` and `none`,
and ended when the first record of a result is there; the medians count. Then a short movie is done to its end with
`none`, and all bytes that lie in its folder are compared with those of its result. It takes ten minutes on 2 cores;
`--quick` tries it with a small movie, and keeps nothing.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import yaml
from support.machine import Load, describe_machine
from support.many_volumes import multiply_source
from support.process_tree import run_command
from support.result_table import write_result

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from lightsheet.simulation import simulate_acquisition  # noqa: E402
from lightsheet.system import format_size  # noqa: E402

CHANNEL = "CamA_ch0_488nm"
LONGEST_SECONDS = 3600


class Movie(NamedTuple):
    """What is deconvolved: so many timepoints until the first is done, and so many to the end."""

    shape: tuple[int, int, int]
    psf_shape: tuple[int, int, int]
    timepoints: int
    short: int
    rounds: int


FULL = Movie((101, 512, 384), (101, 64, 64), 240, 6, 3)
QUICK = Movie((12, 40, 36), (31, 20, 20), 4, 2, 1)


def write_project(folder: Path, movie: Movie, timepoints: int) -> None:
    """Simulate one volume, and give its file the names of all timepoints."""
    simulate_acquisition(
        folder / "data",
        channels=1,
        timepoints=1,
        shape=movie.shape,
        psf_shape=movie.psf_shape,
        progress=lambda _line: None,
    )
    name = next((folder / "data").glob("*.tif")).name
    multiply_source(folder / "data", name.split("_Cam")[0], timepoints)


def configure(folder: Path, raw: str) -> list[str]:
    """Write the configuration, and return the command."""
    config: dict[str, Any] = {
        "name": "run",
        "input": {"folder": "data"},
        "voxel_size": {"z": 0.3, "y": 0.104, "x": 0.104},
        "psf": {"files": {CHANNEL: "psf/488.tif"}, "voxel_size": {"z": 0.1, "y": 0.104, "x": 0.104}},
        "deconvolution": {"engine": "cpu", "iterations": 10, "background": 100},
        "output": {"raw": raw},
    }
    (folder / "my.yaml").write_text(yaml.safe_dump(config))
    shutil.rmtree(folder / "results", ignore_errors=True)
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    return [*snakemake, "--configfile", "my.yaml"]


def measure_first_volume(folder: Path, raw: str) -> float:
    """Return the seconds from the command to the first record of a result; the run is ended there."""
    command, start = configure(folder, raw), time.monotonic()
    with (folder / "log").open("w") as log:
        run = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        records = folder / "results" / "run" / "records" / "result" / CHANNEL
        while not any(records.glob("t*.json")):
            if run.poll() is not None or time.monotonic() - start > LONGEST_SECONDS:
                raise RuntimeError(f"no volume was done: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return time.monotonic() - start
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def measure_bytes(folder: Path) -> tuple[int, int]:
    """Do a movie to its end; return the bytes in its results folder, each file once, and those of its result."""
    run_command(configure(folder, "none"), folder)
    results = folder / "results" / "run"
    sizes = {path.stat().st_ino: path.stat().st_size for path in results.rglob("*") if path.is_file()}
    shards = {path.stat().st_ino: path.stat().st_size for path in (results / "run.ome.zarr").rglob("c/**/0")}
    return sum(sizes.values()), sum(shards[inode] for inode in shards if inode in sizes)


def measure(movie: Movie) -> list[str]:
    """Return the lines of the result."""
    load, seconds = Load(), dict[str, list[float]](keep=[], none=[])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_project(folder, movie, movie.timepoints)
        size = movie.timepoints * next((folder / "data").glob("*.tif")).stat().st_size
        for _ in range(movie.rounds):
            for raw, taken in seconds.items():
                taken.append(measure_first_volume(folder, raw))
                print(f"{raw}: {taken[-1]:.1f} s", file=sys.stderr)
    with tempfile.TemporaryDirectory() as place:
        write_project(Path(place), movie, movie.short)
        written, result = measure_bytes(Path(place))
    keep, none = (median(taken) for taken in seconds.values())
    return [
        "# No copy of raw volumes: `output.raw: none`",
        "",
        f"`python benchmarks/raw.py` on {describe_machine()}. {load.describe()}",
        "",
        f"From the command to the first finished volume of {movie.timepoints} of {movie.shape} uint16 "
        f"({format_size(size)} of TIFF), 10 iterations, medians of {movie.rounds} runs in turns:",
        "",
        "| output.raw | seconds | each |",
        "|---|---|---|",
        *(
            f"| {raw} | {median(taken):.1f} | {', '.join(f'{value:.1f}' for value in taken)} |"
            for raw, taken in seconds.items()
        ),
        "",
        f"`none` takes **{none / keep:.2f}** of the time of `keep`: no volume waits for others to be copied, which "
        "takes longer the longer a movie is.",
        "",
        f"{movie.short} volumes done to their end: {format_size(written)} in the results folder, report and provenance "
        f"included, of which {format_size(result)} are the result: **{100 * (written / result - 1):.2f} %** more.",
    ]


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny volumes; nothing is kept")
    quick = parser.parse_args().quick
    lines = measure(QUICK if quick else FULL)
    write_result("raw", lines, is_whole=not quick)


if __name__ == "__main__":
    main()
