"""Reading one volume of a Zarr store beside zarr-python, as ratios from one run, kept in results/zarr_input.md.

Each layout is one volume on the disk of --folder, in the page cache. zarr-python reads it into one array; we read it by
bands, as the shard writer asks for them, and drop each. Each way is measured in a process of its own, in turns, after
its imports; ratios are medians over the turns.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numcodecs
import numpy as np
from support.peers import in_a_process, peak
from support.result_table import write_result

from lightsheet.simulation import simulate_volume
from lightsheet.sources import open_mosaic
from lightsheet.store import choose_chunk
from lightsheet.system import count_cores, count_joint_rows

SHAPE = (201, 1024, 768)
PART = (67, 256, 256)
SELECTION = [0, "z", "y", "x"]


class Measured(NamedTuple):
    """One run: seconds, and the memory that it took beyond what the process had, in volumes."""

    seconds: float
    memory: float


def list_layouts() -> dict[str, dict[str, Any]]:
    """Return how zarr-python is to write each store, and what a layer of its chunks is, in planes."""
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    blosc, old = BloscCodec(cname="zstd", clevel=1), numcodecs.Blosc("zstd", 1, 1)
    return {
        "0.4, a plane a chunk, Blosc": {"chunks": (1, 1, 1024, 768), "compressors": old, "zarr_format": 2},
        "0.4, a plane a chunk, plain": {"chunks": (1, 1, 1024, 768), "compressors": None, "zarr_format": 2},
        "0.4, (64, 64, 64), Blosc": {"chunks": (1, 64, 64, 64), "compressors": old, "zarr_format": 2},
        "0.5, (32, 256, 256), Zstandard": {"chunks": (1, 32, 256, 256), "compressors": ZstdCodec(level=1)},
        "0.5, (32, 256, 256), plain": {"chunks": (1, 32, 256, 256), "compressors": None},
        "0.5, shard a volume, (67, 128, 128), Blosc, crc32c": {
            "chunks": (1, 67, 128, 128),
            "shards": (1, *SHAPE),
            "compressors": [blosc, Crc32cCodec()],
        },
        "0.4, a volume a chunk, Blosc": {"chunks": (1, *SHAPE), "compressors": old, "zarr_format": 2},
    }


def write(folder: Path, name: str, part: np.ndarray) -> None:
    """Write a layout's volume: a part that is repeated, and is longer than a chunk."""
    import zarr

    volume = np.tile(part, [n // p for n, p in zip(SHAPE, PART, strict=True)])
    zarr.create_array(folder / name, data=volume[None], **list_layouts()[name])


def read_with_zarr_python(store: Path, threads: int) -> Measured:
    """Read the volume into memory."""
    import zarr

    zarr.config.set({"threading.max_workers": threads, "async.concurrency": 2 * threads})
    array = zarr.open_array(store, mode="r")
    memory, begin = peak(), time.perf_counter()
    np.asarray(array[0])
    return Measured(time.perf_counter() - begin, _count_volumes(peak() - memory))


def read_by_bands(store: Path, threads: int) -> Measured:  # noqa: ARG001 (all cores are used)
    """Read the volume by the bands that the shard writer asks for, one in memory."""
    depth, height, _ = choose_chunk(SHAPE)
    tiles = [((0, 0, 0), [(str(store), SELECTION)])]
    with open_mosaic(tiles, SHAPE, "uint16") as volume:
        volume[0:0, 0:0]
        memory, begin = peak(), time.perf_counter()
        if count_joint_rows(volume) > height:
            depth, height = SHAPE[0] // 4, SHAPE[1]
        for z, y in product(range(0, SHAPE[0], depth), range(0, SHAPE[1], height)):
            volume[z : z + depth, y : y + height]
        return Measured(time.perf_counter() - begin, _count_volumes(peak() - memory))


def _count_volumes(gigabytes: float) -> float:
    return gigabytes * 1e9 / (2 * prod(SHAPE))


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="on the disk to write to (default: the system's for temporary files)"
    )
    options = parser.parse_args(argv)
    threads, lines = count_cores(), []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        _, part = simulate_volume(0, 0, PART)
        for layout, way in list_layouts().items():
            in_a_process(write, folder, layout, part)
            turns = [
                [in_a_process(read, folder / layout, threads) for read in (read_with_zarr_python, read_by_bands)]
                for _ in range(options.rounds)
            ]
            lines.append(describe(layout, way["chunks"][1] / SHAPE[0], turns))
            print(lines[-1], flush=True)
    write_result("zarr_input", [*introduce(threads, options.rounds), *lines])
    return 0


def introduce(threads: int, rounds: int) -> list[str]:
    """Say what was measured."""
    import zarr

    return [
        f"A volume of {SHAPE} uint16, {2 * prod(SHAPE) / 1e6:.0f} MB, of a Zarr store, by `python "
        "benchmarks/zarr_input.py`.",
        f"{threads} of {os.cpu_count()} cores, for which {os.getloadavg()[1]:.0f} processes waited lately; "
        f"Python {sys.version.split()[0]}, zarr {zarr.__version__}, numcodecs {numcodecs.__version__}; medians of "
        f"{rounds} turns.",
        "At most 1.2 x the seconds of zarr-python are asked for, and 0.3 volumes of memory beside one layer of chunks.",
        "Memory is what a way takes beyond its imports.",
        "",
        "| store | MB/s, zarr-python | MB/s, ours | x seconds | memory, zarr-python | memory, ours | a layer |",
        "|---|---|---|---|---|---|---|",
    ]


def describe(layout: str, layer: float, turns: Sequence[Sequence[Measured]]) -> str:
    """Return the row of a layout."""
    (theirs, most), (ours, least) = (
        [statistics.median(values) for values in zip(*(turn[way] for turn in turns), strict=True)] for way in (0, 1)
    )
    ratio = statistics.median(turn[1].seconds / turn[0].seconds for turn in turns)
    rates = " | ".join(f"{2 * prod(SHAPE) / seconds / 1e6:.0f}" for seconds in (theirs, ours))
    return f"| {layout} | {rates} | {ratio:.2f} | {most:.2f} | {least:.2f} | {layer:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
