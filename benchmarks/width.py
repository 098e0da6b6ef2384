"""Compare how many volumes a worker has in hand, and with how many threads each, and keep it in results/width.md.

Volumes go from store to store in one Dask worker, started as a run starts it on this machine; for comparison also in
two workers of one thread. All rows take turns, and medians of the rounds count; ratios are of the same round. The bytes
that come out must be the same. Memory is the worker's peak (VmHWM) beside what it would ask of SLURM. On 2 cores all of
it takes about a minute.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import tifffile
from support.machine import Load, describe_machine
from support.result_table import write_result

from lightsheet.cluster import WorkerPool, WorkerRequest, map_volumes, start_workers
from lightsheet.processing import deconvolve_volume, plan_needs
from lightsheet.store import Results, StoreLayout, VolumeKey, read_record, write_volume
from lightsheet.system import count_cores

SIZES = {"33": (33, 128, 128), "67": (67, 256, 256)}
VOLUMES = 4
ITERATIONS = 10
PSF = (19, 21, 23)
VOXEL_SIZE = {"z": 0.3, "y": 0.104, "x": 0.104}
SETTINGS = {
    "engine": "cpu",
    "iterations": ITERATIONS,
    "boundary": "extended",
    "acceleration": "none",
    "background": 100,
    "dtype": "float32",
    "scale": 1,
}


class Row(NamedTuple):
    """A way to share the cores."""

    workers: int
    slots: int
    threads: int

    def describe(self) -> str:
        """Name it."""
        return f"{self.workers} | {self.slots} | {self.threads}"


def list_rows(cores: int) -> list[Row]:
    """Return one volume with all cores, more of fewer threads, more than there are cores, and a worker for each."""
    slots = sorted({cores // threads for threads in range(1, cores + 1)})
    return [*(Row(1, number, cores // number) for number in slots), Row(1, 2 * cores, 1), Row(cores, 1, 1)]


def write_source(folder: Path, shape: tuple[int, int, int]) -> Results:
    """Write raw volumes, and a PSF of noise, of which nothing is trimmed."""
    rng, results = np.random.default_rng(0), Results(folder)
    tifffile.imwrite(folder / "psf.tif", rng.random(PSF, np.float32) + np.float32(0.1), photometric="minisblack")
    layout = StoreLayout.plan(shape, VOXEL_SIZE, "uint16", {"name": "blosc"})
    for timepoint in range(VOLUMES):
        raw = rng.poisson(130, shape).astype(np.uint16)
        write_volume(results.work("raw", "c"), timepoint, raw, layout, count_cores())
    return results


@contextmanager
def start(results: Results, workers: int, slots: int) -> Iterator[WorkerPool]:
    """Start workers as a run does."""
    request = WorkerRequest("local", workers, count_cores(), results, f"benchmark{workers}")
    with start_workers(replace(request, slots=slots), "cpu", 0) as pool:
        yield pool


def run(pool: Any, results: Results, shape: tuple[int, int, int], row: Row, number: int) -> tuple[float, list[str]]:
    """Deconvolve all volumes; return the seconds of one, and the digests of what came out."""
    pool.slots, settings = row.slots, {**SETTINGS, "number": number}  # else they would be done already
    layout = StoreLayout.plan(shape, VOXEL_SIZE, "float32", {"name": "blosc"})
    tasks = {
        f"{timepoint}": {
            "results": results,
            "key": VolumeKey("result", "c", timepoint),
            "psf": results.folder / "psf.tif",
            "settings": settings,
            "layout": layout,
            "inputs": {"settings": settings},
            "threads": row.threads,
        }
        for timepoint in range(VOLUMES)
    }
    begin = time.perf_counter()
    errors = [error for _, error in map_volumes(pool, deconvolve_volume, tasks, "deconvolve") if error]
    seconds = (time.perf_counter() - begin) / VOLUMES
    records = [read_record(results, VolumeKey("result", "c", timepoint)) for timepoint in range(VOLUMES)]
    if errors or not all(records):
        raise SystemExit(f"{row}: {errors}")
    return seconds, [shard["blake3"] for record in records if record for shard in record["shards"]]


def read_peak(pool: WorkerPool) -> float:
    """Return the most GB that a worker had."""
    status = pool.client.run(Path("/proc/self/status").read_text)  # type: ignore[no-untyped-call]
    return max(int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) for text in status.values()) * 1024 / 1e9


def count_core_seconds(pool: WorkerPool) -> float:
    """Return the seconds that cores worked for the workers."""
    return float(sum(pool.client.run(time.process_time).values()))  # type: ignore[no-untyped-call]


def measure_size(shape: tuple[int, int, int], rounds: int) -> list[str]:
    """Return the rows of the table."""
    rows, needs = list_rows(count_cores()), plan_needs(shape, PSF, "cpu", "none")
    times, work = ({row: list[float]() for row in rows} for _ in range(2))
    peaks, digests, number = dict[Row, float](), set[tuple[str, ...]](), 0
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        results = write_source(Path(name), shape)
        numbers, most = {row.workers for row in rows}, max(row.slots for row in rows)
        pools = {workers: stack.enter_context(start(results, workers, most)) for workers in numbers}
        for turn in range(rounds + 1):  # in the first one all is loaded
            for row in rows:
                pool = pools[row.workers]
                before = count_core_seconds(pool)
                seconds, bits = run(pool, results, shape, row, number := number + 1)
                digests.add(tuple(bits))
                peaks.setdefault(row, read_peak(pool))
                if turn:
                    times[row].append(seconds)
                    work[row].append((count_core_seconds(pool) - before) / VOLUMES)
            latest = {row.describe(): f"{column[-1]:.3f}" for row, column in times.items() if column}
            print(shape, latest, file=sys.stderr, flush=True)
    if len(digests) > 1:
        raise SystemExit("other bytes came out of another width")
    lines = []
    for row, column in times.items():
        gain = median(one / other for one, other in zip(times[rows[0]], column, strict=True))
        cells = f"{median(column):.3g} ({min(column):.3g} to {max(column):.3g}) | {gain:.2f} | {median(work[row]):.3g}"
        promised = needs.count_bytes(row.slots) / 1e9
        lines.append(f"| {shape} | {row.describe()} | {cells} | {peaks[row]:.2f} | {promised:.2f} |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, action="append", help="may be repeated, then kept nowhere; all")
    parser.add_argument("--rounds", type=int, default=5, help="in which the rows take turns; the medians count")
    parser.add_argument("--busy", default="", help="what else the machine does, for the record")
    options = parser.parse_args(argv)
    load, rows = Load(), list[str]()
    for name in options.size or SIZES:
        rows += measure_size(SIZES[name], options.rounds)
    lines = [
        f"Volumes in hand of a worker, by `python benchmarks/width.py`: {VOLUMES} volumes from store to store, "
        f"{ITERATIONS} iterations, engine cpu, PSF {PSF}; {describe_machine()}.",
        f"{load.describe()} {options.busy}".rstrip(),
        "",
        "| volume | workers | in hand | threads each | s a volume (of rounds) | times as fast | core-seconds a volume "
        "| peak GB of a worker | promised |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "The bytes that came out are the same in all rows. A worker's peak is of the rows so far, one below the other.",
    ]
    write_result("width", lines, is_whole=not options.size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
