"""Engine gpu beside engine cpu: the same pixels, to rounding."""

import time
from typing import Any, NamedTuple

import numpy as np

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import BACKGROUND, Shape, Sizes
from gpu_acceptance.subject import METHODS, make_image, make_psf, make_raw, restore
from lightsheet.deconvolution import describe_engine, find_agreement
from lightsheet.processing import deconvolve_pixels
from lightsheet.system import count_cores

MASK_PROMISE = 2e-4
"""Relative L2 distance: weights of up to 100, where little light was measured, enlarge the rounding of the FFT."""


SETTINGS: dict[str, Any] = {"boundary": "extended", "acceleration": "none", "background": BACKGROUND}
SETTINGS |= {"dtype": "float32", "scale": 1}

WAYS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32 of 7 bits, with fill": {"precision": 7, "fill": {"values": [0], "rim": 1}},
    "uint16": {"dtype": "uint16", "scale": 10},
}
"""Settings of volumes that go all their way, from raw counts to what is stored."""

NUMBERS = 1e-3
"""Relative: what numbers of a record may differ by, of one voxel or of many, where pixels agree to `PIXELS`."""

PIXELS = 1e-4
"""Relative L2: a value between two that are stored may be rounded to either."""


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
    for name, changes in WAYS.items():
        differing = sheet.attempt(f"numbers of records, {name}", list_differing, sizes, psf, changes)
        passed = bool(differing) and not differing["differing"]
        sheet.check(f"all steps agree with cpu's: {name}", passed, str(differing and differing["differing"]))


def list_differing(sizes: Sizes, psf: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """Take a volume all its way on both, and name what differs of pixels and of the numbers of its record."""
    raw = make_raw(sizes.small_volume)
    if "fill" in changes:
        raw[:, : raw.shape[1] // 4] = 0
    settings = SETTINGS | {"iterations": sizes.iterations} | changes
    (result, numbers), (expected, others) = (
        deconvolve_pixels(raw, psf, settings | {"engine": engine}, count_cores()) for engine in ("gpu", "cpu")
    )
    exact = expected.astype(np.float32).ravel()
    distance = float(np.linalg.norm(result.astype(np.float32).ravel() - exact) / np.linalg.norm(exact))
    differing = [f"pixels by {distance:.1e}"] if distance > PIXELS else []
    high = others["max"]
    for name, value in others.items():
        if name == "resolution_voxels":  # rounding may choose the next of the radii that are tried
            continue
        values = [list(v.values()) if isinstance(v, dict) else v for v in (numbers[name], value)]
        if not np.allclose(*values, rtol=NUMBERS, atol=NUMBERS * high if name in ("min", "percentiles") else 0):
            differing.append(f"{name}: {numbers[name]} and {value}")
    return {"differing": differing, "relative L2": distance}


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
