"""The engine under test, and volumes for it."""

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

from gpu_acceptance.sizes import BACKGROUND, BRIGHTNESS, VOXEL_SIZE, Shape
from lightsheet.deconvolution import Method, gpu, richardson_lucy
from lightsheet.deconvolution.gpu_backend import get_transforms
from lightsheet.simulation import CHANNELS, Array, model_psf

METHODS = [
    (acceleration, boundary)
    for boundary in ("extended", "replicate")
    for acceleration in ("none", "heavy-ball", "biggs")
]


def import_cupy() -> Any:
    """Return CuPy."""
    return import_module("cupy")


def make_psf(shape: Shape, channel: int = 1) -> Array:
    """Return the PSF of a light-sheet microscope."""
    return model_psf(CHANNELS[channel], shape, VOXEL_SIZE, tuple(k // 2 for k in shape)).astype(np.float32)


def make_raw(shape: Shape, seed: int = 0) -> Array:
    """Return a raw volume: photon noise on stripes, the same every 64 rows, since that is made fast."""
    z, y, x = shape
    random = np.random.default_rng(seed)
    bright = 1 + np.sin(np.arange(x) / 5)
    tile = random.poisson(BACKGROUND + (BRIGHTNESS - BACKGROUND) * bright, (z, min(y, 64), x)).astype(np.uint16)
    return np.ascontiguousarray(np.tile(tile, (1, -(-y // 64), 1))[:, :y])


def make_image(shape: Shape, seed: int = 0) -> Array:
    """Return a volume without the camera's offset, (z, y, x) float32, not negative."""
    return (make_raw(shape, seed) - np.float32(BACKGROUND)).clip(0)


def restore(
    image: Any, psf: Array, iterations: int, acceleration: str = "none", boundary: str = "extended", **options: Any
) -> Any:
    """Deconvolve with engine gpu, or the one in the options."""
    method = {"engine": "gpu", "acceleration": acceleration, "boundary": boundary} | options
    return richardson_lucy(image, psf, iterations=iterations, **method)


def estimate_memory(shape: Shape, psf: Shape, acceleration: str, boundary: str) -> int:
    """Return the bytes of the device that the engine promises to need at most."""
    return gpu.estimate_memory(shape, psf, Method(1, boundary, acceleration=acceleration))


def forget_channels() -> None:
    """Give back all that the engine and CuPy keep on the device."""
    gpu.CHANNELS.clear()
    get_transforms(import_cupy()).keep(set())
    import_cupy().get_default_memory_pool().free_all_blocks()


def fill_device(shape: Sequence[int], value: float) -> Any:
    """Return an array on the device that holds one number."""
    array = import_cupy().empty(shape, np.float32)
    array[...] = np.float32(value)
    return array


def synchronise() -> None:
    """Wait until the device has nothing to do."""
    import_cupy().cuda.runtime.deviceSynchronize()


def measure_seconds(run: Callable[[], Any], repeats: int) -> float:
    """Return the median of what a function takes, the device's work included."""
    seconds = []
    for _ in range(repeats):
        synchronise()
        begin = time.perf_counter()
        run()
        synchronise()
        seconds.append(time.perf_counter() - begin)
    return median(seconds)


def measure_slope(run: Callable[[int], Any], counts: tuple[int, int], repeats: int) -> float:
    """Return the seconds of one iteration: the slope between two counts, free of what is done once."""
    run(counts[0])  # compiles, and makes plans
    few, many = (measure_seconds(lambda count=count: run(count), repeats) for count in counts)
    return (many - few) / (counts[1] - counts[0])
