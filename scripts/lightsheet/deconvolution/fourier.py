"""Richardson-Lucy by FFTs of the whole volume, written once over NumPy or CuPy: engine `gpu`, and the tests' oracle.

With g the image, h the PSF, * convolution and ° correlation, an iteration makes of the prediction p the estimate

    x = p max(w (h ° (g / (h * p))), 0)

where a quotient is 0 if its denominator is too small. The next p is x itself, or lies beyond it (`acceleration`).
"replicate" is what ITK's RichardsonLucyDeconvolutionImageFilter computes: w = 1, and without acceleration no max.
"extended" is Bertero and Boccacci 2005 (A simple method for the reduction of boundary effects in the Richardson-Lucy
approach to image deconvolution, Astron. Astrophys. 437, 369): w as in `geometry.Weights`, and quotients in the field
of view only.

Arrays of the cyclic size: the buffer in which FFTs work, the OTF and p; with momentum the previous x, with "biggs" its
last change too; with "replicate" the padded image.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution.backend import Array, Backend, Buffer
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.momentum import TINY, compute_biggs, compute_heavy_ball
from lightsheet.deconvolution.padding import Frame, Shape, Weights, compute_weights, make_frame_of, wrap_psf

ITK_THRESHOLD = 1e-5
"""ITK's DivideOrZeroOutImageFilter: a quotient with a denominator below this, in image units, is 0."""

ROUNDING = float(np.finfo(np.float32).eps)
"""Denominators below this part of the image's maximum are rounding noise of the FFT; the quotient is 0."""


class Prepared(NamedTuple):
    """What all volumes of one shape and PSF share."""

    layout: Frame
    otf: Array  # (z, y, x // 2 + 1) complex64, divided by the number of voxels
    weights: Weights | None  # None for "replicate"


def deconvolve(image: Array, psf: np.ndarray[Any, Any], method: Method, backend: Backend) -> Array:
    """Deconvolve one volume with the arrays of `backend`.

    Parameters
    ----------
    image : array
        (z, y, x), any real dtype, finite, not negative; in host memory or the backend's.
    psf : numpy.ndarray
        (z, y, x), float32, sum 1, its centre at N // 2.
    method : Method
        What is computed.
    backend : Backend
        What computes it.

    Returns
    -------
    array
        (z, y, x), float32, of the image's shape, the backend's.
    """
    return iterate(image, prepare(image.shape, psf, method, backend), method, backend)


def prepare(image: Shape, psf: np.ndarray[Any, Any], method: Method, backend: Backend) -> Prepared:
    """Lay out images of this shape, and transform the PSF; arguments as in `deconvolve`."""
    extended = method.boundary == "extended"
    psf, layout = make_frame_of(image, psf, method.boundary)
    buffer = backend.buffer(layout.shape)
    buffer.real[...] = backend.xp.asarray(wrap_psf(psf, layout.shape))
    backend.forward(buffer)
    buffer.spectrum *= np.float32(1 / buffer.real.size)
    weights = None
    if extended:
        table, places = compute_weights(psf, layout)
        z, y, x = (backend.xp.asarray(place) for place in places)
        weights = Weights(backend.xp.asarray(table), (z, y, x))
    return Prepared(layout, buffer.spectrum, weights)


def iterate(image: Array, prepared: Prepared, method: Method, backend: Backend) -> Array:
    """Deconvolve one volume as `deconvolve` does, with what `prepare` returned for its shape."""
    return next(islice(iterate_estimates(image, prepared, method, backend), method.iterations - 1, None)).copy()


def iterate_estimates(
    image: Array,
    prepared: Prepared,
    method: Method,
    backend: Backend,
    divide: Callable[[Array], None] | None = None,
) -> Iterator[Array]:
    """Yield the estimate of each iteration, without end: a view, valid until the next one is asked for.

    `divide` makes of the blurred prediction the image divided by it, in place; what `divider` returns if None.
    """
    xp = backend.xp
    buffer = backend.buffer(prepared.layout.shape)
    prediction = xp.empty(prepared.layout.shape, xp.float32)
    image = xp.asarray(image, xp.float32)
    divide = divide or make_divider(image, prepared, backend)
    predict = _predictor(prediction, method.acceleration, backend)
    # The blur of an estimate that is flat is the same, so a flat start needs none. At 1 it would lie below the
    # threshold of an image of 1e7 counts.
    prediction[...] = replicate_edge(image, prepared.layout, xp) if method.start == "image" else image.max()
    buffer.real[...] = prediction
    for iteration in count(1):
        if iteration > 1 or method.start == "image":
            _blur(buffer, prepared.otf, backend)
        divide(buffer.real)
        _back_project(buffer, prepared.otf, backend)
        if prepared.weights:
            backend.correct(buffer.real, prediction, prepared.weights)
        else:
            buffer.real *= prediction
            if method.acceleration != "none":  # cannot go on from negative values, which rounding may leave
                xp.maximum(buffer.real, 0, out=buffer.real)
        yield buffer.real[prepared.layout.view]
        predict(buffer.real, iteration)


def _blur(buffer: Buffer, otf: Array, backend: Backend) -> None:
    backend.forward(buffer)
    buffer.spectrum *= otf
    backend.inverse(buffer)


def _back_project(buffer: Buffer, otf: Array, backend: Backend) -> None:
    """Correlate with the PSF."""
    backend.forward(buffer)
    _kernels(backend).multiply_by_conjugate(buffer.spectrum, otf)
    backend.inverse(buffer)


class _Kernels(NamedTuple):
    """Elementwise steps, each one kernel on a GPU; they write into their first argument."""

    multiply_by_conjugate: Callable[[Array, Array], None]  # made on the fly: it would be one more array
    divide: Callable[[Array, Array, Any], None]
    extrapolate: Callable[[Array, Array, Array, Any, Any], None]


@lru_cache
def _kernels(backend: Backend) -> _Kernels:
    """Make the kernels of a backend, once: to trace and compile them takes longer than an iteration."""
    xp = backend.xp

    def multiply_by_conjugate(spectrum: Array, otf: Array) -> None:
        spectrum *= xp.conjugate(otf)

    def divide(blurred: Array, image: Array, threshold: Any) -> None:
        blurred[...] = image / xp.where(blurred < threshold, np.float32(np.inf), blurred)

    return _Kernels(backend.fuse(multiply_by_conjugate), backend.fuse(divide), backend.fuse(_extrapolate))


def find_threshold(brightest: float, boundary: str) -> float:
    """Return below which prediction the quotient is 0, for an image with this maximum."""
    return ROUNDING * brightest + TINY if boundary == "extended" else ITK_THRESHOLD


def make_divider(image: Array, prepared: Prepared, backend: Backend) -> Callable[[Array], None]:
    """Return the function that makes of the blurred estimate the image divided by it, in place."""
    xp = backend.xp

    divide = _kernels(backend).divide
    if prepared.weights is None:
        observed = replicate_edge(image, prepared.layout, xp)
        return lambda blurred: divide(blurred, observed, np.float32(find_threshold(0, "replicate")))
    too_small = np.float32(find_threshold(float(image.max()), "extended"))

    def divide_in_view(blurred: Array) -> None:
        divide(blurred[prepared.layout.view], image, too_small)
        z, y, x = image.shape
        blurred[z:] = 0
        blurred[:, y:] = 0
        blurred[:, :, x:] = 0

    return divide_in_view


def _predictor(prediction: Array, rule: str, backend: Backend) -> Callable[[Array, int], None]:
    """Return the function that makes of x, and the iteration that made it, the next prediction, in both its arrays."""
    xp = backend.xp
    if rule == "none":

        def keep(new: Array, iteration: int) -> None:  # noqa: ARG001 (predictors share one signature)
            prediction[...] = new

        return keep
    previous = xp.zeros_like(prediction)
    last_change = xp.zeros_like(prediction) if rule == "biggs" else None
    extrapolate = _kernels(backend).extrapolate

    def predict(new: Array, iteration: int) -> None:
        alpha = compute_heavy_ball(iteration)
        if last_change is not None:
            alpha = _biggs(new, prediction, last_change, xp)
        extrapolate(new, prediction, previous, np.float32(1 + alpha), np.float32(1 - alpha))

    return predict


def _extrapolate(new: Array, prediction: Array, previous: Array, more: Any, less: Any) -> None:
    """Set the prediction as `acceleration` explains it; more and less are 1 + alpha and 1 - alpha."""
    ahead = more * new + less * previous
    prediction[...] = new * (ahead / (less * new + more * previous + np.float32(TINY)))
    previous[...] = new
    new[...] = prediction


def _biggs(new: Array, prediction: Array, last_change: Array, xp: Any) -> float:
    """Return alpha, and leave this iteration's change in both arrays (the prediction is no more needed)."""
    xp.subtract(new, prediction, out=prediction)
    product = float(xp.vdot(prediction, last_change))
    square = float(xp.vdot(last_change, last_change))
    last_change[...] = prediction
    return compute_biggs(product, square)


def replicate_edge(image: Array, layout: Frame, xp: Any) -> Array:
    """Repeat the image's edge outwards over the cyclic array, up to the middle of what lies between its two edges."""
    index = []
    for total, low, n in zip(layout.shape, layout.low, layout.image, strict=True):
        place = np.arange(total) - low
        index.append(xp.asarray(np.where(place > (total + n - 1) / 2, 0, place).clip(0, n - 1)))
    return image[xp.ix_(*index)]
