"""The noise of an image, found in the image itself, and what it becomes in the result of deconvolution.

How many counts a photon comes to need not be known: the variance of a camera's noise is a constant plus a multiple of
the light (Foi et al. 2008, IEEE Transactions on Image Processing 17, 1737). It is measured by second differences along
all axes at once, which leave out what a microscope resolves (Immerkær 1996, Computer Vision and Image Understanding 64,
300). Where an interpolation has smoothed noise before, it comes out too small: then more is kept than has a meaning.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.optimize import nnls

from lightsheet.deconvolution import Mask, erase_unmeasured, resolve_iterations, richardson_lucy
from lightsheet.processing.block_noise import SQUARED_WEIGHTS
from lightsheet.processing.rounding import ResultNoise

NEIGHBOURS = 3
"""Voxels along an axis that a second difference takes."""

MEDIAN_SQUARE = 0.4549
"""Median of the squares of normal deviates: some large differences, as at an edge, hardly change a median."""

CLASSES = 20
"""Classes into which the places of an image are put by their light, each with the same sum of it."""

FEWEST = 50
"""Places, or voxels, of a class that tell its noise; of fewer it might come out small by chance."""

TENTHS = 10
"""Classes of a result's voxels by their brightness, each with a tenth of the light."""

OUTSHONE = 99
"""Percent of the voxels of a result, whose classes these are: what is brighter counts as much as the brightest of
these, so that few hot pixels or beads do not hold all the light."""


class Noise(NamedTuple):
    """Variance of an image's noise, in squared counts: `constant` + `per_count` times its light in counts."""

    constant: float
    per_count: float


def measure_noise(image: np.ndarray, mask: Mask | None = None) -> Noise:
    """Measure the noise of an image.

    Parameters
    ----------
    image : ndarray (z, y, x), counts without background, which may be negative
    mask : Mask, optional, which voxels were measured

    Returns
    -------
    Noise, 0 where none can be told: of fewer than three voxels along each axis, or of an image that a program made
    """
    light, variance = _measure_classes(image, np.stack(list(mask)) if mask else np.ones(image.shape, bool))
    noisy = variance > 0  # saturated voxels are all alike
    light, variance = np.maximum(light[noisy], 0), variance[noisy]
    if not len(variance):
        return Noise(0.0, 0.0)
    weights = np.stack([1 / variance, light / variance], axis=1)
    units = weights.max(axis=0)
    units[units == 0] = 1  # an image without light
    solution, _ = nnls(weights / units, np.ones(len(variance)))
    constant, per_count = solution / units
    return Noise(float(constant), float(per_count))


def _measure_classes(image: np.ndarray, is_measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean light of classes of places, and the variance of their noise; places near unmeasured are left out.

    The light of a place is the mean over the voxels of its difference: noise makes neither depend on the other.
    """
    difference, light = image.astype(np.float64), image.astype(np.float64)
    axes = [axis for axis, n in enumerate(image.shape) if n >= NEIGHBOURS]
    if not axes:
        return np.empty(0), np.empty(0)
    for axis in axes:
        difference = np.diff(difference, 2, axis=axis) / np.sqrt(SQUARED_WEIGHTS)
        light = sliding_window_view(light, NEIGHBOURS, axis).mean(axis=-1)
        is_measured = np.asarray(sliding_window_view(is_measured, NEIGHBOURS, axis).all(axis=-1))
    light, squares = light[is_measured], np.square(difference[is_measured])
    classes = [places for places in _cut_by_light(light, CLASSES) if len(places)]
    means = [light[places].mean() for places in classes]
    return np.array(means), np.array([np.median(squares[places]) / MEDIAN_SQUARE for places in classes])


def _cut_by_light(values: np.ndarray, number: int) -> list[np.ndarray]:
    """Cut flat values into classes of about the same sum, from the smallest to the largest: indices of each.

    Those of few values are joined with the next smaller ones.
    """
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(np.maximum(values[order], 0), dtype=np.float64)
    ends = [len(order)]
    for share in range(number - 1, 0, -1):
        end = int(np.searchsorted(sums, sums[-1] * share / number)) if len(order) else 0
        if FEWEST <= end <= ends[0] - FEWEST:
            ends.insert(0, end)
    return np.split(order, ends[:-1])


def propagate_noise(
    image: np.ndarray, psf: np.ndarray, method: Mapping[str, Any], threads: int, mask: Mask | None = None
) -> tuple[np.ndarray, ResultNoise]:
    """Deconvolve an image, and once more with as much noise added: the difference is what noise does to the result.

    Parameters
    ----------
    image : ndarray (z, y, x), float32 counts without background, which may be negative
    psf : ndarray (z, y, x)
    method : mapping, the keyword arguments of `richardson_lucy`
    threads : int, cores to use
    mask : Mask, optional, which voxels were measured

    Returns
    -------
    ndarray, the result (z, y, x)
    ResultNoise
    """
    if method["iterations"] == "auto":  # found once, so that both results have as many
        iterations = resolve_iterations(
            np.maximum(image, 0), psf, acceleration=method["acceleration"], threads=threads, mask=mask
        )
        method = {**method, "iterations": iterations}
    constant, per_count = measure_noise(image, mask)
    deviation = np.sqrt(constant + per_count * np.maximum(image, 0, dtype=np.float64))
    noisier = image + (deviation * np.random.default_rng(0).standard_normal(image.shape)).astype(np.float32)
    results = []
    for volume in (image, noisier):
        light = np.maximum(volume, 0)
        if mask:
            erase_unmeasured(light, mask)
        results.append(richardson_lucy(light, psf, threads=threads, mask=mask, **method))
    is_measured = np.stack(list(mask)) if mask else np.ones(image.shape, bool)
    result = results[0][is_measured].astype(np.float64)
    noise = (results[1] - results[0])[is_measured].astype(np.float64)
    bright = np.percentile(result, OUTSHONE) if result.size else 0.0
    classes = [places for places in _cut_by_light(np.minimum(result, bright), TENTHS) if len(places)]
    levels, deviations = (
        np.array([np.sqrt(np.mean(np.square(values[places]))) for places in classes]) for values in (result, noise)
    )
    length = np.linalg.norm(result)
    return results[0], ResultNoise(float(np.linalg.norm(noise) / length) if length else 0.0, levels, deviations)
