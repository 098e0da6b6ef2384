"""What the cores do beside a GPU: CPU seconds for a volume of (201, 1024, 768), kept in results/beside_gpu.md.

No GPU takes part. The steps that engine gpu leaves to the host are run as a worker runs them, between arrays that stand
for its pinned buffers: a raw shard is read and decoded; of two planes the resolution is measured; the result and its
pyramid, as the device would return them, are encoded, digested, written and flushed, on the disk of --folder. What the
driver and the start of kernels take is not among it.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import google_crc32c
import numcodecs
import numpy as np
from blake3 import blake3
from support.machine import Load, describe_machine
from support.result_table import write_result

from lightsheet.deconvolution import richardson_lucy
from lightsheet.processing.camera import convert_result
from lightsheet.processing.quality import SIDE, measure_resolutions
from lightsheet.simulation import CHANNELS, VOXEL_SIZE, Array, model_psf, simulate_volume
from lightsheet.store import (
    CutVolume,
    Shape,
    StoreLayout,
    complete_codec,
    downsample,
    iterate_chunks,
    read_cut_volume,
    write_volume,
)

SHAPE = (201, 1024, 768)
PART = (67, 256, 256)
"""What is simulated and deconvolved, and repeated: longer than a chunk, so that no codec sees the repetition."""

BACKGROUND, ITERATIONS, SCALE = 100, 10, 10
CODEC = {"name": "blosc", "configuration": {}}
AIMS = {"float32": 1.4, "uint16": 1.1}
"""CPU seconds a volume: with 8 cores they let an H100 be busy 80 % of the time at 10 iterations, by the model."""

Rows = dict[str, list[float]]


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where shards are written")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--busy", default="", help="what else the machine does, for the record")
    options = parser.parse_args()
    raw, result = make_volumes()
    folder, load = Path(tempfile.mkdtemp(dir=options.folder)), Load()
    try:
        tables = [measure(folder, raw, result, dtype, options) for dtype in AIMS]
    finally:
        shutil.rmtree(folder)
    lines = [
        f"CPU seconds of the host for a volume of {SHAPE} beside a GPU, by `python benchmarks/beside_gpu.py`.",
        f"{describe_machine()}, numcodecs {numcodecs.__version__}; {options.threads} threads; medians of "
        f"{options.turns} turns, and the least. {load.describe()} {options.busy}".rstrip(),
        "No GPU took part: what its driver takes, and the start of kernels, is not among it.",
    ]
    write_result("beside_gpu", [*lines, *(line for table in tables for line in ("", *table))])


def make_volumes() -> tuple[Array, Array]:
    """Return a raw volume of cells, and what Richardson-Lucy makes of it, in counts."""
    _, part = simulate_volume(1, 0, PART)
    psf = model_psf(CHANNELS[1], (33, 33, 33), VOXEL_SIZE, (16, 16, 16)).astype(np.float32)
    image = np.maximum(part.astype(np.float32) - BACKGROUND, 0)
    result = richardson_lucy(image, psf, iterations=ITERATIONS, engine="cpu")
    times = [n // p for n, p in zip(SHAPE, PART, strict=True)]
    return np.tile(part, times), np.tile(result, times)


def measure(folder: Path, raw: Array, result: Array, dtype: str, options: argparse.Namespace) -> list[str]:
    """Return the table for results of a dtype."""
    layouts = [StoreLayout.plan(SHAPE, VOXEL_SIZE, kind, CODEC) for kind in ("uint16", dtype)]
    write_volume(folder / "raw", 0, raw, layouts[0], options.threads)
    stored, _ = convert_result(result, dtype, SCALE)
    levels = [stored]
    for step in layouts[1].list_steps():
        levels.append(downsample(levels[-1], step))
    cut = [cut_volume(array, level.chunk) for array, level in zip(levels, layouts[1].levels, strict=True)]
    planes = {"raw": raw[0, :SIDE, :SIDE].astype(np.float32), "result": stored[0, :SIDE, :SIDE].astype(np.float32)}
    buffer, rows = np.zeros_like(raw), Rows()
    for _ in range(options.turns):
        with timed(rows, "read: raw shard into a buffer"):
            volume = read_cut_volume(folder / "raw", 0, options.threads, lambda shape, _: buffer.reshape(shape))
        with timed(rows, "numbers: resolution of two planes"):
            measure_resolutions(planes)
        system = os.times().system
        with timed(rows, "write: shards of all levels"):
            shards, _ = write_volume(folder / "result", 0, cut[0], layouts[1], options.threads, coarser=cut[1:])
        rows.setdefault("of which the system: its cache of the disk", []).append(os.times().system - system)
        measure_parts(rows, cut, [folder / f"result/{number}/c/0/0/0/0" for number in range(len(cut))])
    assert np.array_equal(volume.assemble(), raw)
    return list_rows(rows, dtype, sum(shard["bytes"] for shard in shards), sum(level.nbytes for level in levels))


def cut_volume(array: Array, chunk: Shape) -> CutVolume:
    """Return a volume in its chunks, as the device leaves it."""
    return CutVolume(array.shape, np.stack([array[place] for place in iterate_chunks(array.shape, chunk)]))


def measure_parts(rows: Rows, levels: Sequence[CutVolume], shards: Sequence[Path]) -> None:
    """Measure parts of writing all levels, each alone."""
    settings = complete_codec(CODEC)["configuration"]
    codec = numcodecs.Blosc("zstd", settings["clevel"], 1, settings["blocksize"])
    with timed(rows, "of which Blosc"):
        for level in levels:
            for chunk in level.chunks:
                codec.encode(chunk)
    contents = [shard.read_bytes() for shard in shards]
    with timed(rows, "of which BLAKE3"):
        for content in contents:
            blake3(content)
    with timed(rows, "of which CRC-32C"):
        for content in contents:
            google_crc32c.value(content)


@contextmanager
def timed(rows: Rows, name: str) -> Iterator[None]:
    """Note the CPU seconds of the process, all its threads together."""
    begin = time.process_time()
    yield
    rows.setdefault(name, []).append(time.process_time() - begin)


def list_rows(rows: Rows, dtype: str, written: int, volume: int) -> list[str]:
    """Return the lines of a table."""
    lines = [f"| {dtype} results | core-s | least |", "|---|---|---|"]
    lines += [f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} |" for name, values in rows.items()]
    whole = [values for name, values in rows.items() if not name.startswith("of which")]
    median, least = (sum(map(function, whole)) for function in (statistics.median, min))
    lines += [f"| all beside the GPU | {median:.2f} | {least:.2f} |", ""]
    amount = f"{written / 1e6:.0f} MB are written, {written / volume:.2f} of what is stored"
    return [
        *lines,
        f"At most {AIMS[dtype]} core-s are aimed at. {amount}; the raw volume has {2 * prod(SHAPE) / 1e6:.0f} MB.",
    ]


if __name__ == "__main__":
    main()
