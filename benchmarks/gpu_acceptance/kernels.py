"""The kernels of an iteration: how often each runs, and its milliseconds."""

from typing import Any

from gpu_acceptance.kernel_trace import sum_by_name, trace
from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import Sizes
from gpu_acceptance.subject import METHODS, import_cupy, make_image, make_psf, restore
from lightsheet.simulation import Array


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet."""
    psf, image = make_psf(sizes.psf), import_cupy().asarray(make_image(sizes.volume))
    for acceleration, boundary in METHODS:
        sheet.attempt(f"{acceleration}, {boundary}", list_kernels, sizes, image, psf, acceleration, boundary)


def list_kernels(sizes: Sizes, image: Any, psf: Array, acceleration: str, boundary: str) -> list[dict[str, Any]]:
    """Return the difference between two counts of iterations, an iteration's share of it."""
    few, many = sizes.counts
    restore(image, psf, few, acceleration, boundary)
    before, after = (
        sum_by_name(trace(lambda count=count: restore(image, psf, count, acceleration, boundary)))
        for count in sizes.counts
    )
    rows = []
    for name, (calls, seconds) in after.items():
        more_calls, more_seconds = calls - before.get(name, (0, 0.0))[0], seconds - before.get(name, (0, 0.0))[1]
        if more_calls > 0:
            share = many - few
            rows.append({"kernel": name[:120], "calls": more_calls / share, "ms": 1000 * more_seconds / share})
    return rows
