"""What becomes of light beside the empty corners of a deskewed stack, and what it costs to leave them out.

    python benchmarks/fill.py [--shape 120 512 384]

prints its tables and keeps them in results/fill.md.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.fft import next_fast_len
from support.machine import Load, describe_machine
from support.result_table import write_result

from lightsheet.deconvolution import Method, find_fill, find_measured, fused, mask as masks, sweeps
from lightsheet.processing import deconvolve_pixels
from lightsheet.processing.background import choose_background

Array = np.ndarray[Any, Any]
SHAPE = (48, 96, 160)
OFFSET = 100
DEPTHS = ((0, 2), (2, 5), (5, 10), (10, 20), (30, 50), (7, 99))  # voxels along x, as along z, from an oblique face
SETTINGS = {
    "engine": "cpu",
    "iterations": 20,
    "boundary": "extended",
    "acceleration": "none",
    "dtype": "float32",
    "scale": 1,
}
ENGINES = {"cpu": fused, "cpu-sweeps": sweeps}
ITERATIONS = 10
PSF = (33, 33, 33)
MEASURE = """
import json, re, sys
from pathlib import Path
import numpy as np
from lightsheet.deconvolution import find_measured, richardson_lucy
engine, acceleration, filled, shape, psf = json.loads(sys.argv[1])
image = np.random.default_rng(0).random(shape, np.float32)
z, _, x = np.ogrid[tuple(map(slice, shape))]
inside = (x >= z) & (x < z + shape[2] - shape[0])
for plane, visible in zip(image, inside):
    plane *= visible
small = np.ascontiguousarray(image[:4, :4, :4])
richardson_lucy(small, np.ones((3, 3, 3)), iterations=3, engine=engine, acceleration=acceleration)
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak()
mask = find_measured(image, [0]) if filled else None
psf = np.ones(psf, np.float32)
richardson_lucy(image, psf, iterations=3, engine=engine, acceleration=acceleration, mask=mask)
print(peak() - before)
"""


def blur(volume: Array, widths: Sequence[float]) -> Array:
    """Blur as the microscope does."""
    blurred: Array = ndimage.gaussian_filter(volume, widths)
    return blurred


def make_psf(shape: Sequence[int], widths: Sequence[float]) -> Array:
    """Return the image of a point."""
    point = np.zeros(shape)
    point[tuple(n // 2 for n in shape)] = 1
    psf = blur(point, widths).astype(np.float32)
    return psf / psf.sum()


def record(truth: Array, widths: Sequence[float]) -> Array:
    """Return what a camera with an offset and noise makes of it."""
    random = np.random.default_rng(1)
    image = random.poisson(blur(truth, widths)) + random.normal(OFFSET, 2, truth.shape)
    return np.clip(np.rint(image), 0, 65535).astype(np.uint16)


def restore(raw: Array, psf: Array, background: float, **fill: Any) -> tuple[Array, dict[str, Any]]:
    """Deconvolve as a run does."""
    return deconvolve_pixels(raw, psf, {**SETTINGS, **fill, "background": background}, 2)


def compare_faces() -> list[str]:
    """Compare results beside the faces of a deskewed stack with the result of the stack that nothing was cut off."""
    random, widths = np.random.default_rng(1), (4, 1.3, 1.3)
    truth = blur(random.random(SHAPE), (1, 1, 1))
    truth = np.where(truth > np.percentile(truth, 90), 200.0, 5.0)
    raw, psf = record(truth, widths), make_psf((31, 15, 15), widths)
    z, _, x = np.indices(SHAPE)
    depth = np.minimum(x - z, z + 111 - x)
    cut = np.where(depth >= 0, raw, 0)
    fill = find_fill([cut])
    whole, _ = restore(raw, psf, OFFSET)
    dark, _ = restore(cut, psf, OFFSET)
    left_out, _ = restore(cut, psf, OFFSET, fill={"values": list(fill.values), "rim": fill.rim})
    straight, _ = restore(raw[10:], psf, OFFSET)
    at_face = [_distance(straight[plane], whole[10 + plane]) for plane in (0, 5, 10)]
    rows = []
    for low, high in DEPTHS:
        place = (depth >= low) & (depth < high) & (z > 6) & (z < 42)
        cells = [f"{_distance(result[place], whole[place])}" for result in (dark, left_out)]
        light = [f"{result[place].sum() / whole[place].sum():.3f}" for result in (dark, left_out)]
        rows.append(f"| {low} to {high} | {cells[0]} | {cells[1]} | {light[0]} | {light[1]} |")
    return [
        "",
        "## Beside an oblique face",
        "",
        f"A volume of {SHAPE}, 20 iterations, a PSF (31, 15, 15) of standard deviations {widths}. Relative L2 to, and",
        "light by that of, the result of the volume before it was cut. The last row is all that lies more than half",
        "the PSF's width inside. At a straight face, where the field of view itself ends, L2 is",
        f"{at_face[0]} in the first plane, {at_face[1]} 5 planes inside and {at_face[2]} 10 planes inside.",
        "",
        "| voxels inside | L2, fill dark | L2, left out | light, fill dark | light, left out |",
        "|---|---|---|---|---|",
        *rows,
    ]


def _distance(result: Array, reference: Array) -> str:
    return f"{np.linalg.norm(result - reference) / np.linalg.norm(reference):.3f}"


def compare_backgrounds() -> list[str]:
    """Compare what `background: auto` makes of a deskewed stack."""
    random, widths = np.random.default_rng(1), (2, 1.3, 1.3)
    truth = np.zeros(SHAPE)
    truth[tuple(random.integers(n, size=60) for n in SHAPE)] = 8000
    raw, psf = record(truth, widths), make_psf((15, 15, 15), widths)
    z, _, x = np.indices(SHAPE)
    depth = np.minimum(x - z, z + 111 - x)
    inside = depth >= 0
    cut = np.where(inside, raw, 0)
    fill = find_fill([cut])
    light = np.where(inside, blur(truth, widths), 0).sum()
    dark = (depth >= 10) & (blur(truth, (3, 3, 3)) < 1)
    rows = []
    for name, values in (("taken for dark", ()), ("left out", fill.values)):
        background = choose_background({0: cut}, {0: find_measured(cut, values)})["value"] if values else 0.0
        setting = {"fill": {"values": list(values), "rim": fill.rim}} if values else {}
        result, statistics = restore(cut, psf, background, **setting)
        flux = statistics["flux_before"]
        kept = statistics["sum"] / flux
        rows.append(f"| {name} | {background:g} | {flux / light:.2f} | {kept:.3f} | {np.median(result[dark]):.2f} |")
    return [
        "",
        "## Background",
        "",
        f"60 points in a volume of {SHAPE}, {100 * fill.share:.0f} % of which are fill. The offset is {OFFSET},",
        "and fill is 0: what `background: auto` takes for the offset unless fill is left out.",
        "",
        "| fill | background | light of the image by the true one | light of the result by the image's | dark voxels |",
        "|---|---|---|---|---|",
        *rows,
    ]


def time_iterations(shape: Sequence[int]) -> list[str]:
    """Measure the CPU seconds of an iteration, and of what is done once, in turns; the least of five."""
    image = np.random.default_rng(0).random(shape, np.float32)
    z, _, x = np.ogrid[tuple(map(slice, shape))]
    image[np.broadcast_to((x < z) | (x >= z + shape[2] - shape[0]), shape)] = 0
    psf, (measured, seconds) = make_psf(PSF, (4, 4, 4)), _time(lambda: find_measured(image, [0]))
    rows = []
    for name, engine in ENGINES.items():
        numbers: dict[tuple[bool, int], float] = {}
        for _ in range(5):
            for filled in (False, True):
                for count in (1, 1 + ITERATIONS):
                    mask, method = measured if filled else None, Method(count)
                    used = _time(lambda e=engine, m=mask, r=method: e.deconvolve(image, psf, r, None, m))[1]
                    numbers[filled, count] = min(used, numbers.get((filled, count), used))
        plain, masked = ((numbers[f, 1 + ITERATIONS] - numbers[f, 1]) / ITERATIONS for f in (False, True))
        masks.forget_weights()
        first = _time(lambda e=engine: e.deconvolve(image, psf, Method(1), None, measured))[1] - numbers[True, 1]
        rows.append(f"| {name} | {plain:.3f} | {masked:.3f} | {masked / plain:.3f} | {first / plain:.2f} |")
    return [
        "",
        "## Time",
        "",
        f"A volume of {tuple(shape)} float32, PSF {PSF}, CPU seconds. To find what was measured takes {seconds:.2f};",
        "the weights are computed for the first volume, and kept for others that were measured alike.",
        "",
        "| engine | an iteration without fill | with fill | by that without | the weights, in iterations |",
        "|---|---|---|---|---|",
        *rows,
    ]


def _time(function: Any) -> tuple[Any, float]:
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def measure_memory() -> list[str]:
    """Measure the peak with and without fill, each in a fresh process."""
    shape, psf = (96, 256, 256), (31, 31, 31)
    padded = prod(next_fast_len(n + k - 1, real=True) for n, k in zip(shape, psf, strict=True))
    rows = []
    for engine in ENGINES:
        for acceleration in ("none", "biggs"):
            peaks = []
            for filled in (False, True):
                job = json.dumps([engine, acceleration, filled, shape, psf])
                ended = subprocess.run([sys.executable, "-c", MEASURE, job], capture_output=True, text=True, check=True)
                peaks.append(int(ended.stdout) / padded)
            rows.append(f"| {engine} | {acceleration} | {peaks[0]:.1f} | {peaks[1]:.1f} |")
    return [
        "",
        "## Memory",
        "",
        f"Peak of one deconvolution, image {shape} float32, PSF {psf}, in bytes per padded voxel.",
        "",
        "| engine | acceleration | without fill | with fill |",
        "|---|---|---|---|",
        *rows,
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs=3, type=int, default=(120, 512, 384), metavar=("Z", "Y", "X"), help="timed")
    load = Load()
    tables = [
        *compare_faces(),
        *compare_backgrounds(),
        *time_iterations(parser.parse_args(argv).shape),
        *measure_memory(),
    ]
    write_result("fill", [f"By `python benchmarks/fill.py` on {describe_machine()}. {load.describe()}", *tables])
    return 0


if __name__ == "__main__":
    sys.exit(main())
