"""What it costs to move or turn the result of a stage scan: time beside that of ten iterations, and memory.

    python benchmarks/scan_geometry.py [--shape 120 400 320]

prints its table and keeps it in results/scan_geometry.md.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from support.machine import Load, describe_machine
from support.result_table import write_result

from lightsheet.deconvolution import richardson_lucy
from lightsheet.scan import OutputGeometry, OutputVolume, make_scan
from lightsheet.store import StoreLayout
from lightsheet.store.volumes import PLANES

SCAN = {"angle": 31.5, "step": 0.3, "pixel": 0.1}
VOXEL = {"z": 0.3 * math.sin(math.radians(31.5)), "y": 0.1, "x": 0.1}
PSF = (31, 25, 61)
ITERATIONS, REPEATS = 10, 3
CODEC = {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"}}

MEASURE = """
import json, re, sys, tempfile
from pathlib import Path
import numpy as np
from lightsheet.processing.deconvolve import deconvolve_volume
from lightsheet.processing.geometry import find_geometry
from lightsheet.psf.measure import save_psf
from lightsheet.store import Results, StoreLayout, VolumeKey, write_volume
shape, psf, kind, scan, voxel, codec = json.loads(sys.argv[1])
pixel = scan.pop("pixel")
settings = {"engine": "cpu", "iterations": 2, "boundary": "extended", "acceleration": "none", "background": 100,
            "dtype": "float32", "scale": 1, "scan": {**scan, "axis": "x", "direction": 1}, "pixel": pixel,
            "geometry": kind}
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
with tempfile.TemporaryDirectory() as folder:
    results, geometry = Results(Path(folder)), find_geometry(settings, shape)
    raw = np.random.default_rng(0).integers(100, 300, shape, np.uint16)
    layouts = [StoreLayout.plan(shape, voxel, "uint16", codec),
               StoreLayout.plan(geometry.shape, geometry.measure_voxels(voxel), "float32", codec)]
    write_volume(results.work("raw", "a"), 0, raw, layouts[0], 2)
    del raw
    results.psf("a", ".tif").parent.mkdir(parents=True)
    save_psf(np.ones(psf, np.float32), voxel, results.psf("a", ".tif"))
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    deconvolve_volume(results, VolumeKey("result", "a", 0), results.psf("a", ".tif"), settings, layouts[1],
                      {"settings": settings}, 2, 100_000_000_000, shape=shape)
    print(peak() - before)
"""


def time_iterations(shape: Sequence[int]) -> float:
    """Return the CPU seconds that ten iterations take for a volume of this shape."""
    image, psf = np.random.default_rng(0).random(shape, np.float32), np.ones(PSF, np.float32)
    return _time(lambda: richardson_lucy(image, psf, iterations=ITERATIONS, engine="cpu", threads=2))


def time_geometry(shape: Sequence[int], geometry: OutputGeometry) -> float:
    """Return the CPU seconds that all bands of a result take as they are written: for its shard, and the next level."""
    source = OutputVolume(np.random.default_rng(0).random(shape, np.float32), geometry)
    layout = StoreLayout.plan(geometry.shape, geometry.measure_voxels(VOXEL), "float32", CODEC)
    step = layout.list_steps()[0]
    bands = [layout.levels[0].chunk[:2], *([] if source.is_slow else [(PLANES, layout.levels[1].chunk[1] * step[1])])]

    def read() -> None:
        for (depth, height), (z, y) in ((band, size) for band in bands for size in [geometry.shape[:2]]):
            for top in range(0, z, depth):
                for row in range(0, y, height):
                    source[top : top + depth, row : row + height]

    return _time(read)


def _time(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def measure_peak(shape: Sequence[int], kind: str) -> int:
    """Return the bytes that a worker needs beyond what it has, from the raw shard to the result's."""
    task = json.dumps([list(shape), list(PSF), kind, SCAN, VOXEL, CODEC])
    ended = subprocess.run([sys.executable, "-c", MEASURE, task], capture_output=True, text=True, check=True)
    return int(ended.stdout)


def compare(shape: Sequence[int]) -> list[str]:
    """Measure each geometry beside the iterations, and return the rows of the table."""
    rows, raw_peak = [], measure_peak(shape, "raw")
    time_iterations((8, 8, 8))  # compiles
    for kind in ("deskewed", "rotated"):
        more = (measure_peak(shape, kind) - raw_peak) / (4 * prod(shape))
        for axis in "xy":
            geometry = OutputGeometry(kind, make_scan(**SCAN, axis=axis), tuple(shape))
            pairs = np.array([(time_iterations(shape), time_geometry(shape, geometry)) for _ in range(REPEATS)])
            (iterations, moved), ratio = pairs.min(axis=0), np.median(pairs[:, 1] / pairs[:, 0])
            size = prod(geometry.shape) / prod(shape)
            rows.append(
                f"| {kind} | {axis} | {size:.2f} | {iterations:.2f} | {moved:.3f} | {100 * ratio:.1f} % "
                f"| {f'{more:+.2f}' if axis == 'x' else ''} |"
            )
            print(rows[-1], flush=True)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs=3, type=int, default=(120, 400, 320), metavar=("Z", "Y", "X"))
    load, shape = Load(), tuple(parser.parse_args(argv).shape)
    rows = compare(shape)
    lines = [
        f"By `python benchmarks/scan_geometry.py` on {describe_machine()}. {load.describe()}",
        "",
        f"A raw volume of {shape}, {SCAN['angle']} degrees, steps of {SCAN['step']} um, pixels of {SCAN['pixel']} um.",
        f"CPU seconds: {ITERATIONS} iterations of engine cpu with a PSF of {PSF}, and all bands of the result, as they",
        "are computed for its shard and, of a deskewed one, again for the next level of its pyramid; the median ratio",
        f"of {REPEATS} pairs side by side. Memory: the peak of a worker on its way from the raw shard to those of the",
        "result, beyond that of geometry raw, in volumes of float32 of the raw shape.",
        "",
        "| geometry | axis | voxels by raw | ten iterations | geometry | ratio | memory |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]
    write_result("scan_geometry", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
