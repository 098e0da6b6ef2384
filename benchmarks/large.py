"""Deconvolve one volume of 3.4 GB in a process that may use 6 GB, in blocks, and keep what it took in results/large.md.

The process is a child with RLIMIT_DATA, which bounds what Linux would have to keep in memory or swap: its heap and all
its private writable mappings, used or only asked for. Pages of files are not in it: they hold the raw volume and the
result, and the system writes them out and drops them when it needs the room; so does a SLURM job's control group.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from support.result_table import write_result

SCRIPTS = Path(__file__).parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lightsheet.simulation import CHANNELS, model_image_psf  # noqa: E402
from lightsheet.store import Results, StoreLayout, write_volume  # noqa: E402
from lightsheet.system import allocate_on_disk  # noqa: E402

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
CODEC = {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"}}
DECONVOLVE = """
import json, re, resource, sys, threading, time
from pathlib import Path
from lightsheet.processing import deconvolve_volume
from lightsheet.store import Results, StoreLayout, VolumeKey

def watch():
    while True:
        status = Path("/proc/self/status").read_text()
        peak["bytes"] = max(peak["bytes"], 1024 * int(re.search(r"RssAnon:\\s+(\\d+) kB", status)[1]))
        time.sleep(0.02)

folder, limit, shape, voxel, codec, settings, threads = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
peak = {"bytes": 0}
threading.Thread(target=watch, daemon=True).start()
layout = StoreLayout.plan(shape, voxel, settings["dtype"], codec)
results, psf = Results(Path(folder) / "results"), Path(folder) / "psf.tif"
inputs = {"settings": settings}
record = deconvolve_volume(results, VolumeKey("result", "ch0", 0), psf, settings, layout, inputs, threads, limit)
print(json.dumps([peak["bytes"], record]))
"""


def write_raw(folder: Path, shape: tuple[int, ...]) -> None:
    """Write a PSF, and a raw volume of stripes with noise: what a voxel holds changes nothing here."""
    tifffile.imwrite(folder / "psf.tif", model_image_psf(CHANNELS[1], VOXEL), photometric="minisblack")
    rng = np.random.default_rng(0)
    stripes = 120 + 100 * np.sin(np.arange(shape[2]) / 7) ** 2
    noisy = [rng.poisson(stripes, shape[1:]).astype(np.uint16) for _ in range(4)]
    allocate = allocate_on_disk(folder)
    raw = allocate(shape, np.uint16)
    for z, plane in enumerate(raw):
        plane[...] = np.roll(noisy[z % len(noisy)], 13 * z, axis=0)
    work = Results(folder / "results").work("raw", "ch0")
    write_volume(work, 0, raw, StoreLayout.plan(shape, VOXEL, "uint16", CODEC), os.cpu_count() or 1)


def deconvolve(folder: Path, shape: tuple[int, ...], limit: int, iterations: int, threads: int) -> tuple[int, Any]:
    """Return the peak of the child's own memory, in bytes, and the volume's record."""
    settings = {
        "engine": "cpu",
        "iterations": iterations,
        "boundary": "extended",
        "acceleration": "none",
        "background": "auto",
        "dtype": "float32",
        "scale": 1,
    }
    job = json.dumps([str(folder), limit, shape, VOXEL, CODEC, settings, threads])
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    ended = subprocess.run(
        [sys.executable, "-c", DECONVOLVE, job], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    peak, record = json.loads(ended.stdout)
    return peak, record


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep what one large volume took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[402, 2048, 2048], metavar=("Z", "Y", "X"))
    parser.add_argument("--gigabytes", type=float, default=6.0, help="that the process may use")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="on a disk with room for about six raw volumes")
    asked = parser.parse_args(argv)
    shape = tuple(asked.shape)
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        write_raw(Path(name), shape)
        peak, record = deconvolve(Path(name), shape, int(asked.gigabytes * 1e9), asked.iterations, asked.threads)
    found, seconds = record["statistics"], record["seconds"]
    lines = [
        f"One volume {shape} uint16 in a process limited to {asked.gigabytes:g} GB (RLIMIT_DATA), {asked.iterations} "
        f"iterations, {asked.threads} threads, by `python benchmarks/large.py`.",
        "",
        f"- {found['blocks']} blocks of {tuple(found['block'])} voxels and their halos.",
        f"- Peak of the process's own memory (RssAnon): {peak / 1e9:.2f} GB.",
        f"- Seconds: {seconds['read']:.0f} to read, {seconds['deconvolve']:.0f} to deconvolve, "
        f"{seconds['write']:.0f} to write.",
    ]
    write_result("large", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
