"""Richardson-Lucy by FFTs of the whole volume, written once over NumPy or CuPy: engine `gpu`, and the tests' oracle.

With g the image, h the PSF, * convolution and ° correlation, an iteration makes of the prediction p the estimate

    x = p max(w (h ° (g / (h * p))), 0)

where a quotient is 0 if its denominator is too small. The next p is x itself, or lies beyond it (`momentum`).
"replicate" is what ITK's RichardsonLucyDeconvolutionImageFilter computes: w = 1, and without acceleration no max.
"extended" is Bertero and Boccacci 2005 (A simple method for the reduction of boundary effects in the Richardson-Lucy
approach to image deconvolution, Astron. Astrophys. 437, 369): w as in `padding.Weights`, and quotients in the field
of view only.

Arrays of the cyclic size: the buffer in which FFTs work, the OTF and p; with momentum the previous x, with "biggs" its
last change too; with "replicate" the padded image.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution.backend import Array, Backend
from lightsheet.deconvolution.mask import place_mask, weigh_captured
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.momentum import TINY, compute_biggs, compute_heavy_ball, extrapolate
from lightsheet.deconvolution.padding import (
    Frame,
    Shape,
    Weights,
    compute_weights,
    make_trimmed_frame,
    wrap_psf,
)

ITK_THRESHOLD = 1e-5
"""ITK's DivideOrZeroOutImageFilter: a quotient with a denominator below this, in image units, is 0."""

ROUNDING = float(np.finfo(np.float32).eps)
"""Denominators below this part of the image's maximum are rounding noise of the FFT; the quotient is 0."""


class Setup(NamedTuple):
    """What all volumes of one shape and PSF share."""

    frame: Frame
    otf: Array  # (z, y, x // 2 + 1) complex64, divided by the number of voxels
    weights: Weights | None  # None for "replicate"


def prepare(image: Shape, psf: np.ndarray[Any, Any], method: Method, backend: Backend) -> Setup:
    """Lay out images of this shape, and transform the PSF."""
    psf, frame = make_trimmed_frame(image, psf, method.boundary)
    buffer = backend.buffer(frame.shape)
    buffer.real[...] = backend.xp.asarray(wrap_psf(psf, frame.shape))
    backend.forward(buffer)
    buffer.spectrum *= np.float32(1 / buffer.real.size)
    weights = None
    if method.boundary == "extended":
        table, indices = compute_weights(psf, frame)
        z, y, x = (backend.xp.asarray(index) for index in indices)
        weights = Weights(backend.xp.asarray(table), (z, y, x))
    return Setup(frame, buffer.spectrum, weights)


def weigh_mask(setup: Setup, mask: Any, backend: Backend) -> Weights:
    """Return the weights of a volume that was measured in part, see `mask`: the mask is correlated with the PSF."""
    xp, buffer = backend.xp, backend.buffer(setup.frame.shape)
    buffer.real[...] = 0
    place_mask(mask, buffer.real[setup.frame.view], xp)
    backend.forward(buffer)
    _make_kernels(backend).multiply_by_conjugate(buffer.spectrum, setup.otf)
    backend.inverse(buffer)
    table, indices = weigh_captured(xp.ascontiguousarray(xp.maximum(buffer.real, 0)))
    z, y, x = (xp.asarray(index) for index in indices)
    return Weights(table, (z, y, x))


def iterate(image: Array, setup: Setup, method: Method, backend: Backend) -> Array:
    """Deconvolve one volume into an array of `backend`, with what `prepare` returned for its shape and the PSF."""
    return next(islice(iterate_estimates(image, setup, method, backend), method.iterations - 1, None)).copy()


def iterate_estimates(
    image: Array, setup: Setup, method: Method, backend: Backend, divide: Callable[[Array], None] | None = None
) -> Iterator[Array]:
    """Yield the estimate of each iteration, without end: a view, valid until the next one is taken.

    `divide` makes of the blurred prediction the image divided by it, in place; what `make_divider` returns if None.
    """
    xp = backend.xp
    buffer = backend.buffer(setup.frame.shape)
    prediction = xp.empty(setup.frame.shape, xp.float32)
    image = xp.asarray(image, xp.float32)
    divide = divide or make_divider(image, setup, backend)
    predict = _make_predictor(prediction, method.acceleration, backend)
    # The blur of an estimate that is flat is the same, so a flat start needs none. At 1 it would lie below the
    # threshold of an image of 1e7 counts.
    prediction[...] = replicate_edge(image, setup.frame, xp) if method.start == "image" else image.max()
    buffer.real[...] = prediction
    for iteration in count(1):
        if iteration > 1 or method.start == "image":  # blur
            backend.forward(buffer)
            buffer.spectrum *= setup.otf
            backend.inverse(buffer)
        divide(buffer.real)
        backend.forward(buffer)  # and correlate with the PSF
        _make_kernels(backend).multiply_by_conjugate(buffer.spectrum, setup.otf)
        backend.inverse(buffer)
        if setup.weights:
            backend.correct(buffer.real, prediction, setup.weights)
        else:
            buffer.real *= prediction
            if method.acceleration != "none":  # cannot go on from negative values, which rounding may leave
                xp.maximum(buffer.real, 0, out=buffer.real)
        yield buffer.real[setup.frame.view]
        predict(buffer.real, iteration)


class _Kernels(NamedTuple):
    """Elementwise steps, each one kernel on a GPU; they write into their first argument."""

    multiply_by_conjugate: Callable[[Array, Array], None]  # made on the fly: it would be one more array
    divide: Callable[[Array, Array, Any], None]
    extrapolate: Callable[[Array, Array, Array, Any, Any], None]


@lru_cache
def _make_kernels(backend: Backend) -> _Kernels:
    """Make the kernels of a backend, once: to trace and compile them takes longer than an iteration."""
    xp = backend.xp

    def multiply_by_conjugate(spectrum: Array, otf: Array) -> None:
        spectrum *= xp.conjugate(otf)

    def divide(blurred: Array, image: Array, threshold: Any) -> None:
        blurred[...] = image / xp.where(blurred < threshold, np.float32(np.inf), blurred)

    return _Kernels(backend.fuse(multiply_by_conjugate), backend.fuse(divide), backend.fuse(extrapolate))


def find_threshold(brightest: float, boundary: str) -> float:
    """Return below which prediction the quotient is 0, for an image with this maximum."""
    return ROUNDING * brightest + TINY if boundary == "extended" else ITK_THRESHOLD


def make_divider(image: Array, setup: Setup, backend: Backend) -> Callable[[Array], None]:
    """Return the function that makes of the blurred estimate the image divided by it, in place."""
    divide = _make_kernels(backend).divide
    if setup.weights is None:
        padded = replicate_edge(image, setup.frame, backend.xp)
        return lambda blurred: divide(blurred, padded, np.float32(ITK_THRESHOLD))
    threshold = np.float32(find_threshold(float(image.max()), "extended"))

    def divide_in_view(blurred: Array) -> None:
        divide(blurred[setup.frame.view], image, threshold)
        z, y, x = image.shape
        blurred[z:] = 0
        blurred[:, y:] = 0
        blurred[:, :, x:] = 0

    return divide_in_view


def _make_predictor(prediction: Array, acceleration: str, backend: Backend) -> Callable[[Array, int], None]:
    """Return the function that turns an estimate and its iteration's number into the next prediction, in place."""
    xp = backend.xp
    previous = xp.zeros_like(prediction) if acceleration != "none" else None
    last_change = xp.zeros_like(prediction) if acceleration == "biggs" else None

    def predict(new: Array, iteration: int) -> None:
        if previous is None:
            prediction[...] = new
            return
        alpha = compute_heavy_ball(iteration)
        if last_change is not None:
            xp.subtract(new, prediction, out=prediction)  # this iteration's change; the prediction is no more needed
            product, square = xp.vdot(prediction, last_change), xp.vdot(last_change, last_change)
            alpha = compute_biggs(float(product), float(square))
            last_change[...] = prediction
        more, less = np.float32(1 + alpha), np.float32(1 - alpha)
        _make_kernels(backend).extrapolate(new, prediction, previous, more, less)

    return predict


def replicate_edge(image: Array, frame: Frame, xp: Any) -> Array:
    """Repeat the image's edge outwards over the cyclic array, up to the middle of what lies between its two edges."""
    axes = zip(frame.shape, frame.low, frame.image, strict=True)
    return image[xp.ix_(*(xp.asarray(index_edge(*axis)) for axis in axes))]


def index_edge(total: int, low: int, n: int) -> Array:
    """Say which of an axis' `n` voxels, of which the first is at `low`, is repeated at each of `total` positions."""
    position = np.arange(total) - low
    return np.where(position > (total + n - 1) / 2, 0, position).clip(0, n - 1)
