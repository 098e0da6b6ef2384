"""Measure the deconvolution beside its peers, and keep a run for each size in results/deconvolution_SIZE.md.

1. Seconds per iteration: of our engines those in their loops, of peers, whose loops are closed, the difference of runs
   with few and with many iterations. All methods take turns in each round; the medians of the rounds count. What is
   left at 0 iterations is setup. Peak memory: the largest resident size of the whole process.
2. Sweep by sweep, the share of the memory-traffic bound: the bytes that it cannot help to move, over the bandwidth of a
   copy; and what an iteration takes in a Dask worker, as runs start them.
3. Time to the same quality, on the small volume: NRMSE = |result - truth| / |truth|. The truth is the simulator's,
   smoothed with a Gaussian of sd 1 voxel, for it holds points that are sharper than voxels show.

Each measurement is a fresh process, and libraries are loaded before the clock starts. Peers that are not installed say
so: `pip install -r benchmarks/requirements.txt`. On 2 cores small, large, thin and odd take about 12, 7, 4 and 4
minutes, most of them in ITK, which runs in the first round only.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version as version_of
from math import isnan, nan, prod
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from support.machine import Load, describe_machine
from support.peers import (
    BALL,
    CPU,
    FFTS,
    ITK,
    OURS,
    PEERS,
    SWEEPS,
    TWIN,
    Measured,
    Method,
    copied_per_second,
    in_a_process,
    measure,
    measure_sweeps,
)
from support.result_table import write_result
from support.worker import measure_in_worker

from lightsheet.deconvolution import make_trimmed_frame
from lightsheet.simulation import CAMERA_OFFSET, CHANNELS, Array, Shape, model_psf, simulate_volume
from lightsheet.system import count_cores

CHANNEL, VOXEL_SIZE = 1, {"z": 0.1, "y": 0.104, "x": 0.104}  # nuclei, vesicles, membranes; micrometre

NOTES = """\
Engine cpu has boundary extended; ITK repeats edges, scikit-image takes what is outside for dark, RedLionfish wraps
around. The FFTs are SciPy's, of the array that engine cpu works in. Memory is that of the process, volume included."""

TRAFFIC = """\
With f the part of the padded planes that lie in the image, the four sweeps read and write 1 + f, 2 f, 1 + f and 2
times the half-spectrum, which is as large as the padded volume (between blur and back-projection only the planes of the
image are needed). Besides, those of columns read the OTF, the first one of planes reads the image, and the last one
reads and writes the estimate."""

QUALITY = """\
Seconds are the setup and the iterations of the first table. ITK's NRMSE is that of engine cpu with ITK's boundary and
start, which computes the same pixels."""


class Size(NamedTuple):
    """What is measured: shapes in voxels, (z, y, x), and the iterations between which the slope is taken."""

    shape: Shape
    psf: Shape
    counts: tuple[int, int]
    has_itk: bool = True
    has_quality: bool = False


SIZES = {
    "small": Size((101, 512, 384), (101, 64, 64), (2, 8), has_quality=True),
    "large": Size((201, 1024, 768), (101, 64, 64), (1, 5), has_itk=False),
    "thin": Size((67, 300, 260), (41, 33, 33), (2, 12)),
    "odd": Size((71, 293, 251), (33, 32, 32), (2, 12)),
}
QUICK = {
    name: size._replace(shape=tuple(n // 4 for n in size.shape), psf=tuple(n // 4 for n in size.psf))
    for name, size in SIZES.items()
}


class Cost(NamedTuple):
    """What iterations cost: seconds and gigabytes."""

    setup: float
    iteration: float
    span: tuple[float, float]  # of the rounds
    memory: float
    error: float  # NRMSE after the larger of the two numbers of iterations

    def seconds(self, iterations: int) -> float:
        """Return the time of a whole deconvolution."""
        return self.setup + iterations * self.iteration


def save_volume(folder: Path, shape: Shape, psf_shape: Shape, with_truth: bool) -> None:
    """Simulate what is deconvolved: `image`, `psf` and `truth`, float32."""
    truth, counts = simulate_volume(CHANNEL, 0, shape, VOXEL_SIZE)
    z, y, x = (k // 2 for k in psf_shape)
    np.save(folder / "image.npy", np.maximum(counts.astype(np.float32) - np.float32(CAMERA_OFFSET), 0))
    np.save(folder / "psf.npy", model_psf(CHANNELS[CHANNEL], psf_shape, VOXEL_SIZE, (z, y, x)).astype(np.float32))
    if with_truth:
        np.save(folder / "truth.npy", gaussian_filter(truth, 1))


def measure_costs(
    folder: Path, methods: Sequence[Method], counts: tuple[int, int], rounds: int, threads: int
) -> dict[Method, Cost]:
    """Measure the methods in turns; ITK in the first round only."""
    runs: dict[Method, list[tuple[Measured, Measured]]] = {}
    for number in range(rounds):
        for method in methods:
            if method is ITK and number:
                continue
            few, many = (in_a_process(measure, folder, method, iterations, threads) for iterations in counts)
            runs.setdefault(method, []).append((few, many))
            print(f"{method.name}: {few.seconds:.2f} s, {many.seconds:.2f} s", file=sys.stderr)
    return {method: compute_cost(pairs, counts) for method, pairs in runs.items()}


def compute_cost(pairs: Sequence[tuple[Measured, Measured]], counts: tuple[int, int]) -> Cost:
    """Return the medians of the rounds."""
    slopes = [
        (many.seconds - few.seconds) / (counts[1] - counts[0]) if isnan(many.iteration) else many.iteration
        for few, many in pairs
    ]
    setups = [max(many.seconds - counts[1] * slope, 0) for (_, many), slope in zip(pairs, slopes, strict=True)]
    memory = max(run.memory for pair in pairs for run in pair)
    return Cost(median(setups), median(slopes), (min(slopes), max(slopes)), memory, pairs[0][1].error)


def measure_errors(folder: Path, method: Method, threads: int) -> dict[int, float]:
    """Return the NRMSE after each number of iterations."""
    return {n: in_a_process(measure, folder, method, n, threads).error for n in method.qualities}


def format_costs(costs: Mapping[Method, Cost], wanted: Sequence[Method]) -> list[str]:
    """Format what iterations cost."""
    lines = [
        "| | s/iteration | of the rounds | setup, s | 10 iterations, s | GB | x cpu | x cpu-sweeps |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method in wanted:
        if not (cost := costs.get(method)):
            lines.append(f"| {method.name} | {explain_absence(method)} | | | | | | |")
            continue
        ratios = " | ".join(f"{cost.iteration / costs[other].iteration:.2f}" for other in (CPU, SWEEPS))
        least, most = cost.span
        lines.append(
            f"| {method.name} | {cost.iteration:.3g} | {least:.3g} to {most:.3g} | {cost.setup:.2g} "
            f"| {cost.seconds(10):.3g} | {cost.memory:.2f} | {ratios} |"
        )
    return lines


def explain_absence(method: Method) -> str:
    """Say why a method has no row."""
    return "not measured: hours" if find_version(method.package) else "not installed"


def format_sweeps(size: Size, psf: Array, seconds: Sequence[float], speed: float) -> list[str]:
    """Format each sweep beside the seconds in which memory could move its bytes, at `speed` bytes per second."""
    _, frame = make_trimmed_frame(size.shape, psf, "extended")
    array = 4 * prod(frame.shape)
    part = frame.image[0] / frame.shape[0]
    moved = {
        "columns: blur": (2 + part) * array,
        "planes: quotient": 2 * part * array + 4 * prod(size.shape),
        "columns: back-projection": (2 + part) * array,
        "planes: correction": 4 * array,
    }
    lines = ["| sweep | GB moved | bound, s | measured, s | share |", "|---|---|---|---|---|"]
    rows = [*zip(moved, moved.values(), seconds, strict=True), ("an iteration", sum(moved.values()), sum(seconds))]
    for name, least, time in rows:
        lines.append(f"| {name} | {least / 1e9:.2f} | {least / speed:.4f} | {time:.4f} | {least / speed / time:.0%} |")
    return lines


def format_quality(errors: Mapping[Method, Mapping[int, float]], costs: Mapping[Method, Cost]) -> list[str]:
    """Format the best that each method reaches, and when it is as good as ITK at its best."""
    goal = min(errors[TWIN].values())
    itk = costs[ITK].seconds(find_best(errors[TWIN])) if ITK in costs else nan
    lines = [
        "| | best NRMSE | iterations | s | ITK's s / s | as good as ITK's best: iterations | s | ITK's s / s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, nrmse in errors.items():
        cost = costs.get(ITK if method is TWIN else method)
        if cost is None:
            continue
        as_good = next((n for n, error in nrmse.items() if error <= goal), None)
        cells = [
            *(method.name, f"{min(nrmse.values()):.3f}", *format_times(cost, find_best(nrmse), itk)),
            *(format_times(cost, as_good, itk) if as_good else (f"not within {max(nrmse)}", "", "")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def format_times(cost: Cost, iterations: int, itk: float) -> tuple[str, str, str]:
    """Format a number of iterations, their seconds, and how many times longer ITK's best takes."""
    seconds = cost.seconds(iterations)
    return str(iterations), f"{seconds:.3g}", f"{itk / seconds:.1f}"


def find_best(nrmse: Mapping[int, float]) -> int:
    """Return the number of iterations with the lowest NRMSE."""
    return min(nrmse, key=lambda n: nrmse[n])


def find_version(package: str) -> str:
    """Return the version of a package, empty if it is not installed."""
    try:
        return version_of(package)
    except PackageNotFoundError:
        return ""


def report_size(size: Size, threads: int, rounds: int) -> list[str]:
    """Measure a size, and return the lines of the report."""
    load = Load()
    peers = [peer for peer in PEERS if find_version(peer.package) and (peer is not ITK or size.has_itk)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        save_volume(folder, size.shape, size.psf, with_truth=size.has_quality)
        psf = np.load(folder / "psf.npy")
        speed = in_a_process(copied_per_second, threads)
        costs = measure_costs(folder, [*OURS, *peers, FFTS], size.counts, rounds, threads)
        sweeps = in_a_process(measure_sweeps, folder, CPU, size.counts[1], threads)
        worker = measure_in_worker(folder, CPU, size.counts[1], threads)
        errors = {}
        if size.has_quality:
            methods = [method for method in (CPU, BALL, *peers, TWIN) if method.qualities]
            errors = {method: measure_errors(folder, method, threads) for method in methods}
    _, frame = make_trimmed_frame(size.shape, psf, "extended")
    packages = ("numpy", "scipy", "numba", "itk", "scikit-image", "RedLionfish")
    versions = ", ".join(f"{name} {version}" for name in packages if (version := find_version(name)))
    lines = [
        f"Deconvolution of volumes of {size.shape} beside its peers, by `python benchmarks/deconvolution.py`; "
        f"PSF {size.psf}, padded volume {frame.shape}, float32.",
        f"{describe_machine()}, {versions}. {load.describe()}",
        f"Medians of {rounds} rounds; {threads} threads.",
        "",
        *format_costs(costs, [*OURS, *PEERS, FFTS]),
        *("", NOTES, ""),
        f"In a Dask worker, as runs start it, an iteration of engine cpu takes {worker.iteration:.3g} s, which is "
        f"{costs[SWEEPS].iteration / worker.iteration:.2f} x as fast as cpu-sweeps outside.",
        *("", "## Sweep by sweep, beside what memory bounds", ""),
        f"Copying by {threads} threads moves {speed / 1e9:.1f} GB/s, reads and writes counted.",
        *(TRAFFIC, "", *format_sweeps(size, psf, sweeps, speed)),
    ]
    if errors:
        light = f"peak about 300 photons over an offset of {CAMERA_OFFSET:g} with camera noise"
        lines += ["", "## Time to the same quality", "", f"The volume has a {light}.", QUALITY]
        if ITK in costs:  # shows that engine cpu stands for it rightly
            twin, itk = errors[TWIN][size.counts[1]], costs[ITK].error
            lines.append(f"After {size.counts[1]} iterations it is {twin:.5f}, and ITK's own is {itk:.5f}.")
        lines += ["", *format_quality(errors, costs)]
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, action="append", help="may be repeated; all, unless given")
    parser.add_argument("--threads", type=int, default=count_cores(), help="default: all cores")
    parser.add_argument("--rounds", type=int, default=3, help="in which all methods take turns; the medians count")
    parser.add_argument("--quick", action="store_true", help="tiny volumes, to try the benchmark; kept nowhere")
    options = parser.parse_args(argv)
    for name in options.size or SIZES:
        lines = report_size((QUICK if options.quick else SIZES)[name], options.threads, options.rounds)
        write_result(f"deconvolution_{name}", lines, is_whole=not options.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
