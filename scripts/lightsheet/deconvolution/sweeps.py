"""Richardson-Lucy without a whole 3-D FFT: four sweeps an iteration, each with its piece of the arrays in cache.

The estimate's half-spectrum is one array (z, y, x // 2 + 1), whose planes and columns are transformed in place:

    A  columns: FFT along z, times the OTF, inverse FFT along z
    B  planes:  inverse FFT along y and x, the image over it, FFT along x and y
    C  columns: as A, with the OTF's conjugate
    D  planes:  inverse FFT along y and x, times weight and estimate, momentum, FFT along x and y

What is known to be 0, or not needed, is not transformed: B has the planes and rows of the field of view only, A gives
and C takes only those planes, the last iteration ends with them, and the first begins with the image over 1 where
the start is flat, whose blur is flat. Instead of multiplying by the OTF's conjugate, B, C and D transform in the
conjugate direction: conj(a conj(b)) = conj(a) b. The method is that of `lightsheet.deconvolution.fourier`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as version_of
from math import prod
from threading import Lock
from typing import Any

import numpy as np

from lightsheet.deconvolution import fft
from lightsheet.deconvolution.fourier import find_threshold, replicate_edge
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.momentum import TINY, compute_biggs, compute_heavy_ball
from lightsheet.deconvolution.padding import Frame, Weights, compute_weights, make_frame_of
from lightsheet.system import NEWS_SECONDS, Progress, count_cores

Array = np.ndarray[Any, Any]
Sweep = Callable[[Callable[[int], Any], int], list[Any]]

ROWS_BYTES = 1 << 20
"""Of a block of rows: it stays in a core's own cache while all is done to it."""

VOXELS_OF_A_THREAD = 1 << 18
"""Fewer are done sooner by one thread than shared by two."""


@dataclass
class _Work:
    """The arrays of one deconvolution, (z, y, x), float32 where nothing else is said."""

    measured: Array  # the image, or the image with its edge repeated
    threshold: float  # a quotient by less is 0
    estimate: Array  # of the cyclic array's shape: where an iteration starts
    spectrum: Array  # (z, y, x // 2 + 1) complex64
    otf: Array  # (y, z, x // 2 + 1) complex64, divided by the number of voxels because the FFTs do not scale
    weights: Weights | None  # its table as long as the estimate along x
    previous: Array | None  # the estimate before, for momentum
    change: Array | None  # what the last iteration changed, for "biggs"


def deconvolve(image: Array, psf: Array, method: Method, threads: int | None) -> Array:
    """Deconvolve one volume.

    Parameters
    ----------
    image : numpy.ndarray
        (z, y, x), any real dtype, finite, not negative.
    psf : numpy.ndarray
        (z, y, x), float32, sum 1, its centre at N // 2.
    method : Method
        What is computed.
    threads : int or None
        How many threads to use at most, all cores if None; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        (z, y, x), float32, of the image's shape.
    """
    image = image.astype(np.float32, copy=False)
    psf, layout = make_frame_of(image.shape, psf, method.boundary)
    threads = max(1, min(threads or count_cores(), prod(layout.shape) // VOXELS_OF_A_THREAD))
    with ThreadPoolExecutor(threads) as pool:
        sweep = partial(_in_threads, pool, threads)
        work = _prepare(image, psf, layout, method, sweep)
        progress = Progress("iteration", method.iterations, "iteration", NEWS_SECONDS)
        for iteration in range(1, method.iterations + 1):
            _iterate(work, iteration, method, sweep)
            progress.step(f"{image.shape} voxels")
    estimate = work.estimate
    del work
    return estimate[layout.view].copy()


def version() -> str:
    """Name the libraries that compute."""
    return f"numpy {version_of('numpy')}, scipy {version_of('scipy')}"


def _prepare(image: Array, psf: Array, layout: Frame, method: Method, sweep: Sweep) -> _Work:
    """Allocate, transform the PSF, and make the first estimate."""
    z, y, x = layout.shape
    extended, flat = method.boundary == "extended", method.start == "flat"
    spectrum = np.empty((z, y, x // 2 + 1), np.complex64)
    otf = np.empty((y, z, x // 2 + 1), np.complex64)
    sweep(lambda plane: _transform_psf(psf, spectrum, x, plane), z)
    sweep(lambda row: _keep_otf(spectrum, otf, 1 / (z * y * x), row), y)
    brightest = float(image.max())
    work = _Work(
        measured=image if extended else replicate_edge(image, layout, np),
        threshold=find_threshold(brightest, method.boundary),
        estimate=np.full(layout.shape, brightest, np.float32) if flat else replicate_edge(image, layout, np),
        spectrum=spectrum,
        otf=otf,
        weights=_weights(psf, layout) if extended else None,
        previous=np.zeros(layout.shape, np.float32) if method.acceleration != "none" else None,
        change=np.zeros(layout.shape, np.float32) if method.acceleration == "biggs" else None,
    )
    if not flat:
        sweep(partial(_predict, work, 0.0), z)
    return work


def _weights(psf: Array, layout: Frame) -> Weights:
    """Spread the weights' table out along x, so that a row of the estimate needs one row of it."""
    table, index = compute_weights(psf, layout)
    return Weights(table.take(index[2], axis=2), index)


def _iterate(work: _Work, iteration: int, method: Method, sweep: Sweep) -> None:
    planes, rows, _ = work.estimate.shape
    seen = len(work.measured)
    last = iteration == method.iterations
    flat = iteration == 1 and method.start == "flat"
    if not flat:
        sweep(lambda row: _convolve(work, planes, seen, True, row), rows)
    sweep(partial(_divide, work, flat), seen)
    sweep(lambda row: _convolve(work, seen, seen if last else planes, False, row), rows)
    if last:
        sweep(partial(_correct, work), seen)
    elif method.acceleration == "biggs":
        sums = sweep(partial(_correct, work), planes)
        sweep(partial(_predict, work, compute_biggs(*np.sum(sums, axis=0))), planes)
    else:
        sweep(partial(_update, work, compute_heavy_ball(iteration)), planes)


def _convolve(work: _Work, given: int, wanted: int, forward: bool, row: int) -> None:
    """Sweeps A and C of the columns at one y: multiply by the OTF, or by its conjugate in the conjugate direction."""
    columns = np.empty((len(work.spectrum), work.spectrum.shape[2]), np.complex64)
    columns[:given] = work.spectrum[:given, row]
    columns[given:] = 0
    fft.transform_columns(columns, forward=forward)
    columns *= work.otf[row]
    fft.transform_columns(columns, forward=not forward)
    work.spectrum[:wanted, row] = columns[:wanted]


def _divide(work: _Work, flat: bool, plane: int) -> None:
    """Sweep B of one plane: the image divided by the blurred estimate, which is itself if `flat`."""
    spectrum, image = work.spectrum[plane], work.measured[plane]
    height, width = image.shape
    padded_width = work.estimate.shape[2]
    if not flat:
        fft.transform_columns(spectrum, forward=False)
    for rows in _blocks(height, padded_width):
        blurred = (
            work.estimate[0, rows].copy() if flat else fft.restore_rows(spectrum[rows], padded_width, forward=True)
        )
        view = blurred[:, :width]
        if view.min() < work.threshold:
            view[view < work.threshold] = np.inf
        np.divide(image[rows], view, out=view)
        blurred[:, width:] = 0
        fft.transform_rows(blurred, spectrum[rows], forward=False)
    spectrum[height:] = 0
    fft.transform_columns(spectrum, forward=False)


def _correct(work: _Work, plane: int) -> tuple[float, float]:
    """Begin sweep D of one plane: multiply the estimate by its correction; return the sums that "biggs" needs."""
    spectrum, estimate = work.spectrum[plane], work.estimate[plane]
    product = square = 0.0
    fft.transform_columns(spectrum, forward=True)
    for rows in _blocks(*estimate.shape):
        new = fft.restore_rows(spectrum[rows], estimate.shape[1], forward=False)
        if work.weights:
            z, y, _ = work.weights.places
            new *= work.weights.table[z[plane]][y[rows]]
        if work.weights or work.previous is not None:  # ITK lets be what rounding, or the PSF, makes negative
            np.maximum(new, 0, out=new)
        if work.change is None:
            estimate[rows] *= new
            continue
        new *= estimate[rows]
        change, before = new - estimate[rows], work.change[plane, rows]
        product += float((change * before).sum(dtype=np.float64))
        square += float((before * before).sum(dtype=np.float64))
        before[...] = change
        estimate[rows] = new
    return product, square


def _predict(work: _Work, alpha: float, plane: int) -> None:
    """End sweep D of one plane: go beyond the estimate by `alpha` of its last change, and transform that."""
    estimate = work.estimate[plane]
    for rows in _blocks(*estimate.shape):
        if work.previous is not None:
            _extrapolate(estimate[rows], work.previous[plane, rows], np.float32(alpha))
        fft.transform_rows(estimate[rows], work.spectrum[plane, rows], forward=True)
    fft.transform_columns(work.spectrum[plane], forward=True)


def _extrapolate(new: Array, previous: Array, alpha: np.float32) -> None:
    """Make of the new estimate the prediction, and of the previous estimate the new one, see `acceleration`."""
    ahead, step = new + previous, new - previous
    previous[...] = new
    step *= alpha
    behind = ahead - step
    behind += np.float32(TINY)
    ahead += step
    ahead /= behind
    new *= ahead


def _update(work: _Work, alpha: float, plane: int) -> None:
    """Sweep D of one plane, where `alpha` is known beforehand."""
    _correct(work, plane)
    _predict(work, alpha, plane)


def _transform_psf(psf: Array, spectrum: Array, width: int, plane: int) -> None:
    """Transform one plane of the PSF in the cyclic array, where its centre is at the origin."""
    depth = len(psf)
    source = (plane + depth // 2) % len(spectrum)
    if source >= depth:
        spectrum[plane] = 0
        return
    rows = np.zeros((spectrum.shape[1], width), np.float32)
    rows[: psf.shape[1], : psf.shape[2]] = psf[source]
    rows = np.roll(rows, (-(psf.shape[1] // 2), -(psf.shape[2] // 2)), axis=(0, 1))
    fft.transform_rows(rows, spectrum[plane], forward=True)
    fft.transform_columns(spectrum[plane], forward=True)


def _keep_otf(spectrum: Array, otf: Array, scale: float, row: int) -> None:
    """End the PSF's transform, along z at one y."""
    otf[row] = spectrum[:, row]
    fft.transform_columns(otf[row], forward=True)
    otf[row] *= np.float32(scale)


def _blocks(height: int, width: int) -> Iterator[slice]:
    """Split the rows of a plane into blocks of about `ROWS_BYTES`."""
    step = max(1, ROWS_BYTES // (4 * width))
    return (slice(start, min(start + step, height)) for start in range(0, height, step))


def _in_threads(pool: ThreadPoolExecutor, threads: int, function: Callable[[int], Any], count: int) -> list[Any]:
    """Call `function` for 0 to `count` - 1, each thread taking the next; return what it returned, in order."""
    results: list[Any] = [None] * count
    indices, lock = iter(range(count)), Lock()

    def work() -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # `richardson_lucy` looks at the result
            while (index := take()) is not None:
                results[index] = function(index)

    def take() -> int | None:
        with lock:
            return next(indices, None)

    for future in [pool.submit(work) for _ in range(threads)]:
        future.result()
    return results
