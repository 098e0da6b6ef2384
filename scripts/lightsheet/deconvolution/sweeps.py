"""Engine `cpu-sweeps`: Richardson-Lucy without a whole 3-D FFT, in four sweeps an iteration over pieces in cache.

The estimate's half-spectrum is one array (z, y, x // 2 + 1), whose planes and columns are transformed in place:

    A  columns: FFT along z, times the OTF, inverse FFT along z
    B  planes:  inverse FFT along y and x, the image over it, FFT along x and y
    C  columns: as A, with the OTF's conjugate
    D  planes:  inverse FFT along y and x, times weight and estimate, momentum, FFT along x and y

What is known to be 0, or not needed, is not transformed: B has the planes and rows of the field of view only, A gives
and C takes only those planes, the last iteration ends with them, and the first begins with the image over 1 where
the start is flat, whose blur is flat. Instead of multiplying by the OTF's conjugate, B, C and D transform in the
conjugate direction: conj(a conj(b)) = conj(a) b. The method is that of `fourier`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as version_of
from math import prod
from threading import Lock
from typing import Any

import numpy as np

from lightsheet.deconvolution import fft
from lightsheet.deconvolution.fft import Array, Sweep
from lightsheet.deconvolution.fourier import find_threshold, replicate_edge
from lightsheet.deconvolution.mask import keep_weights, place_mask, weigh_captured
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.momentum import compute_biggs, compute_heavy_ball, extrapolate_rows
from lightsheet.deconvolution.padding import Frame, Weights, compute_weights, make_trimmed_frame
from lightsheet.system import PROGRESS_SECONDS, Progress, count_cores

VOXELS_OF_A_THREAD = 1 << 18
"""Fewer are done sooner by one thread than shared by two."""


@dataclass
class _State:
    """The arrays of one deconvolution, (z, y, x), float32 where nothing else is said."""

    measured: Array  # the image, or the image with its edge repeated
    threshold: float  # a quotient by less is 0
    estimate: Array  # of the cyclic array's shape: where an iteration starts
    spectrum: Array  # (z, y, x // 2 + 1) complex64
    otf: Array  # (y, z, x // 2 + 1) complex64, divided by the number of voxels because the FFTs do not scale
    weights: Weights | None  # its table as long as the estimate along x
    previous: Array | None  # the estimate before, for momentum
    change: Array | None  # what the last iteration changed, for "biggs"


def deconvolve(image: Array, psf: Array, method: Method, threads: int | None, mask: Any = None) -> Array:
    """Deconvolve one volume; the result does not depend on the number of threads."""
    image = image.astype(np.float32, copy=False)
    psf, frame = make_trimmed_frame(image.shape, psf, method.boundary)
    threads = max(1, min(threads or count_cores(), prod(frame.shape) // VOXELS_OF_A_THREAD))
    with ThreadPoolExecutor(threads) as pool:
        sweep = partial(_call_in_threads, pool, threads)
        state = _prepare(image, psf, mask, frame, method, sweep)
        progress = Progress("iteration", method.iterations, "iteration", PROGRESS_SECONDS)
        for iteration in range(1, method.iterations + 1):
            _iterate(state, iteration, method, sweep)
            progress.step(f"{image.shape} voxels")
    estimate = state.estimate
    del state  # frees all other arrays before the copy
    return estimate[frame.view].copy()


def version() -> str:
    """Name the libraries that compute."""
    return f"numpy {version_of('numpy')}, scipy {version_of('scipy')}"


def _prepare(image: Array, psf: Array, mask: Any, frame: Frame, method: Method, sweep: Sweep) -> _State:
    """Allocate, transform the PSF, and make the first estimate."""
    extended, flat = method.boundary == "extended", method.start == "flat"
    otf, spectrum = fft.transform_psf(psf, frame.shape, sweep)
    weights = None
    if mask is not None:
        weights = keep_weights(mask, psf, frame, partial(_weigh_mask, mask, otf, spectrum, frame, sweep))
    elif extended:
        weights = compute_weights(psf, frame)
        weights = weights._replace(table=weights.table.take(weights.indices[2], axis=2))
    brightest = float(image.max())
    state = _State(
        measured=image if extended else replicate_edge(image, frame, np),
        threshold=find_threshold(brightest, method.boundary),
        estimate=np.full(frame.shape, brightest, np.float32) if flat else replicate_edge(image, frame, np),
        spectrum=spectrum,
        otf=otf,
        weights=weights,
        previous=np.zeros(frame.shape, np.float32) if method.acceleration != "none" else None,
        change=np.zeros(frame.shape, np.float32) if method.acceleration == "biggs" else None,
    )
    if not flat:
        sweep(partial(_predict, state, 0.0), frame.shape[0])
    return state


def _weigh_mask(mask: Any, otf: Array, spectrum: Array, frame: Frame, sweep: Sweep) -> Weights:
    """Correlate the mask with the PSF, as a first iteration does with quotients, from an estimate and weights of 1."""
    measured, captured = np.empty(frame.image, np.float32), np.ones(frame.shape, np.float32)
    place_mask(mask, measured)
    state = _State(measured, 0, captured, spectrum, otf, None, None, None)
    sweep(partial(_divide, state, True), len(measured))
    sweep(lambda row: _convolve(state, len(measured), frame.shape[0], False, row), frame.shape[1])
    sweep(partial(_correct, state), frame.shape[0])
    return weigh_captured(captured)


def _iterate(state: _State, iteration: int, method: Method, sweep: Sweep) -> None:
    planes, rows, _ = state.estimate.shape
    image_planes = len(state.measured)
    last = iteration == method.iterations
    flat = iteration == 1 and method.start == "flat"
    if not flat:
        sweep(lambda row: _convolve(state, planes, image_planes, True, row), rows)
    sweep(partial(_divide, state, flat), image_planes)
    sweep(lambda row: _convolve(state, image_planes, image_planes if last else planes, False, row), rows)
    if last:
        sweep(partial(_correct, state), image_planes)
    elif method.acceleration == "biggs":
        sums = sweep(partial(_correct, state), planes)
        sweep(partial(_predict, state, compute_biggs(*np.sum(sums, axis=0))), planes)
    else:
        sweep(partial(_correct_and_predict, state, compute_heavy_ball(iteration)), planes)


def _convolve(state: _State, planes_in: int, planes_out: int, forward: bool, row: int) -> None:
    """Sweeps A and C of the columns at one y: multiply by the OTF, or by its conjugate in the conjugate direction."""
    columns = np.empty((len(state.spectrum), state.spectrum.shape[2]), np.complex64)
    columns[:planes_in] = state.spectrum[:planes_in, row]
    columns[planes_in:] = 0
    fft.transform_columns(columns, forward=forward)
    columns *= state.otf[row]
    fft.transform_columns(columns, forward=not forward)
    state.spectrum[:planes_out, row] = columns[:planes_out]


def _divide(state: _State, flat: bool, plane: int) -> None:
    """Sweep B of one plane: the image divided by the blurred estimate, which is itself if `flat`."""
    spectrum, image = state.spectrum[plane], state.measured[plane]
    height, width = image.shape
    padded_width = state.estimate.shape[2]
    if not flat:
        fft.transform_columns(spectrum, forward=False)
    for rows in fft.split_rows(height, padded_width):
        if flat:
            blurred = state.estimate[0, rows].copy()
        else:
            blurred = fft.restore_rows(spectrum[rows], padded_width, forward=True)
        view = blurred[:, :width]
        if view.min() < state.threshold:
            view[view < state.threshold] = np.inf
        np.divide(image[rows], view, out=view)
        blurred[:, width:] = 0
        fft.transform_rows(blurred, spectrum[rows], forward=False)
    spectrum[height:] = 0
    fft.transform_columns(spectrum, forward=False)


def _correct(state: _State, plane: int) -> tuple[float, float]:
    """Begin sweep D of one plane: multiply the estimate by its correction; return the sums that "biggs" needs."""
    spectrum, estimate = state.spectrum[plane], state.estimate[plane]
    product = square = 0.0
    fft.transform_columns(spectrum, forward=True)
    for rows in fft.split_rows(*estimate.shape):
        new = fft.restore_rows(spectrum[rows], estimate.shape[1], forward=False)
        if state.weights:
            z, y, _ = state.weights.indices
            new *= state.weights.table[z[plane]][y[rows]]
        if state.weights or state.previous is not None:  # ITK lets be what rounding, or the PSF, makes negative
            np.maximum(new, 0, out=new)
        if state.change is None:
            estimate[rows] *= new
            continue
        new *= estimate[rows]
        change, last_change = new - estimate[rows], state.change[plane, rows]
        product += float((change * last_change).sum(dtype=np.float64))
        square += float((last_change * last_change).sum(dtype=np.float64))
        last_change[...] = change
        estimate[rows] = new
    return product, square


def _predict(state: _State, alpha: float, plane: int) -> None:
    """End sweep D of one plane: go beyond the estimate by `alpha` of its last change, and transform that."""
    estimate = state.estimate[plane]
    for rows in fft.split_rows(*estimate.shape):
        if state.previous is not None:
            extrapolate_rows(estimate[rows], state.previous[plane, rows], np.float32(alpha))
        fft.transform_rows(estimate[rows], state.spectrum[plane, rows], forward=True)
    fft.transform_columns(state.spectrum[plane], forward=True)


def _correct_and_predict(state: _State, alpha: float, plane: int) -> None:
    """Sweep D of one plane, where `alpha` is known beforehand."""
    _correct(state, plane)
    _predict(state, alpha, plane)


def _call_in_threads(pool: ThreadPoolExecutor, threads: int, function: Callable[[int], Any], count: int) -> list[Any]:
    """Call `function` for 0 to `count` - 1. A future for each, 1500 an iteration, would make it a tenth slower."""
    results: list[Any] = [None] * count
    indices, lock = iter(range(count)), Lock()

    def take_index() -> int | None:
        with lock:
            return next(indices, None)

    def work() -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # `richardson_lucy` looks at the result
            while (index := take_index()) is not None:
                results[index] = function(index)

    for future in [pool.submit(work) for _ in range(threads)]:
        future.result()
    return results
