"""How near the pilot's suggestion comes to the least error to a known truth within the iterations that are tried.

    python benchmarks/suggestion.py

prints its tables and keeps them in results/suggestion.md.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import fftconvolve
from support.ground_truth import DATA, Case, bars, beads, simulated
from support.result_table import write_result

from lightsheet.deconvolution import Method, fourier
from lightsheet.deconvolution.backend import make_numpy_backend
from lightsheet.planning import plan_layouts, plan_pilot
from lightsheet.planning.pilot import make_scratch
from lightsheet.planning.suggestion import find_suggestion
from lightsheet.planning.trials import Trials
from lightsheet.psf import prepare_psf_file, save_psf
from lightsheet.run import prepare_run
from lightsheet.simulation import (
    CAMERA_NOISE,
    CAMERA_OFFSET,
    CHANNELS,
    VOXEL_SIZE,
    model_image_psf,
    simulate_acquisition,
)

SHAPE = (32, 64, 64)
SWEEP = (1, 2, 5, 10, 20, 40)
"""`pilot.iterations` by default."""

SHAPES = ((16, 48, 48), (32, 128, 128), (48, 192, 192))
CHANNEL = "CamA_ch0_488nm"
TIMES_HEAD = (
    "",
    "## Seconds of the pilot of one method, one thread",
    "",
    "| shape | iterations tried | to suggest | to try | quotient |",
    "| --- | --- | --- | --- | --- |",
)
ACCELERATIONS = ("none", "heavy-ball")
BACKEND = make_numpy_backend()
EXPLANATION = """\
By `python benchmarks/suggestion.py`, volumes of {shape} voxels, engine cpu; up to {most} iterations were tried.
Suggested: what the pilot suggests. Error: NRMSE after so many iterations, and by how much it is above the least of 1 to
{most}; of points the error falls as long as they get narrower, so that there the suggestion is where the residual stops
falling. The machine was busy with other work."""


def points(number: int, peak: float, seed: int = 0) -> Case:
    """Simulate points that peak at `peak` photons at most in the image, half of that on average."""
    rng = np.random.default_rng(seed)
    psf = model_image_psf(CHANNELS[0], VOXEL_SIZE)
    psf = (psf / psf.sum()).astype(np.float32)
    truth = np.zeros(SHAPE, np.float32)
    for _ in range(number):
        place = tuple(rng.integers(3, size - 3) for size in SHAPE)
        truth[place] += peak / psf.max() * rng.uniform(0.1, 1)
    image = rng.poisson(fftconvolve(truth, psf, mode="same").clip(0)) + rng.normal(0, CAMERA_NOISE, SHAPE)
    return Case(np.maximum(np.rint(image + CAMERA_OFFSET) - CAMERA_OFFSET, 0).astype(np.float32), psf, truth)


def list_errors(case: Case, acceleration: str, most: int) -> list[float]:
    """Return the NRMSE after each iteration."""
    method = Method(most, acceleration=acceleration)
    setup = fourier.prepare(case.image.shape, case.psf, method, BACKEND)
    return [case.error(e) for e in islice(fourier.iterate_estimates(case.image, setup, method, BACKEND), most)]


def compare(case: Case, acceleration: str) -> tuple[list[str], float]:
    """Return a row's cells, and by how much the error is above the least."""
    most = max(SWEEP)
    settings = {"background": 0, "boundary": "extended", "acceleration": acceleration}
    suggestion = find_suggestion(case.image, case.psf, settings, 1, SWEEP)
    errors = list_errors(case, acceleration, most)
    above = errors[suggestion.iterations - 1] / min(errors) - 1
    best = int(np.argmin(errors)) + 1
    cells = [
        f"{suggestion.iterations}",
        f"{suggestion.least_error}{' or more' if suggestion.falls_on else ''}",
        f"{suggestion.knee}",
        f"{errors[suggestion.iterations - 1]:.3f} (+{100 * above:.1f} %)",
        f"{min(errors):.3f} @ {best}",
    ]
    return cells, above


def tabulate(title: str, groups: Iterable[tuple[str, Case]]) -> list[str]:
    """Return the lines of a table, and the worst of it."""
    heads = ["image", "acceleration", "suggested", "least expected", "residual stops", "error", "least error"]
    lines, worst = ["", f"## {title}", "", "| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"], 0.0
    for (name, case), acceleration in product(groups, ACCELERATIONS):
        cells, above = compare(case, acceleration)
        worst = max(worst, above)
        lines.append("| " + " | ".join([name, acceleration, *cells]) + " |")
    return [*lines, "", f"At worst {100 * worst:.1f} % above the least error."]


def time_pilot(shape: tuple[int, int, int], sweep: Sequence[int]) -> str:
    """Return a row: the seconds that a pilot of one method takes to suggest iterations, and to try them."""
    seconds = dict.fromkeys(("pilot, ingest", "pilot, suggest iterations", "pilot, deconvolve"), 0.0)

    def call(function: Any, tasks: Any, action: str) -> None:
        start = time.perf_counter()
        for task in tasks.values():
            function(**task)
        seconds[action] += time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        simulate_acquisition(data, channels=1, timepoints=1, shape=shape, psf_shape=(41, 24, 24))
        sizes = {"z": 0.1, "y": VOXEL_SIZE["y"], "x": VOXEL_SIZE["x"]}
        run = prepare_run(
            {
                "name": "time",
                "input": {"folder": str(data), "ignore": ["truth/*"]},
                "voxel_size": dict(VOXEL_SIZE),
                "psf": {"files": {CHANNEL: "psf/488.tif"}, "voxel_size": sizes},
                "deconvolution": {"engine": "cpu", "iterations": max(sweep), "background": 100},
                "pilot": {"iterations": list(sweep)},
                "output": {"folder": str(Path(folder) / "results")},
            }
        )
        psf, _ = prepare_psf_file(Path(run.find_psf_file(CHANNEL)), **run.psf_settings[CHANNEL])
        path = run.results.psf(CHANNEL, ".tif")
        path.parent.mkdir(parents=True)
        save_psf(psf, VOXEL_SIZE, path)
        plan = plan_pilot(run)
        plan["methods"] = [
            {**method, "fill": {CHANNEL: None}, "background": {CHANNEL: 100}} for method in plan["methods"]
        ]
        with make_scratch(run.results) as scratch:
            Trials(run.results, scratch, plan, plan_layouts(run), call, 1, None).measure()
    _, suggesting, trying = seconds.values()
    tried = ", ".join(map(str, sweep))
    return f"| {shape} | {tried} | {suggesting:.2f} | {trying:.2f} | {suggesting / trying:.2f} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    dense = [
        (f"cells, channel {channel}, {peak} photons", simulated(peak, channel, 0, SHAPE))
        for peak, channel in product((30, 300, 3000), range(3))
    ]
    sparse = [
        (f"{number} point{'s' * (number > 1)}, {peak} photons", points(number, peak))
        for number, peak in product((1, 30, 200), (10, 30, 300, 3000))
    ]
    if DATA.is_dir():
        dense.append(("bars", bars()))
        sparse.append(("beads", beads()))
    explanation = EXPLANATION.format(shape=SHAPE, most=max(SWEEP))
    time_pilot((16, 48, 48), (1, 2))  # compiles
    times = [time_pilot(shape, sweep) for shape in SHAPES for sweep in (SWEEP, (40,), (100,))]
    write_result(
        "suggestion",
        [explanation, *tabulate("Dense", dense), *tabulate("Sparse", sparse), *TIMES_HEAD, *times],
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
