"""What stores of fewer bits lose and gain: distance to the truth, bytes, seconds.

    python benchmarks/precision.py [--shape 32 128 128] [--encoded 32 512 512]

prints its tables and keeps them in results/precision.md.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from support.ground_truth import DATA, Array, Case, bars, beads
from support.machine import Load, describe_machine
from support.result_table import write_result

from lightsheet.deconvolution import find_brightest_region, richardson_lucy
from lightsheet.processing.brightest_part import describe_fineness
from lightsheet.processing.camera import convert_result
from lightsheet.processing.rounding import choose_scale, choose_whole_bits, round_result
from lightsheet.simulation import CAMERA_OFFSET, CHANNELS, VOXEL_SIZE, model_image_psf, simulate_volume
from lightsheet.store import StoreLayout, write_volume

PEAKS = (30, 300, 3000)  # photons
ITERATIONS = (10, 100)
CODEC = {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"}}
THREADS = 2
REPEATS = 15
METHOD = {"engine": "cpu", "boundary": "extended", "acceleration": "none"}
EXPLANATION = """\
By `python benchmarks/precision.py`, on {machine}.

Results as `output.precision: auto` and `output.scale: auto` (uint16) would have them stored, against float32 in
full. Bits: of the mantissa, or of 16, that are kept. NRMSE, ||result - truth|| / ||truth||, and by how much
storing changes it. Error, of storing, and by that of the noise: relative L2, as records have it. Bytes: of a
shard with its pyramid, by those of float32 in full, all in the default codec. Simulated volumes of {shape} with
the camera's offset and noise; bars and beads as in quality.md."""


class Image(NamedTuple):
    """Raw counts whose truth is known, and the offset in them."""

    counts: Array
    background: float
    case: Case


class Storage(NamedTuple):
    """How a result is stored."""

    dtype: str
    scale: float
    bits: int | None


def simulate(peak: float, shape: tuple[int, int, int]) -> Image:
    """Simulate one volume."""
    truth, counts = simulate_volume(0, 0, shape, peak_photons=peak, seed=0)
    case = Case(counts, model_image_psf(CHANNELS[0], VOXEL_SIZE), truth)
    return Image(counts, CAMERA_OFFSET, case)


def choose_storages(fineness: dict[str, Any]) -> list[Storage]:
    """Return how a run would store it: float32 rounded, and uint16."""
    scale = choose_scale(fineness["brightest"])
    bits = choose_whole_bits(fineness["brightest"], fineness["step"], scale)
    return [Storage("float32", 1, fineness["bits"]), Storage("uint16", scale, bits)]


def convert(result: Array, storage: Storage) -> Array:
    """Convert a result, in place if it stays float32."""
    stored, _ = convert_result(result, storage.dtype, storage.scale)
    if storage.bits:
        round_result(stored, storage.bits, THREADS)
    return stored


def count_bytes(stored: Array, storage: Storage) -> int:
    """Write a volume with its pyramid, and count the bytes."""
    layout = StoreLayout.plan(stored.shape, VOXEL_SIZE, storage.dtype, CODEC)
    with tempfile.TemporaryDirectory() as folder:
        shards, _ = write_volume(Path(folder), 0, stored, layout, THREADS, bits=storage.bits)
    return sum(shard["bytes"] for shard in shards)


def compare(name: str, image: Image, iterations: int) -> list[str]:
    """Return a row for each way to store a result."""
    settings = {**METHOD, "iterations": iterations, "background": image.background}
    region = find_brightest_region(image.counts)
    fineness = describe_fineness(image.counts[region], image.case.psf, settings, THREADS)
    light = np.maximum(image.counts - np.float32(image.background), 0)
    result = richardson_lucy(light, image.case.psf, threads=THREADS, iterations=iterations, **METHOD)
    exact, whole = image.case.error(result), count_bytes(result, Storage("float32", 1, None))
    rows = []
    for storage in choose_storages(fineness or {}):
        stored = convert(result.copy(), storage)
        counts = stored / np.float32(storage.scale)
        error = float(np.linalg.norm(counts - result) / np.linalg.norm(result))
        rows.append(
            f"| {name} | {iterations} | {storage.dtype} | {storage.bits} | {exact:.4f} "
            f"| {100 * (image.case.error(counts) / exact - 1):+.3f} % | {error:.1e} | {error / fineness['noise']:.2f} "
            f"| {count_bytes(stored, storage) / whole:.3f} |"
        )
    return rows


def time_encoding(shape: tuple[int, int, int]) -> list[str]:
    """Time how a result is rounded and written, turn by turn with one that is written in full."""
    image = simulate(300, shape)
    settings = {**METHOD, "iterations": 10, "background": image.background}
    fineness = describe_fineness(image.counts[find_brightest_region(image.counts)], image.case.psf, settings, THREADS)
    light = np.maximum(image.counts - np.float32(image.background), 0)
    result = richardson_lucy(light, image.case.psf, threads=THREADS, iterations=10, **METHOD)
    storages = [Storage("float32", 1, None), *choose_storages(fineness or {})]
    seconds: dict[Storage, list[float]] = {storage: [] for storage in storages}
    for _ in range(REPEATS):
        for storage in storages:
            copy = result.copy()
            start = time.perf_counter()
            count_bytes(convert(copy, storage), storage)
            seconds[storage].append(time.perf_counter() - start)
    full = seconds[storages[0]]
    return [
        f"| {s.dtype} | {s.bits or 'all'} | {median(times):.2f} ({min(times):.2f} to {max(times):.2f}) "
        f"| {median(t / f for t, f in zip(times, full, strict=True)):.2f} |"
        for s, times in seconds.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(32, 128, 128), help="(z, y, x) of simulated volumes")
    parser.add_argument("--encoded", type=int, nargs=3, default=(64, 512, 512), help="(z, y, x) of what is timed")
    options = parser.parse_args(argv)
    load = Load()
    images = {f"simulated, {peak} photons": simulate(peak, tuple(options.shape)) for peak in PEAKS}
    if DATA.is_dir():
        images |= {"bars": Image(bars().image, 0.0, bars()), "beads": Image(beads().image, 0.0, beads())}
    lines = [
        EXPLANATION.format(machine=describe_machine(), shape=tuple(options.shape)),
        *("", "## Error and bytes", ""),
        "| image | iterations | dtype | bits | NRMSE | changed by | error | by noise | bytes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(row for name, image in images.items() for n in ITERATIONS for row in compare(name, image, n)),
        *("", "## Seconds", ""),
        f"Of rounding a result of {tuple(options.encoded)}, 300 photons, and of writing it with its pyramid, median "
        f"and range of {REPEATS} in turn; by full: the median of the ratios of each turn.",
        "",
        "| dtype | bits | seconds | by full |",
        "| --- | --- | --- | --- |",
        *time_encoding(tuple(options.encoded)),
    ]
    write_result("precision", [*lines, "", load.describe()])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
