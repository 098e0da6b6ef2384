"""One row of the time line: `python -m gpu_acceptance.time_line_run FOLDER CORES SLOTS DTYPE [options]`."""

import argparse
import json
import os
import resource
import shutil
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpu_acceptance.kernel_trace import COPIES, Interval, count_busy_seconds, trace
from gpu_acceptance.sizes import BACKGROUND, FULL, TINY, VOXEL_SIZE, Sizes
from lightsheet.deconvolution import gpu_turn
from lightsheet.processing import deconvolve_volume
from lightsheet.processing.needs import plan_needs
from lightsheet.store import Results, StoreLayout, VolumeKey


def main() -> None:
    """Print the row as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("cores", type=int)
    parser.add_argument("slots", type=int)
    parser.add_argument("dtype")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--stand-in", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    if options.stand_in:
        import_module("gpu_acceptance.stand_in").install()
    print(json.dumps(measure(options, TINY if options.stand_in else FULL)))


def measure(options: argparse.Namespace, sizes: Sizes) -> dict[str, Any]:
    """Return the row; what comes before the first volume has ended, kernels and plans, is no part of it."""
    stages = Counter[str]()
    deconvolve = make_deconvolution(options, sizes, stages)
    deconvolve(sizes.volumes)
    stages.clear()
    row: dict[str, Any] = {}

    def run() -> None:
        begin, cores, held = time.perf_counter(), count_core_seconds(), gpu_turn.COMPUTING.seconds
        with ThreadPoolExecutor(options.slots) as pool:
            list(pool.map(deconvolve, range(sizes.volumes)))
        row["s a volume"] = (time.perf_counter() - begin) / sizes.volumes
        row["core-s a volume"] = (count_core_seconds() - cores) / sizes.volumes
        row["s a volume holds the GPU"] = (gpu_turn.COMPUTING.seconds - held) / sizes.volumes

    intervals = None
    if options.trace and find_spec("torch"):
        intervals = trace(run)
    else:
        run()
    shutil.rmtree(options.folder / "results" / "records")
    shutil.rmtree(options.folder / "results" / "work" / "result")
    return row | describe_device(intervals, row["s a volume"], sizes) | describe_host(sizes, stages, options.slots)


def make_deconvolution(options: argparse.Namespace, sizes: Sizes, stages: Counter[str]) -> Callable[[int], None]:
    """Return the function that deconvolves a timepoint from store to store, and adds up the seconds of its stages."""
    results = Results(options.folder / "results")
    layout = StoreLayout.plan(sizes.volume, VOXEL_SIZE, options.dtype, {"name": "blosc"})
    settings: dict[str, Any] = {
        "engine": "gpu",
        "iterations": sizes.iterations,
        "boundary": "extended",
        "acceleration": "none",
    }
    settings |= {"background": BACKGROUND, "dtype": options.dtype, "scale": 1}
    needs = plan_needs(sizes.volume, sizes.psf, "gpu", "none", iterations=sizes.iterations, dtype=options.dtype)
    psf, threads = options.folder / "psf.tif", needs.choose_threads(options.cores, options.slots)

    def deconvolve(timepoint: int) -> None:
        key = VolumeKey("result", "c", timepoint)
        record = deconvolve_volume(results, key, psf, settings, layout, {"settings": settings}, threads)
        stages.update(record["seconds"])

    return deconvolve


def describe_device(intervals: list[Interval] | None, seconds: float, sizes: Sizes) -> dict[str, Any]:
    """Return the part of the time in which the device computed or copied; nothing if that was not traced."""
    if intervals is None:
        return {}
    whole = seconds * sizes.volumes
    return {
        "GPU computes": count_busy_seconds(intervals) / whole,
        "GPU copies": count_busy_seconds(intervals, COPIES) / whole,
    }


def describe_host(sizes: Sizes, stages: Counter[str], slots: int) -> dict[str, Any]:
    """Return the most memory that the process had, what a worker asks for, and the stages' seconds a volume."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "GB of the host": peak / 1e9,
        "GB promised": plan_needs(sizes.volume, sizes.psf, "gpu", "none").count_bytes(slots) / 1e9,
        "s a volume by stage": {name: total / sizes.volumes for name, total in stages.items()},
    }


def count_core_seconds() -> float:
    """Return the seconds that cores worked for this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
