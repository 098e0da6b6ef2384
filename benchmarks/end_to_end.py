"""Measure a whole run beside the recipe of Dask notebooks, and keep it in results/end_to_end.md.

The same simulated acquisition is deconvolved by `snakemake -c all` with default settings, and by support/recipe.py,
which reads TIFFs with Dask on a LocalCluster, writes Zarr, and calls scikit-image's or ITK's Richardson-Lucy on each
volume. The recipes get the PSFs as this project prepares and trims them. They make no pyramid, digests, provenance or
report. All take turns, and the medians count; CPU seconds and memory are those of all processes of a command.

Then 20 volumes are deconvolved with the default settings, and with others chosen by hand. On 2 cores all of it takes
about 35 minutes, most of them in ITK; `--quick` tries it with tiny volumes, and keeps nothing.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import tifffile
import yaml
import zarr
from support.machine import Load, describe_machine
from support.process_tree import Spent, run_command
from support.result_table import write_result

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from lightsheet.deconvolution import make_trimmed_frame  # noqa: E402
from lightsheet.simulation import simulate_acquisition  # noqa: E402

CHANNELS = {"CamA_ch0_488nm": "psf/488.tif", "CamA_ch1_560nm": "psf/560.tif"}
VOXEL_SIZE = {"z": 0.3, "y": 0.104, "x": 0.104}
BACKGROUND, ITERATIONS = 100, 10
RECIPES = {"skimage": "recipe, scikit-image", "itk": "recipe, ITK"}


class Movie(NamedTuple):
    """What is deconvolved, and how often by ITK; the others take three turns."""

    shape: tuple[int, int, int]
    channels: int
    timepoints: int
    psf_shape: tuple[int, int, int]  # of the PSF files, 0.1 micrometre from plane to plane
    itk_rounds: int

    @property
    def volumes(self) -> int:
        """How many volumes it has."""
        return self.channels * self.timepoints


MOVIES = [Movie((67, 256, 256), 2, 4, (101, 64, 64), 3), Movie((101, 512, 384), 1, 4, (101, 64, 64), 1)]
HAND_MOVIE = Movie((67, 256, 256), 1, 20, (101, 64, 64), 0)
HAND_ITERATIONS = 60  # about two seconds of one core
BY_HAND = {
    "defaults": (),
    "1 worker": ("--set-resources", "deconvolve:dask_workers=1"),
    "2 workers": ("--set-resources", "deconvolve:dask_workers=2"),
}
QUICK = [Movie((12, 40, 36), 2, 2, (31, 20, 20), 1)]


def write_project(folder: Path, movie: Movie, iterations: int) -> None:
    """Simulate an acquisition, and write its configuration."""
    simulate_acquisition(
        folder / "data",
        channels=movie.channels,
        timepoints=movie.timepoints,
        shape=movie.shape,
        psf_shape=movie.psf_shape,
        progress=lambda _line: None,
    )
    config = {
        "name": "run",
        "input": {"folder": "data"},
        "voxel_size": VOXEL_SIZE,
        "psf": {
            "files": dict(list(CHANNELS.items())[: movie.channels]),
            "voxel_size": {"z": 0.1, "y": 0.104, "x": 0.104},
        },
        "deconvolution": {"engine": "cpu", "iterations": iterations, "background": BACKGROUND},
    }
    (folder / "my.yaml").write_text(yaml.safe_dump(config))


def run_workflow(folder: Path, settings: Sequence[str] = ()) -> Spent:
    """Run `snakemake -c all` from the beginning."""
    shutil.rmtree(folder / "results", ignore_errors=True)
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "all"]
    return run_command([*snakemake, "--configfile", "my.yaml", *settings], folder)


def run_recipe(folder: Path, engine: str) -> Spent:
    """Run a recipe from the beginning."""
    out = folder / engine
    shutil.rmtree(out, ignore_errors=True)
    recipe = Path(__file__).parent / "support" / "recipe.py"
    return run_command([sys.executable, recipe, engine, "data", "psfs", out, str(ITERATIONS)], folder)


def save_psfs(folder: Path, shape: tuple[int, int, int]) -> None:
    """Save the PSFs of a finished run as its engine uses them."""
    (folder / "psfs").mkdir()
    for path in (folder / "results" / "run" / "psf").glob("*.tif"):
        psf = tifffile.imread(path).astype(np.float32)
        psf, _ = make_trimmed_frame(shape, psf / psf.sum(), "extended")
        np.save(folder / "psfs" / f"{path.stem.split('_')[-1]}.npy", psf)  # the wavelength, as in the files' names


def measure_movie(movie: Movie, rounds: int) -> tuple[dict[str, list[Spent]], list[str]]:
    """Run the workflow and the recipes in turns; return also how far the recipes' results are from ours."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_project(folder, movie, ITERATIONS)
        run_workflow(folder)  # compiles, and fills the caches of the file system
        save_psfs(folder, movie.shape)
        spent: dict[str, list[Spent]] = {}
        for number in range(rounds):
            spent.setdefault("snakemake -c all", []).append(run_workflow(folder))
            print(f"snakemake -c all: {spent['snakemake -c all'][-1]}", file=sys.stderr)
            for engine, name in RECIPES.items():
                if engine != "itk" or number < movie.itk_rounds:
                    spent.setdefault(name, []).append(run_recipe(folder, engine))
                    print(f"{name}: {spent[name][-1]}", file=sys.stderr)
        distances = [f"{name} {compare(folder, engine):.3f}" for engine, name in RECIPES.items() if name in spent]
    return spent, [f"Relative L2 distance to our results, in the middle of all axes: {'; '.join(distances)}."]


def compare(folder: Path, engine: str) -> float:
    """Return the relative L2 distance between a recipe's results and ours in the middle of all axes."""
    ours = zarr.open_array(folder / "results" / "run" / "run.ome.zarr" / "0", mode="r")
    distances = []
    for number, channel in enumerate(sorted(path.stem for path in (folder / "psfs").glob("*.npy"))):
        theirs = zarr.open_array(folder / engine / f"{channel}.zarr", mode="r")
        z, y, x = (slice(size // 4, 3 * size // 4) for size in theirs.shape[1:])
        result, reference = np.asarray(theirs[0, z, y, x]), np.asarray(ours[0, number, z, y, x])
        distances.append(float(np.linalg.norm(result - reference) / np.linalg.norm(reference)))
    return max(distances)


def measure_by_hand(movie: Movie, rounds: int) -> dict[str, list[Spent]]:
    """Run the workflow with its defaults, and with settings chosen by hand."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_project(folder, movie, HAND_ITERATIONS)
        spent: dict[str, list[Spent]] = {name: [] for name in BY_HAND}
        for _ in range(rounds):
            for name, settings in BY_HAND.items():
                spent[name].append(run_workflow(folder, settings))
                print(f"{name}: {spent[name][-1]}", file=sys.stderr)
    return spent


def format_table(spent: Mapping[str, Sequence[Spent]]) -> list[str]:
    """Format medians, and how many times longer than the first row each one takes."""
    lines = ["| | s | of turns | CPU s | GB | x the first row |", "|---|---|---|---|---|---|"]
    first = median(turn.seconds for turn in next(iter(spent.values())))
    for name, turns in spent.items():
        seconds, cpu_seconds, memory = (median(column) for column in zip(*turns, strict=True))
        span = ", ".join(f"{turn.seconds:.1f}" for turn in turns)
        cells = f"{seconds:.1f} | {span} | {cpu_seconds:.0f} | {memory:.2f} | {seconds / first:.2f}"
        lines.append(f"| {name} | {cells} |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny volumes, to try the benchmark; kept nowhere")
    parser.add_argument("--rounds", type=int, default=3, help="in which all take turns; the medians count")
    options = parser.parse_args(argv)
    load, lines = Load(), [f"By `python benchmarks/end_to_end.py` on {describe_machine()}.", ""]
    for movie in QUICK if options.quick else MOVIES:
        lines += [f"## {movie.volumes} volumes of {movie.shape}, {ITERATIONS} iterations", ""]
        spent, distances = measure_movie(movie, 1 if options.quick else options.rounds)
        lines += [*format_table(spent), "", *distances, ""]
    movie = QUICK[0] if options.quick else HAND_MOVIE
    lines += [f"## {movie.volumes} volumes of {movie.shape}, {HAND_ITERATIONS} iterations: settings by hand", ""]
    lines += [*format_table(measure_by_hand(movie, 1 if options.quick else options.rounds)), "", load.describe()]
    write_result("end_to_end", lines, is_whole=not options.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
