"""Measure the deconvolution beside its peers, and keep a run for each size in results/deconvolution_SIZE.md.

1. Seconds per iteration: the slope between two iteration counts, each the fastest of a few rounds in which all methods
   take turns; what is left at 0 iterations is setup. Peak memory: the largest resident size of the whole process.
2. The share of the memory-traffic bound: the bytes that an iteration cannot help to move, over the bandwidth of a copy.
3. Time to the same quality, on the small volume: NRMSE = |result - truth| / |truth|. The truth is the simulator's,
   smoothed with a Gaussian of sd 1 voxel, for it holds points that are sharper than voxels show.

Each measurement is a fresh process, and libraries are loaded before the clock starts. Peers that are not installed say
so: `pip install -r benchmarks/requirements.txt`. On 2 cores the small volume takes about 13 minutes, the
large one 8.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version as version_of
from math import nan, prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from support.peers import BALL, FFTS, ITK, OURS, PEERS, TWIN, Measured, Method, copied_per_second, in_a_process, measure
from support.result_table import write_result

from lightsheet.deconvolution import make_trimmed_frame
from lightsheet.simulation import CAMERA_OFFSET, CHANNELS, Array, Shape, model_psf, simulate_volume
from lightsheet.system import count_cores

CHANNEL, VOXEL_SIZE = 1, {"z": 0.1, "y": 0.104, "x": 0.104}  # nuclei, vesicles, membranes; micrometre


NOTES = """\
Engine cpu has boundary extended; ITK repeats edges, scikit-image takes what is outside for dark, RedLionfish wraps
around; as it comes it uses one thread. The FFTs are SciPy's, of the array that engine cpu works in. Memory is that of
the process, volume included; the bar is 5.5 GB for the large volume."""

TRAFFIC = """\
With f the part of the padded planes that lie in the image, an iteration moves at least 8 + 4 f arrays of the padded
size: four sweeps over the half-spectrum read and write it (4 + 4 f: between blur and back-projection only the planes of
the image are needed), two of them read the OTF (2), the last one reads and writes the estimate (2). The image is read
once. Heavy ball reads and writes one array more."""

QUALITY = """\
Seconds are the setup and the iterations of the first table. ITK's NRMSE is that of engine cpu with ITK's boundary and
start, which computes the same pixels. The bar is 36 times faster."""


class Size(NamedTuple):
    """What is measured: shapes in voxels, (z, y, x), and the iterations between which the slope is taken."""

    shape: Shape
    psf: Shape
    counts: tuple[int, int]
    bar: int  # which of `Method.bars`
    with_itk: bool  # also the time to the same quality


SIZES = {
    "small": Size((101, 512, 384), (101, 64, 64), (2, 8), 0, True),
    "large": Size((201, 1024, 768), (101, 64, 64), (1, 3), 1, False),
}
QUICK = {
    "small": Size((25, 64, 48), (25, 16, 16), (2, 8), 0, True),
    "large": Size((50, 128, 96), (25, 16, 16), (1, 3), 1, False),
}


class Cost(NamedTuple):
    """What iterations cost: seconds and gigabytes."""

    setup: float
    iteration: float
    memory: float
    error: float  # NRMSE after the larger of the two numbers of iterations

    def seconds(self, iterations: int) -> float:
        """Return the time of a whole deconvolution."""
        return self.setup + iterations * self.iteration


class Found(NamedTuple):
    """All that is measured."""

    speed: float  # bytes per second
    psf: Array
    costs: dict[Method, Cost]
    errors: dict[Method, dict[int, float]]  # NRMSE by the number of iterations


def save_volume(folder: Path, shape: Shape, psf_shape: Shape, with_truth: bool) -> None:
    """Simulate what is deconvolved: `image`, `psf` and `truth`, float32."""
    truth, counts = simulate_volume(CHANNEL, 0, shape, VOXEL_SIZE)
    z, y, x = (k // 2 for k in psf_shape)
    np.save(folder / "image.npy", np.maximum(counts.astype(np.float32) - np.float32(CAMERA_OFFSET), 0))
    np.save(folder / "psf.npy", model_psf(CHANNELS[CHANNEL], psf_shape, VOXEL_SIZE, (z, y, x)).astype(np.float32))
    if with_truth:
        np.save(folder / "truth.npy", gaussian_filter(truth, 1))


def costs(
    folder: Path, methods: Iterable[Method], counts: tuple[int, int], rounds: int, threads: int
) -> dict[Method, Cost]:
    """Measure the methods in turns."""
    runs: dict[tuple[Method, int], list[Measured]] = {}
    for _ in range(rounds):
        for iterations in counts:
            for method in methods:
                run = in_a_process(measure, folder, method, iterations, threads)
                runs.setdefault((method, iterations), []).append(run)
                print(f"{method.name}, {iterations} iterations: {run.seconds:.2f} s", file=sys.stderr)
    return {method: cost([runs[method, iterations] for iterations in counts], counts) for method in methods}


def cost(runs: Sequence[list[Measured]], counts: tuple[int, int]) -> Cost:
    """Fit the line through the fastest runs at two iteration counts."""
    few, many = (min(run.seconds for run in same) for same in runs)
    slope = (many - few) / (counts[1] - counts[0])
    memory = max(run.memory for same in runs for run in same)
    return Cost(max(few - counts[0] * slope, 0), slope, memory, runs[1][0].error)


def errors(folder: Path, method: Method, threads: int) -> dict[int, float]:
    """Return the NRMSE after each number of iterations."""
    return {n: in_a_process(measure, folder, method, n, threads).error for n in method.qualities}


def moved(image: Shape, psf: Array, method: Method) -> float:
    """Return the bytes of the table's formula."""
    _, layout = make_trimmed_frame(image, psf, "extended")
    part = layout.image[0] / layout.shape[0]
    arrays = 8 + 4 * part + 2 * (method is BALL)
    return 4 * (arrays * prod(layout.shape) + prod(image))


def cost_table(spent: dict[Method, Cost], place: int, wanted: Iterable[Method]) -> list[str]:
    """Format what iterations cost."""
    lines = [
        "| | s/iteration | setup, s | 10 iterations, s | GB | x cpu | x cpu, heavy ball | bar, x cpu |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, (setup, iteration, memory, _) in spent.items():
        ratios = " | ".join(f"{iteration / spent[each].iteration:.2f}" for each in OURS)
        bar = method.bars[place]
        lines.append(
            f"| {method.name} | {iteration:.3g} | {setup:.2g} | {setup + 10 * iteration:.3g} | {memory:.2f} | {ratios} "
            f"| {f'>= {bar:g}' if bar else ''} |"
        )
    absent = [method for method in wanted if method not in spent]
    return lines + [f"| {method.name} | not installed | | | | | | |" for method in absent]


def traffic_table(size: Size, found: Found) -> list[str]:
    """Format the share of the memory-traffic bound."""
    lines = ["| | GB moved | bound, s | measured, s | share |", "|---|---|---|---|---|"]
    for method in OURS:
        least, seconds = moved(size.shape, found.psf, method), found.costs[method].iteration
        bound = least / found.speed
        lines.append(f"| {method.name} | {least / 1e9:.2f} | {bound:.3f} | {seconds:.3g} | {bound / seconds:.0%} |")
    return lines


def quality_table(found: dict[Method, dict[int, float]], spent: dict[Method, Cost]) -> list[str]:
    """Format the best that each method reaches, and when it is as good as ITK at its best."""
    goal = min(found[TWIN].values())
    itk = spent[ITK].seconds(best(found[TWIN])) if ITK in spent else nan
    lines = [
        "| | best NRMSE | iterations | s | ITK's s / s | as good as ITK's best: iterations | s | ITK's s / s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, nrmse in found.items():
        cost = spent.get(ITK if method is TWIN else method)
        if cost is None:
            continue
        as_good = next((n for n, error in nrmse.items() if error <= goal), None)
        cells = [
            *(method.name, f"{min(nrmse.values()):.3f}", *times(cost, best(nrmse), itk)),
            *(times(cost, as_good, itk) if as_good else (f"not within {max(nrmse)}", "", "")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def times(cost: Cost, iterations: int, itk: float) -> tuple[str, str, str]:
    """Format a number of iterations, their seconds, and how many times longer ITK's best takes."""
    seconds = cost.seconds(iterations)
    return str(iterations), f"{seconds:.3g}", f"{itk / seconds:.1f}"


def check_of_twin(twin: dict[int, float], spent: dict[Method, Cost], iterations: int) -> list[str]:
    """Show that engine cpu stands for ITK rightly."""
    if ITK not in spent:
        return []
    return [f"After {iterations} iterations it is {twin[iterations]:.5f}, and ITK's own is {spent[ITK].error:.5f}."]


def best(nrmse: dict[int, float]) -> int:
    """Return the number of iterations with the lowest NRMSE."""
    return min(nrmse, key=lambda n: nrmse[n])


def machine(threads: int) -> str:
    """Say what it ran on, and with which versions."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    packages = ("numpy", "scipy", "itk", "scikit-image", "RedLionfish")
    versions = [f"{name} {found}" for name in packages if (found := version(name))]
    name = model[1] if model else "unknown CPU"
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{name}, {threads} of {os.cpu_count()} cores; Python {python}, {', '.join(versions)}"


def version(package: str) -> str | None:
    """Return the version of a package, None if it is not installed."""
    try:
        return version_of(package)
    except PackageNotFoundError:
        return None


def measure_all(size: Size, threads: int, rounds: int) -> Found:
    """Measure every method that is installed."""
    peers = [peer for peer in PEERS if version(peer.package)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        save_volume(folder, size.shape, size.psf, with_truth=size.with_itk)
        speed = in_a_process(copied_per_second, threads)
        spent = costs(folder, [*OURS, *peers, FFTS], size.counts, rounds, threads)
        found: dict[Method, dict[int, float]] = {}
        if size.with_itk:
            if version(ITK.package):
                spent |= costs(folder, [ITK], size.counts, 1, threads)
            found = {each: errors(folder, each, threads) for each in (*OURS, *peers, TWIN) if each.qualities}
        return Found(speed, np.load(folder / "psf.npy"), spent, found)


def report(size: Size, threads: int, found: Found) -> list[str]:
    """Return the lines of the report."""
    wanted = [ITK, *PEERS] if size.with_itk else PEERS
    lines = [
        f"Deconvolution of volumes of {size.shape} beside its peers, by `python benchmarks/deconvolution.py`; "
        f"PSF {size.psf}, float32.",
        f"{machine(threads)}.",
        "",
        *cost_table(found.costs, size.bar, wanted),
        *("", NOTES, "", "## Share of the memory-traffic bound", ""),
        f"Copying by {threads} threads moves {found.speed / 1e9:.1f} GB/s, reads and writes counted.",
        *(TRAFFIC, "", *traffic_table(size, found)),
    ]
    if size.with_itk:
        light = f"peak about 300 photons over an offset of {CAMERA_OFFSET:g} with camera noise"
        lines += ["", "## Time to the same quality", "", f"The volume has a {light}.", QUALITY]
        lines += check_of_twin(found.errors[TWIN], found.costs, size.counts[1])
        lines += ["", *quality_table(found.errors, found.costs)]
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, action="append", help="small or large; both, unless given")
    parser.add_argument("--threads", type=int, default=count_cores(), help="default: all cores")
    parser.add_argument("--rounds", type=int, default=2, help="in which all methods take turns; the fastest counts")
    parser.add_argument("--quick", action="store_true", help="tiny volumes, to try the benchmark; kept nowhere")
    options = parser.parse_args(argv)
    for name in options.size or SIZES:
        size = (QUICK if options.quick else SIZES)[name]
        lines = report(size, options.threads, measure_all(size, options.threads, options.rounds))
        if options.quick:
            print("\n".join(lines))
        else:
            write_result(f"deconvolution_{name}", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
