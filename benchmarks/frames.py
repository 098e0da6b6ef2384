"""Measure engine cpu beside cpu-sweeps at three padded sizes, and keep it in results/frames.md or frames_avx2.md.

Seconds per iteration are timed inside the loops; the engines take turns, each time in a fresh process, and the medians
of the rounds count. The PSFs are of noise, so that nothing of them is trimmed, and the padded sizes are what is
computed. The Dask worker is started as a run starts it; its memory (VmHWM) is that of the deconvolution in it, without
reading and writing of volumes. On 2 cores all of it takes about 5 minutes; `--size 90` takes seconds.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from support.machine import Load, describe_machine, find_vectors
from support.peers import BALL, CPU, SWEEPS, in_a_process, measure
from support.result_table import write_result
from support.worker import measure_in_worker

from lightsheet.deconvolution import make_trimmed_frame
from lightsheet.processing import estimate_memory
from lightsheet.simulation import Shape

SIZES = {
    "90": ((67, 256, 256), (23, 32, 32), 12),
    "216": ((101, 512, 384), (101, 64, 64), 6),
    "320": ((201, 1024, 768), (101, 64, 64), 4),
}
"""By the planes of the padded volume: image, PSF, (z, y, x), and iterations."""


def save_noise(folder: Path, shape: Shape, psf: Shape) -> Shape:
    """Save an image and a PSF of noise, and return the padded shape."""
    rng = np.random.default_rng(0)
    kernel = rng.random(psf, np.float32) + np.float32(0.1)
    np.save(folder / "image.npy", 100 * rng.random(shape, np.float32))
    np.save(folder / "psf.npy", kernel / kernel.sum())
    return make_trimmed_frame(shape, kernel / kernel.sum(), "extended")[1].shape


def measure_size(shape: Shape, psf: Shape, iterations: int, rounds: int, threads: int) -> tuple[str, list[str]]:
    """Return a row of the table of iterations, and the rows of that of workers' memory."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        padded = save_noise(folder, shape, psf)
        times: dict[str, list[float]] = {"cpu": [], "sweeps": [], "worker": []}
        for _ in range(rounds):
            times["cpu"].append(in_a_process(measure, folder, CPU, iterations, threads).iteration)
            times["sweeps"].append(in_a_process(measure, folder, SWEEPS, iterations, threads).iteration)
            in_worker = measure_in_worker(folder, CPU, iterations, threads)
            times["worker"].append(in_worker.iteration)
            print(padded, {name: f"{column[-1]:.4f}" for name, column in times.items()}, file=sys.stderr)
        ball = measure_in_worker(folder, BALL, iterations, threads)
    reference = median(times["sweeps"])
    cells = [f"{median(column):.3g} ({min(column):.3g} to {max(column):.3g})" for column in times.values()]
    ratios = [f"{reference / median(times[name]):.2f}" for name in ("cpu", "worker")]
    memory = []
    for acceleration, run in (("none", in_worker), ("heavy-ball", ball)):
        estimate = estimate_memory(shape, psf, "cpu", acceleration) / 1e9
        memory.append(
            f"| {padded} | {acceleration} | {run.memory:.2f} | {estimate:.2f} | {estimate / run.memory:.2f} |"
        )
    return f"| {padded} | {' | '.join(cells + ratios)} |", memory


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, action="append", help="may be repeated, then kept nowhere; all")
    parser.add_argument("--rounds", type=int, default=3, help="in which the engines take turns; the medians count")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(argv)
    load, rows, memory = Load(), list[str](), list[str]()
    for name in options.size or SIZES:
        row, rest = measure_size(*SIZES[name], options.rounds, options.threads)
        rows.append(row)
        memory += rest
    lines = [
        f"Engine cpu beside cpu-sweeps, {options.threads} threads, {options.rounds} rounds, "
        "by `python benchmarks/frames.py`.",
        f"{describe_machine()}. {load.describe()}",
        "",
        "| padded volume | cpu, s/iteration | cpu-sweeps | cpu in a Dask worker | x cpu-sweeps | x, in the worker |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "| padded volume | acceleration | VmHWM of the worker, GB | planned for SLURM, GB | planned / VmHWM |",
        "|---|---|---|---|---|",
        *memory,
    ]
    write_result("frames_avx2" if find_vectors() == "AVX2" else "frames", lines, is_whole=not options.size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
