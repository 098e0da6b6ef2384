"""`iterations: auto`: how many iterations an image bears, measured on voxels held out of the estimate.

In the brightest part of the image a tenth of the voxels, chosen at random, is held out: their quotients are 1, as if
the camera had counted what the estimate predicts (expectation maximisation's way to treat missing data). While
iterations find structure, the prediction of these voxels improves; when they fit noise, it gets worse, for noise in one
voxel says nothing about another's (J-invariance: Batson and Royer 2019, Noise2Self, arXiv:1901.11365; cross-validation:
Coakley 1991, IEEE Trans. Nucl. Sci. 38, 9). No noise model, gain or offset is needed.

The discrepancy principle, with the noise exactly known, stops so early that it misses the best NRMSE by 20-80 %
(benchmarks/quality.py).
"""

from collections.abc import Callable, Sequence
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution import fourier
from lightsheet.deconvolution.backend import Array, Backend, Setup
from lightsheet.deconvolution.mask import erase_unmeasured, read_mask
from lightsheet.deconvolution.method import Method
from lightsheet.system import InputError

PART_SHAPE = (32, 128, 128)
"""(z, y, x) of the part of the image that is tried; enough voxels that their choice does not matter."""

HELD_OUT_FRACTION = 0.1

ESTIMATE_LAG = 1.25
"""Best iteration of the estimate, divided by the best iteration of the prediction.

The prediction is blurred, which hides part of the estimate's error, so its best iteration comes earlier: on simulations
the quotient is 1.0 to 1.8. With 1.25 one ends within 6 % of the best NRMSE at all noise levels and with every
acceleration, on images too from which it was not derived.
"""

MAX_ITERATIONS = 1000
"""To be tried: plain Richardson-Lucy may want hundreds, so does an image almost without noise."""


SHARP = {"none": 10, "heavy-ball": 7, "biggs": 7}
"""Iterations after which an estimate is sharp enough to tell points from what is spread out, and equally sharp."""


class Fit(NamedTuple):
    """How well held-out voxels of the brightest part of an image are predicted; nothing is known of a dark one."""

    errors: list[float]
    """Mean squared error after 0, 1, 2, ... iterations, divided by the mean square of the image."""

    held_out: int
    """Voxels."""

    concentration: float
    """The share of the voxels that hold half of the estimate's squared light; of an estimate that is sharp enough."""

    narrowing: float
    """The same share of the image, divided by that."""


def choose_iterations(image: Array, psf: Array, method: Method, backend: Backend, mask: Any = None) -> int:
    """Find the number of iterations after which only noise is left; InputError if up to `MAX_ITERATIONS` none is.

    `mask` (z, y, x), bool, is False where the image was never measured, and 0.
    """
    part, measured = _cut_part(image, method, backend, mask)
    if part.max() == 0:
        return 1
    setup = _prepare_part(part, measured, psf, method, backend)
    errors: list[float] = []
    divide = _make_holdout_divider(part, measured, setup, backend, errors)
    for _ in islice(fourier.iterate_estimates(part, setup, method, backend, divide), MAX_ITERATIONS):
        best = int(np.argmin(errors))
        if len(errors) > 1.5 * best + 5:  # late enough that a chance minimum does not count
            return round(ESTIMATE_LAG * (best + 1))
    raise InputError(
        f"iterations: auto finds no noise after {MAX_ITERATIONS} iterations: the PSF is wider than the image's own, "
        "or the image was smoothed or resampled, so that neighbouring voxels share their noise, or it has hardly "
        "any noise; give a number: `snakemake pilot` suggests one"
    )


def follow_fit(image: Array, psf: Array, method: Method, backend: Backend, mask: Any = None) -> Fit:
    """Do the method's iterations as `choose_iterations` would, and tell how the fit goes on."""
    part, measured = _cut_part(image, method, backend, mask)
    held_out, errors, concentration = int(_draw_held_out(measured).sum()), list[float](), 1.0
    if part.max() == 0:
        return Fit(errors, held_out, concentration, 1.0)
    setup = _prepare_part(part, measured, psf, method, backend)
    divide = _make_holdout_divider(part, measured, setup, backend, errors)
    sharp = min(method.iterations, SHARP[method.acceleration])
    estimates = fourier.iterate_estimates(part, setup, method, backend, divide)
    for iteration, estimate in enumerate(islice(estimates, method.iterations), start=1):
        if iteration == sharp:
            concentration = _measure_concentration(estimate * backend.xp.asarray(measured))
    power = float(backend.xp.square(part, dtype=np.float64).sum()) / int(measured.sum())
    narrowing = _measure_concentration(part) / concentration
    return Fit([error / power for error in errors], held_out, concentration, narrowing)


def _measure_concentration(image: Array) -> float:
    """Return the share of the voxels, the brightest ones, that hold half of the squared light."""
    light = np.sort(np.square(image, dtype=np.float64), axis=None)[::-1].cumsum()
    return int((light < light[-1] / 2).sum() + 1) / int(light.size)


def _cut_part(image: Array, method: Method, backend: Backend, mask: Any) -> tuple[Array, Array]:
    """Return the image's brightest part, and which voxels of it were measured."""
    if (method.boundary, method.start) != ("extended", "flat"):
        raise InputError("iterations: auto needs boundary: extended; choose that, or give a number")
    region = find_brightest_region(image, mask)
    part = backend.xp.asarray(image[region], np.float32)
    return part, np.ones(part.shape, bool) if mask is None else read_mask(mask, region)


def _prepare_part(part: Array, measured: Array, psf: Array, method: Method, backend: Backend) -> Setup:
    setup = fourier.prepare(part.shape, psf, method, backend)
    if measured.all():
        return setup
    return setup._replace(weights=fourier.weigh_mask(setup, measured, backend))


def find_brightest_region(image: Array, mask: Any = None, most: Sequence[int] | None = None) -> tuple[slice, ...]:
    """Find the block of shape `PART_SHAPE`, or `most`, or what the image (z, y, x) has of it, with most light squared.

    Where `mask` is False, there is no light.
    """
    shape = [min(n, size) for n, size in zip(image.shape, most or PART_SHAPE, strict=True)]
    starts = [{*range(0, n - size, size), n - size} for n, size in zip(image.shape, shape, strict=True)]
    regions = (tuple(map(slice, low, np.add(low, shape))) for low in product(*starts))

    def sum_light(region: tuple[slice, ...]) -> float:
        light = np.square(image[region], dtype=np.float32)
        if mask is not None:
            erase_unmeasured(light, mask[region])
        return float(light.sum())

    return max(regions, key=sum_light)


def _make_holdout_divider(
    image: Array, measured: Array, setup: Setup, backend: Backend, errors: list[float]
) -> Callable[[Array], None]:
    """Return what divides as `make_divider` does, appends the held-out voxels' mean squared error, and sets them to 1.

    The first prediction, flat, says nothing about them: they are taken to be as bright as the image on average.
    """
    held_out = tuple(backend.xp.asarray(index) for index in np.nonzero(_draw_held_out(measured)))
    counts = image[held_out]
    divide_all = fourier.make_divider(image, setup, backend)
    average = float(image.mean()) * (measured.size / int(measured.sum())) / float(image.max())

    def divide(blurred: Array) -> None:
        view = blurred[setup.frame.view]
        errors.append(float(((view[held_out] - counts) ** 2).mean()) if counts.size else 0.0)
        divide_all(blurred)
        view[held_out] = average if len(errors) == 1 else 1

    return divide


def _draw_held_out(measured: Array) -> Array:
    """Draw the voxels that are held out of a part."""
    held_out: Array = (np.random.default_rng(0).random(measured.shape) < HELD_OUT_FRACTION) & measured
    return held_out
