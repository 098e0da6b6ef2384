"""`iterations: auto`: how many iterations an image bears, told by voxels that the estimate has not seen.

In the brightest part of the image a tenth of the voxels, chosen at random, is held out: their quotients are 1, as if
the camera had counted what the estimate predicts (expectation maximisation's way to treat missing data). While
iterations find structure, the prediction of these voxels improves; when they fit noise, it gets worse, for noise in one
voxel says nothing about another's (J-invariance: Batson and Royer 2019, Noise2Self, arXiv:1901.11365; cross-validation:
Coakley 1991, IEEE Trans. Nucl. Sci. 38, 9). No noise model, gain or offset is needed.

The prediction is blurred, which hides part of the estimate's error, so its best iteration comes earlier than the
estimate's: on simulations the latter is 1.0 to 1.8 times the former. To go on by `LATER` ends within 6 % of the best
NRMSE at all noise levels and with every acceleration, on images too from which it was not derived. The discrepancy
principle, with the noise exactly known, stops so early that it misses the best by 20-80 % (benchmarks/quality.py).
"""

from collections.abc import Callable
from itertools import islice, product
from typing import Any

import numpy as np

from lightsheet.deconvolution import fourier
from lightsheet.deconvolution.backend import Backend
from lightsheet.deconvolution.method import Method
from lightsheet.system import InputError

Array = np.ndarray[Any, Any]

PART = (32, 128, 128)
"""Shape, (z, y, x), of the part of the image that is tried; enough voxels that their choice does not matter."""

HELD_OUT = 0.1
LATER = 1.25
MOST = 1000
"""Iterations tried: plain Richardson-Lucy may want hundreds, so does an image almost without noise."""


def choose_iterations(image: Array, psf: Array, method: Method, backend: Backend) -> int:
    """Find the number of iterations after which only noise is left.

    Parameters
    ----------
    image : numpy.ndarray
        (z, y, x), real, finite, not negative.
    psf : numpy.ndarray
        (z, y, x), float32, sum 1, its centre at N // 2.
    method : Method
        Of boundary "extended" and start "flat"; its `iterations` are not read.
    backend : fourier.Backend
        What computes it, at most `MOST` iterations of `PART`.

    Returns
    -------
    int
        Iterations for the whole image by the same method; the same on every run.

    Raises
    ------
    InputError
        If the method is another, or if no iteration up to `MOST` was too many.
    """
    if (method.boundary, method.start) != ("extended", "flat"):
        raise InputError("iterations: auto needs boundary: extended; choose that, or give a number")
    part = find_brightest_part(image)
    if part.max() == 0:
        return 1
    errors = measure_prediction_errors(part, psf, method, backend)
    return round(LATER * (int(np.argmin(errors)) + 1))


def find_brightest_region(image: Array) -> tuple[slice, ...]:
    """Find the block of shape `PART`, or what the image (z, y, x) has of it, with the most light squared."""
    shape = [min(n, size) for n, size in zip(image.shape, PART, strict=True)]
    starts = [{*range(0, n - size, size), n - size} for n, size in zip(image.shape, shape, strict=True)]
    regions = (tuple(map(slice, low, np.add(low, shape))) for low in product(*starts))
    return max(regions, key=lambda region: float(np.square(image[region], dtype=np.float32).sum()))


def find_brightest_part(image: Array) -> Array:
    """Return what `brightest_region` finds, as a view."""
    part: Array = image[find_brightest_region(image)]
    return part


def measure_prediction_errors(image: Array, psf: Array, method: Method, backend: Backend) -> list[float]:
    """Return the mean squared error of predicting the held-out voxels before each iteration, beyond its minimum."""
    prepared = fourier.prepare(image.shape, psf, method, backend)
    errors: list[float] = []
    image = backend.xp.asarray(image, np.float32)
    divide = _holding_out(image, prepared, backend, errors)
    for _ in islice(fourier.iterate_estimates(image, prepared, method, backend, divide), MOST):
        if len(errors) > 1.5 * int(np.argmin(errors)) + 5:  # late enough that a chance minimum does not count
            return errors
    raise InputError(
        f"iterations: auto finds no noise after {MOST} iterations; give a number, or an acceleration (or has the image "
        "been smoothed or resampled, so that neighbouring voxels share their noise?)"
    )


def _holding_out(
    image: Any, prepared: fourier.Prepared, backend: Backend, errors: list[float]
) -> Callable[[Any], None]:
    """Return what divides as `fourier.divider` does, keeps the held-out voxels' error, and leaves these as predicted.

    The first prediction, flat, says nothing about them: they are taken to be as bright as the image on average.
    """
    chosen = np.nonzero(np.random.default_rng(0).random(image.shape) < HELD_OUT)
    held_out = tuple(backend.xp.asarray(index) for index in chosen)
    counted = image[held_out]
    usual = fourier.make_divider(image, prepared, backend)
    average = float(image.mean()) / float(image.max())

    def divide(blurred: Any) -> None:
        view = blurred[prepared.layout.view]
        errors.append(float(((view[held_out] - counted) ** 2).mean()))
        usual(blurred)
        view[held_out] = average if len(errors) == 1 else 1

    return divide
