"""Engine gpu beside engine cpu: the same pixels, to rounding."""

import time
from typing import Any, NamedTuple

import numpy as np

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import Shape, Sizes
from gpu_acceptance.subject import METHODS, make_image, make_psf, restore
from lightsheet.deconvolution import describe_engine, find_agreement

MASK_PROMISE = 2e-4
"""Relative L2 distance: weights of up to 100, where little light was measured, enlarge the rounding of the FFT."""


class Case(NamedTuple):
    """One volume, deconvolved on both."""

    shape: Shape
    iterations: int
    acceleration: str
    boundary: str = "extended"
    is_masked: bool = False

    @property
    def name(self) -> str:
        """Say what it is."""
        mask = ", masked" if self.is_masked else ""
        return f"{self.acceleration}, {self.boundary}{mask}, {self.iterations} iterations of {self.shape}"

    @property
    def promise(self) -> float:
        """Return the distance that engines promise at most."""
        if self.is_masked:
            return MASK_PROMISE
        return find_agreement(self.acceleration, self.iterations)


def list_cases(sizes: Sizes) -> list[Case]:
    """Return small volumes by all methods first."""
    small, count = sizes.small_volume, sizes.iterations
    return [
        *(Case(small, count, acceleration, boundary) for acceleration, boundary in METHODS),
        Case(small, count, "none", is_masked=True),
        Case(small, 3 * count, "biggs"),
        *(Case(sizes.volume, count, acceleration) for acceleration in ("none", "heavy-ball")),
    ]


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet."""
    sheet.put("engines", [describe_engine("gpu"), describe_engine("cpu")])
    psf = make_psf(sizes.psf)
    for case in list_cases(sizes):
        row = sheet.attempt(case.name, measure_distance, case, psf)
        distance = row["relative L2"] if row else float("nan")
        detail = f"relative L2 {distance:.1e}, promised {case.promise:.0e}"
        sheet.check(f"gpu agrees with cpu: {case.name}", distance < case.promise, detail)


def measure_distance(case: Case, psf: Any) -> dict[str, Any]:
    """Deconvolve on both, and return how far apart they are, and the seconds each took, its preparation included."""
    image, results, seconds = make_image(case.shape), [], []
    mask = np.ones(case.shape, bool)
    mask[:, : case.shape[1] // 4] = False
    options = {"mask": mask} if case.is_masked else {}
    for engine in ("gpu", "cpu"):
        begin = time.perf_counter()
        results.append(restore(image, psf, case.iterations, case.acceleration, case.boundary, engine=engine, **options))
        seconds.append(time.perf_counter() - begin)
    device, host = results
    np.subtract(device, host, out=device)
    return {
        "relative L2": float(np.linalg.norm(device.ravel())) / float(np.linalg.norm(host.ravel())),
        "largest difference by largest voxel": float(np.abs(device).max() / host.max()),
        "seconds, gpu and cpu": seconds,
    }
