"""Measure engine gpu on this machine's device, and keep it in results/gpu.md.

1. Milliseconds per iteration at the reference size: the slope between two iteration counts, the volume on the device;
   beside it scikit-image's function as cuCIM has it, on CuPy arrays (pad none, convolve by FFT).
2. The part of the time that the GPU computes while a worker deconvolves ten volumes from store to store, with as many
   in hand as `engines.count_slots` says.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from support.result_table import write_result

from lightsheet.deconvolution import count_slots, describe_engine, fourier, richardson_lucy
from lightsheet.processing import deconvolve_volume
from lightsheet.simulation import CHANNELS, Array, Shape, model_psf
from lightsheet.store import Results, StoreLayout, VolumeKey, write_volume
from lightsheet.system import count_cores

REFERENCE: Shape = (201, 1024, 768)
PSF: Shape = (101, 64, 64)
VOXEL_SIZE = {"z": 0.3, "y": 0.104, "x": 0.104}  # micrometre
COUNTS = (5, 25)
VOLUMES, ITERATIONS = 10, 10
CODEC = {"name": "blosc"}


def ours(acceleration: str) -> Callable[[Any, Array, int], Any]:
    """Return engine gpu as a function of an image on the device, a PSF and a number of iterations."""
    return lambda image, psf, iterations: richardson_lucy(
        image, psf, iterations=iterations, engine="gpu", acceleration=acceleration
    )


def like_cucim(image: Any, psf: Array, iterations: int) -> Any:
    """Deconvolve as scikit-image and cuCIM do."""
    cupy, signal = import_module("cupy"), import_module("cupyx.scipy.signal")
    psf = cupy.asarray(psf)
    mirror, estimate = psf[::-1, ::-1, ::-1], cupy.full(image.shape, 0.5, cupy.float32)
    for _ in range(iterations):
        blurred = signal.fftconvolve(estimate, psf, mode="same") + np.float32(1e-12)
        estimate *= signal.fftconvolve(image / blurred, mirror, mode="same")
    return estimate


def milliseconds(run: Callable[[Any, Array, int], Any], image: Any, psf: Array) -> float:
    """Return what an iteration takes: the slope between two counts, each the fastest of three."""
    fastest = []
    for iterations in COUNTS:
        seconds = []
        for _ in range(3):
            begin = time.perf_counter()
            run(image, psf, iterations)
            import_module("cupy").cuda.runtime.deviceSynchronize()
            seconds.append(time.perf_counter() - begin)
        fastest.append(min(seconds))
    return 1000 * (fastest[1] - fastest[0]) / (COUNTS[1] - COUNTS[0])


def busy(folder: Path, image: Array, psf: Array) -> tuple[float, float]:
    """Deconvolve volumes from store to store; return the seconds, and those of them in which the GPU computed."""
    results, computing = Results(folder), []
    tifffile.imwrite(folder / "psf.tif", psf)
    raw, layout = (StoreLayout.plan(image.shape, VOXEL_SIZE, dtype, CODEC) for dtype in ("uint16", "float32"))
    for timepoint in range(VOLUMES + 1):
        write_volume(results.work("raw", "c"), timepoint, image, raw, count_cores())
    settings = {"engine": "gpu", "iterations": ITERATIONS, "boundary": "extended", "acceleration": "none"}
    settings |= {"background": 100, "dtype": "float32", "scale": 1}
    threads = max(1, count_cores() // count_slots("gpu"))

    def one(timepoint: int) -> None:
        key = VolumeKey("result", "c", timepoint)
        deconvolve_volume(results, key, folder / "psf.tif", settings, layout, {"settings": settings}, threads)

    def timed(*given: Any) -> Any:
        begin = time.perf_counter()
        result = iterate(*given)
        import_module("cupy").cuda.get_current_stream().synchronize()
        computing.append(time.perf_counter() - begin)
        return result

    iterate = fourier.iterate
    one(VOLUMES)  # compiles kernels and makes plans
    fourier.iterate = timed
    begin = time.perf_counter()
    with ThreadPoolExecutor(count_slots("gpu")) as pool:
        list(pool.map(one, range(VOLUMES)))
    fourier.iterate = iterate
    return time.perf_counter() - begin, sum(computing)


def report(shape: Shape, psf_shape: Shape) -> list[str]:
    """Measure, and return the lines of the report."""
    cupy = import_module("cupy")
    psf = model_psf(CHANNELS[1], psf_shape, VOXEL_SIZE, tuple(k // 2 for k in psf_shape)).astype(np.float32)
    image = np.random.default_rng(0).poisson(130, shape).astype(np.uint16)
    on_device = cupy.asarray(image - np.float32(100)).clip(0)
    runs = {"gpu": ours("none"), "gpu, heavy ball": ours("heavy-ball"), "as cuCIM": like_cucim}
    times = {name: milliseconds(run, on_device, psf) for name, run in runs.items()}
    with tempfile.TemporaryDirectory() as folder:
        seconds, computing = busy(Path(folder), image, psf)
    device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return [
        f"Engine gpu on {device}, volumes of {shape}, PSF {psf_shape}, by `python benchmarks/gpu.py`; "
        f"{describe_engine('gpu')}.",
        "",
        "| | ms/iteration | x gpu |",
        "|---|---|---|",
        *(f"| {name} | {each:.1f} | {each / times['gpu']:.2f} |" for name, each in times.items()),
        "",
        f"{VOLUMES} volumes of {ITERATIONS} iterations from store to store: {seconds:.1f} s, of which the GPU computed "
        f"{computing:.1f} s, {computing / seconds:.0%}; {count_cores()} cores read and write.",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny volumes, to try the benchmark; kept nowhere")
    options = parser.parse_args(argv)
    if options.quick:
        print("\n".join(report((32, 96, 80), (15, 16, 16))))
    else:
        write_result("gpu", report(REFERENCE, PSF))
    return 0


if __name__ == "__main__":
    sys.exit(main())
