"""Ingest of one volume beside other ways to write it, as ratios from one run, kept in results/ingest.md.

A TIFF stack, uncompressed and in the page cache, becomes a Zarr store on the disk of --folder. Each way is measured
in a process of its own, in turns; ratios are medians over the turns. What the codec alone encodes, from memory to
memory, is the limit of all that use it.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import NamedTuple

import numcodecs
import numpy as np
import tifffile
from support.peers import in_a_process, peak
from support.result_table import write_result

from lightsheet.processing import combine_parts, ingest_volume, summarise_part
from lightsheet.simulation import simulate_volume
from lightsheet.sources import digest_source, open_mosaic
from lightsheet.store import (
    Codec,
    Results,
    Shape,
    StoreLayout,
    VolumeKey,
    choose_chunk,
    complete_codec,
    downsample,
    iterate_chunks,
    write_shard,
)
from lightsheet.system import count_cores

SHAPE = (201, 1024, 768)
PART = (67, 256, 256)
"""What is simulated, and repeated: longer than a chunk, so that no codec sees the repetition."""

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
DEFAULT = {"name": "blosc", "configuration": {}}
PLAIN = {"name": "blosc", "configuration": {"blocksize": 0}}


MEASURED: dict[str, float] = {}


@contextmanager
def timed() -> Iterator[None]:
    """Note how long the block takes, its CPU seconds, and what memory it takes beyond what the process had."""
    memory, begin, cpu = peak(), time.perf_counter(), time.process_time()
    yield
    MEASURED.update(seconds=time.perf_counter() - begin, memory=(peak() - memory) * 1e9 / (2 * prod(SHAPE)))
    MEASURED.update(cpu=time.process_time() - cpu)


class Measured(NamedTuple):
    """One run: seconds, the memory that it took beyond what the process had, in volumes, and its CPU seconds."""

    seconds: float
    memory: float
    cpu: float


def codec_alone(codec: Codec, tif: Path, _out: Path, threads: int) -> None:
    """Encode the inner chunks of a volume that is in memory, and drop what comes out."""
    volume = tifffile.imread(tif)
    chunks = [np.ascontiguousarray(volume[where]) for where in iterate_chunks(volume.shape, choose_chunk(SHAPE))]
    settings = complete_codec(codec)["configuration"]
    encode = numcodecs.Blosc("zstd", 1, 1, blocksize=settings["blocksize"]).encode
    with ThreadPoolExecutor(threads) as pool, timed():
        list(pool.map(encode, chunks))


def one_shard(tif: Path, out: Path, threads: int) -> None:
    """Read, digest, summarise, encode and flush, as ingest does, the full resolution only."""
    where = [((0, 0, 0), [(str(tif), None)])]
    with timed(), open_mosaic(where, SHAPE, "uint16") as volume, ThreadPoolExecutor(1) as pool:
        digest = pool.submit(digest_source, str(tif), None)
        summarise = partial(summarise_part, voxels=volume.size)
        written = write_shard(out / "shard", volume, choose_chunk(SHAPE), DEFAULT, threads, summarise)
        combine_parts(written.summaries)
        digest.result()


def whole_ingest(tif: Path, out: Path, threads: int) -> None:
    """Do all that the workflow does for a volume: the pyramid and the record too."""
    import zarr  # noqa: F401 (a worker imports it once, not for each volume)

    layout = StoreLayout.plan(SHAPE, VOXEL, "uint16", DEFAULT)
    with timed():
        ingest_volume(Results(out), VolumeKey("raw", "c", 0), [((0, 0, 0), [(str(tif), None)])], layout, threads)


def zarr_python(tif: Path, out: Path, threads: int) -> None:
    """Assign a volume to a sharded array: no digest, not flushed."""
    import zarr
    from zarr.codecs import BloscCodec

    zarr.config.set({"threading.max_workers": threads, "async.concurrency": threads})
    codec = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
    with timed():
        array = zarr.create_array(
            out / "store", shape=(1, *SHAPE), dtype="uint16", shards=(1, *SHAPE), chunks=(1, *choose_chunk(SHAPE)),
            compressors=codec, config={"write_empty_chunks": True},
        )  # fmt: skip
        array[0] = tifffile.imread(tif)


def common_recipe(tif: Path, out: Path, threads: int) -> None:
    """Stack lazily read volumes with Dask and store them, a volume a chunk, in Zarr v2."""
    import dask
    import dask.array as da
    import zarr

    codec = numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE)
    shape = (1, *SHAPE)
    with timed(), dask.config.set(scheduler="threads", num_workers=threads):
        volume = da.from_delayed(dask.delayed(tifffile.imread)(tif), SHAPE, np.uint16)
        array = zarr.create_array(
            out / "store", shape=shape, dtype="uint16", chunks=shape, compressors=codec, zarr_format=2
        )
        da.stack([volume]).store(array)


WAYS: dict[str, Callable[[Path, Path, int], None]] = {
    "Blosc alone, its own block size": partial(codec_alone, PLAIN),
    "Blosc alone, blocks of 512 kB": partial(codec_alone, DEFAULT),
    "ours: TIFF to a flushed shard, digests and statistics": one_shard,
    "ours: the same with pyramid and record": whole_ingest,
    "zarr-python, one shard a volume": zarr_python,
    "common recipe: Dask, a volume a chunk, Zarr v2": common_recipe,
}


def measure(name: str, folder: Path, threads: int) -> Measured:
    """Write the volume of a folder once, in this process."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    WAYS[name](folder / "volume.tif", out, threads)
    return Measured(**MEASURED)


def downsampled(step: Shape) -> float:
    """Return the GB/s at which one thread makes a pyramid level."""
    volume = np.random.default_rng(0).poisson(100, (32, 1024, 768)).astype(np.uint16)
    seconds = []
    for _ in range(7):
        begin = time.perf_counter()
        downsample(volume, step)
        seconds.append(time.perf_counter() - begin)
    return volume.nbytes / min(seconds) / 1e9


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each way (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=count_cores(), help="cores to use (default: all)")
    parser.add_argument(
        "--folder", type=Path, help="on the disk to write to (default: the system's for temporary files)"
    )
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        _, part = simulate_volume(0, 0, PART)
        tifffile.imwrite(folder / "volume.tif", np.tile(part, [n // p for n, p in zip(SHAPE, PART, strict=True)]))
        rounds = [
            {way: in_a_process(measure, way, folder, options.threads) for way in WAYS} for _ in range(options.rounds)
        ]
    write_result("ingest", table(rounds, options.threads))
    return 0


def describe_budget(rounds: list[dict[str, Measured]], threads: int) -> str:
    """Say what ingest does beside encoding, in CPU seconds, and what it leaves of Blosc's speed on other cores.

    With so many cores a volume takes no less than its CPU seconds shared among them. With twice as many as encode,
    the rest has its own cores, and the encoder its whole speed as long as the rest takes no longer.
    """
    _, alone, ours, *_ = WAYS
    encode, whole = (statistics.median(turn[way].cpu for turn in rounds) for way in (alone, ours))
    rest = whole - encode
    bounds = [f"{encode / whole:.2f} if {threads} cores do both"]
    bounds += [f"{encode / max(encode, rest):.2f} if {threads} of {2 * threads} encode and the others do the rest"]
    return (
        f"CPU seconds of a volume: {encode:.2f} for Blosc with blocks of 512 kB, {rest:.2f} for reading, digests, "
        f"statistics, checksums and writing. By these alone ingest is at most {' and '.join(bounds)} (x Blosc on "
        f"{threads} cores)."
    )


def table(rounds: list[dict[str, Measured]], threads: int) -> list[str]:
    """Say how fast each way was, and how fast beside the codec."""
    limit, tuned, *_ = WAYS
    lines = [
        f"A volume of {SHAPE} uint16, {2 * prod(SHAPE) / 1e6:.0f} MB, to Zarr, by `python benchmarks/ingest.py`.",
        f"{threads} of {os.cpu_count()} cores; Python {sys.version.split()[0]}, numcodecs {numcodecs.__version__}, "
        f"blosc(zstd 1, shuffle); medians of {len(rounds)} turns.",
        "",
        "| | MB/s | x Blosc | x Blosc, 512 kB | CPU s | memory, volumes |",
        "|---|---|---|---|---|---|",
    ]
    for way in WAYS:
        seconds = statistics.median(turn[way].seconds for turn in rounds)
        ratios = [
            statistics.median(turn[base].seconds / turn[way].seconds for turn in rounds) for base in (limit, tuned)
        ]
        memory = "" if way in (limit, tuned) else f"{statistics.median(turn[way].memory for turn in rounds):.2f}"
        lines.append(
            f"| {way} | {2 * prod(SHAPE) / seconds / 1e6:.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} "
            f"| {statistics.median(turn[way].cpu for turn in rounds):.2f} | {memory} |"
        )
    rates = ", ".join(f"{downsampled(step):.1f} GB/s by {step}" for step in ((1, 2, 2), (2, 2, 2)))
    lines += ["", describe_budget(rounds, threads)]
    return [*lines, "", f"Pyramid: 2x means in one thread, {rates} (z, y, x); at least 2 are asked for."]


if __name__ == "__main__":
    sys.exit(main())
