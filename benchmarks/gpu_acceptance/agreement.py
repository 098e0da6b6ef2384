"""Engine gpu beside engine cpu: the same pixels, to rounding."""

import time
from typing import Any

import numpy as np

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import Shape, Sizes
from gpu_acceptance.subject import METHODS, make_image, make_psf, restore
from lightsheet.deconvolution import describe_engine

PROMISE = {"none": 1e-5, "heavy-ball": 1e-5, "biggs": 1e-4}
"""Relative L2 distance; with biggs' momentum rounding errors grow, as between any two float32 computations of it."""


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet, small volumes by all methods first."""
    sheet.put("engines", [describe_engine("gpu"), describe_engine("cpu")])
    for acceleration, boundary in METHODS:
        compare(sheet, sizes, sizes.small_volume, acceleration, boundary)
    for acceleration in ("none", "heavy-ball"):
        compare(sheet, sizes, sizes.volume, acceleration, "extended")


def compare(sheet: Sheet, sizes: Sizes, shape: Shape, acceleration: str, boundary: str) -> None:
    """Compare one volume's result."""
    name = f"{acceleration}, {boundary}, {sizes.iterations} iterations of {shape}"
    row = sheet.attempt(name, measure_distance, sizes, shape, acceleration, boundary)
    promise, distance = PROMISE[acceleration], row["relative L2"] if row else float("nan")
    detail = f"relative L2 {distance:.1e}, promised {promise:.0e}"
    sheet.check(f"gpu agrees with cpu: {name}", distance < promise, detail)


def measure_distance(sizes: Sizes, shape: Shape, acceleration: str, boundary: str) -> dict[str, Any]:
    """Deconvolve on both, and return how far apart they are, and the seconds each took, its preparation included."""
    image, psf, results, seconds = make_image(shape), make_psf(sizes.psf), [], []
    for engine in ("gpu", "cpu"):
        begin = time.perf_counter()
        results.append(restore(image, psf, sizes.iterations, acceleration, boundary, engine=engine))
        seconds.append(time.perf_counter() - begin)
    device, host = results
    np.subtract(device, host, out=device)
    scale = float(np.linalg.norm(host.ravel()))
    return {
        "relative L2": float(np.linalg.norm(device.ravel())) / scale,
        "largest difference by largest voxel": float(np.abs(device).max() / host.max()),
        "seconds, gpu and cpu": seconds,
    }
