"""Measure one volume of (201, 1024, 768), 10 iterations, in its worker of a run, and keep it in results/one_volume.md.

Runs of this source and of an earlier commit take turns, in this environment, whose packages must be those of both. The
seconds are those in the volume's record: to read, deconvolve and write it. Then two runs deconvolve it with a PSF of
noise, of which nothing is trimmed; the memory is VmHWM of the worker's process, beside what a job of SLURM asks for.
On 2 cores all of it takes about 8 minutes.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import tifffile
import yaml
from end_to_end import ITERATIONS, ROOT, VOXEL_SIZE, Movie, write_project
from support.machine import Load, describe_machine
from support.process_tree import Spent, run_command
from support.result_table import write_result

from lightsheet.processing import estimate_memory

MOVIE = Movie((201, 1024, 768), 1, 1, (101, 64, 64), 0)
PSF = (101, 65, 67)  # odd, so that it is used as it is; padded, the volume has (320, 1125, 864) voxels
EARLIER = "bcdf773"
"""The last commit before volumes were deconvolved by compiled code."""


class Turn(NamedTuple):
    """One run."""

    spent: Spent
    seconds: float  # of the volume in its worker
    deconvolution: float  # of these, of the deconvolution
    engine: str


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default=EARLIER, metavar="COMMIT", help=f"the earlier commit; {EARLIER}")
    parser.add_argument("--rounds", type=int, default=3, help="in which the commits take turns; the medians count")
    options = parser.parse_args()
    load = Load()
    with tempfile.TemporaryDirectory() as place:
        earlier, folder = Path(place) / "earlier", Path(place) / "project"
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, earlier], check=True)
        subprocess.run(["git", "-C", earlier, "checkout", "--quiet", options.against], check=True)
        folder.mkdir()
        write_project(folder, MOVIE, ITERATIONS)
        turns: dict[Path, list[Turn]] = {ROOT: [], earlier: []}
        for _ in range(options.rounds):
            for source, column in turns.items():
                column.append(run(source, folder))
                print(source, column[-1], file=sys.stderr)
        memory = [measure_memory(folder, acceleration) for acceleration in ("none", "heavy-ball")]
    now, before = turns.values()
    lines = [
        f"One volume of {MOVIE.shape}, {ITERATIONS} iterations, in its worker of `snakemake -c all`, by "
        f"`python benchmarks/one_volume.py`; medians of {options.rounds} rounds.",
        f"{describe_machine()}. {load.describe()}",
        "",
        "| | s in the worker | of turns | of these, deconvolution | whole run, s | x the first row |",
        "|---|---|---|---|---|---|",
        describe("this source", now, now),
        describe(f"commit {options.against}", before, now),
        "",
        f"With a PSF of {PSF}, of which nothing is trimmed, 2 iterations:",
        "",
        "| acceleration | VmHWM of the worker, GB | asked of SLURM, GB | asked / VmHWM |",
        "|---|---|---|---|",
        *memory,
    ]
    write_result("one_volume", lines)


def run(source: Path, folder: Path) -> Turn:
    """Run the workflow of a source from the beginning."""
    shutil.rmtree(folder / "results", ignore_errors=True)
    python = ["env", f"PYTHONPATH={source / 'scripts'}", sys.executable]
    snakemake = ["-m", "snakemake", "--snakefile", source / "Snakefile", "--cores", "all", "--configfile", "my.yaml"]
    spent = run_command([*python, *snakemake], folder)
    (path,) = (folder / "results" / "run" / "records" / "result").glob("*/*.json")
    record = json.loads(path.read_text())
    seconds = record["seconds"]
    return Turn(spent, sum(seconds.values()), seconds["deconvolve"], record["engine"])


def describe(name: str, turns: list[Turn], reference: list[Turn]) -> str:
    """Return a row of the table of seconds."""
    seconds = [turn.seconds for turn in turns]
    rest = [median(column) for column in ([t.deconvolution for t in turns], [t.spent.seconds for t in turns])]
    ratio = median(seconds) / median(turn.seconds for turn in reference)
    listed = ", ".join(f"{value:.1f}" for value in seconds)
    cells = [f"{name}, engine {turns[0].engine}", f"{median(seconds):.1f}", listed, *(f"{n:.1f}" for n in rest)]
    return f"| {' | '.join(cells)} | {ratio:.2f} |"


def measure_memory(folder: Path, acceleration: str) -> str:
    """Deconvolve the volume with a PSF of noise, and return a row of the table of memory."""
    rng = np.random.default_rng(0)
    psf = rng.random(PSF, np.float32)
    psf[tuple(slice(n // 2 - 2, n // 2 + 3) for n in PSF)] += 20  # a PSF has a peak
    tifffile.imwrite(folder / "data" / "psf" / "488.tif", psf)
    config = yaml.safe_load((folder / "my.yaml").read_text())
    config["psf"] |= {"voxel_size": VOXEL_SIZE, "background": 0}
    config["deconvolution"] |= {"acceleration": acceleration, "iterations": 2}
    (folder / "my.yaml").write_text(yaml.safe_dump(config))
    peak = run(ROOT, folder).spent.largest
    asked = estimate_memory(MOVIE.shape, PSF, "cpu", acceleration) / 1e9
    print(acceleration, peak, asked, file=sys.stderr)
    return f"| {acceleration} | {peak:.2f} | {asked:.2f} | {asked / peak:.2f} |"


if __name__ == "__main__":
    main()
