"""Richardson-Lucy by FFTs of the whole volume, written once over NumPy or CuPy: engine `gpu`, and the tests' oracle.

With g the image, h the PSF, * convolution and ° correlation, an iteration makes of the prediction p the estimate

    x = p max(w (h ° (g / (h * p))), 0)

where a quotient is 0 if its denominator is too small. The next p is x itself, or lies beyond it (`momentum`).
"replicate" is what ITK's RichardsonLucyDeconvolutionImageFilter computes: w = 1, and without acceleration no max.
"extended" is Bertero and Boccacci 2005 (A simple method for the reduction of boundary effects in the Richardson-Lucy
approach to image deconvolution, Astron. Astrophys. 437, 369): w as in `padding.Weights`, and quotients in the field
of view only.

Arrays of the cyclic size: the buffer in which FFTs work, the OTF and p; with momentum the previous x, with "biggs" its
last change too; over NumPy, with "replicate" the padded image.
"""

from collections.abc import Callable, Iterator
from itertools import count, islice, product
from typing import Any

import numpy as np

from lightsheet.deconvolution.backend import Array, Backend, Setup
from lightsheet.deconvolution.mask import place_mask, weigh_captured
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.momentum import TINY, compute_biggs, compute_heavy_ball
from lightsheet.deconvolution.padding import Frame, Shape, Weights, compute_weights, make_trimmed_frame

ITK_THRESHOLD = 1e-5
"""ITK's DivideOrZeroOutImageFilter: a quotient with a denominator below this, in image units, is 0."""

ROUNDING = float(np.finfo(np.float32).eps)
"""Denominators below this part of the image's maximum are rounding noise of the FFT; the quotient is 0."""


def prepare(image: Shape, psf: np.ndarray[Any, Any], method: Method, backend: Backend) -> Setup:
    """Lay out images of this shape, and transform the PSF."""
    psf, frame = make_trimmed_frame(image, psf, method.boundary, backend.round_up)
    buffer = backend.buffer(frame.shape)
    wrap_psf(backend.xp.asarray(psf, np.float32), buffer.real)
    backend.forward(buffer)
    buffer.spectrum *= np.float32(1 / buffer.real.size)
    table, indices = compute_weights(psf, frame) if method.boundary == "extended" else weigh_equally(frame)
    upload = backend.xp.asarray
    places, (z, y, x) = ([upload(i, np.int32) for i in axes] for axes in (find_places(frame, method.boundary), indices))
    weights = Weights(upload(table, np.float32), (z, y, x))
    return Setup(frame, places, buffer.spectrum, weights, method.boundary == "extended")


def weigh_equally(frame: Frame) -> Weights:
    """Return weights of 1."""
    z, y, x = (np.zeros(n, np.int32) for n in frame.shape)
    return Weights(np.ones((1, 1, 1), np.float32), (z, y, x))


def weigh_mask(setup: Setup, mask: Any, backend: Backend) -> Weights:
    """Return the weights of a volume that was measured in part, see `mask`: the mask is correlated with the PSF."""
    xp, buffer = backend.xp, backend.buffer(setup.frame.shape)
    buffer.real[...] = 0
    place_mask(mask, buffer.real[setup.frame.view], xp)
    backend.forward(buffer)
    backend.multiply_by_conjugate(buffer.spectrum, setup.otf)
    backend.inverse(buffer)
    table, indices = weigh_captured(xp.ascontiguousarray(np.maximum(buffer.real, 0)))
    z, y, x = (xp.asarray(index, np.int32) for index in indices)
    return Weights(table, (z, y, x))


def wrap_psf(psf: Array, target: Array) -> None:
    """Write the PSF into a cyclic array, its centre at the origin (wrapping around)."""
    target[...] = 0
    halves = [
        ((slice(k // 2, k), slice(0, k - k // 2)), (slice(0, k // 2), slice(total - k // 2, total)))
        for k, total in zip(psf.shape, target.shape, strict=True)
    ]
    for octant in product(*halves):
        source, place = zip(*octant, strict=True)
        target[place] = psf[source]


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
    prediction = xp.empty(setup.frame.shape, np.float32)
    image = xp.ascontiguousarray(image, np.float32)
    divide = divide or make_divider(image, setup, backend)
    correct = _make_corrector(prediction, setup, method, backend)
    # The blur of an estimate that is flat is the same, so a flat start needs none. At 1 it would lie below the
    # threshold of an image of 1e7 counts.
    if method.start == "image":
        backend.place(prediction, image, [xp.asarray(i, np.int32) for i in find_places(setup.frame, "replicate")])
    else:
        prediction[...] = image.max()
    buffer.real[...] = prediction
    for iteration in count(1):
        if iteration > 1 or method.start == "image":  # blur
            backend.forward(buffer)
            backend.multiply(buffer.spectrum, setup.otf)
            backend.inverse(buffer)
        divide(buffer.real)
        backend.forward(buffer)  # and correlate with the PSF
        backend.multiply_by_conjugate(buffer.spectrum, setup.otf)
        backend.inverse(buffer)
        yield correct(buffer.real, iteration)[setup.frame.view]


def find_threshold(brightest: float, boundary: str) -> float:
    """Return below which prediction the quotient is 0, for an image with this maximum."""
    return ROUNDING * brightest + TINY if boundary == "extended" else ITK_THRESHOLD


def make_divider(image: Array, setup: Setup, backend: Backend) -> Callable[[Array], None]:
    """Return the function that makes of the blurred estimate the image divided by it, in place."""
    boundary = "extended" if setup.is_extended else "replicate"
    return backend.make_divider(image, setup, np.float32(find_threshold(float(image.max()), boundary)))


def _make_corrector(prediction: Array, setup: Setup, method: Method, backend: Backend) -> Callable[[Array, int], Array]:
    """Return what takes an iteration's correction and number, returns the estimate, and makes both the prediction."""
    weights, rule = setup.weights, method.acceleration

    def correct(correction: Array, iteration: int) -> Array:  # noqa: ARG001 (as the other one)
        backend.correct(correction, prediction, weights, setup.is_extended)
        return prediction

    if rule == "none":
        return correct
    previous = backend.xp.zeros_like(prediction)
    change = backend.xp.zeros_like(prediction) if rule == "biggs" else None

    def correct_and_extrapolate(correction: Array, iteration: int) -> Array:
        if change is None:
            alpha = compute_heavy_ball(iteration)
            more, less = np.float32(1 + alpha), np.float32(1 - alpha)
            backend.correct_and_extrapolate(correction, prediction, previous, weights, more, less)
        else:
            alpha = compute_biggs(*backend.correct_and_compare(correction, prediction, change, weights))
            more, less = np.float32(1 + alpha), np.float32(1 - alpha)
            backend.extrapolate(correction, prediction, previous, more, less)
        return previous

    return correct_and_extrapolate


def find_places(frame: Frame, boundary: str) -> list[np.ndarray[Any, Any]]:
    """Say which voxel of the image counts at each place along each axis of the cyclic array, or -1 where none does."""
    axes = list(zip(frame.shape, frame.low, frame.image, strict=True))
    if boundary == "replicate":
        return [index_edge(*axis) for axis in axes]
    positions = [np.arange(total) - low for total, low, _ in axes]
    return [np.where(p < n, p, -1) for p, n in zip(positions, frame.image, strict=True)]


def replicate_edge(image: Array, frame: Frame, xp: Any) -> Array:
    """Repeat the image's edge outwards over the cyclic array, up to the middle of what lies between its two edges."""
    axes = zip(frame.shape, frame.low, frame.image, strict=True)
    return image[xp.ix_(*(xp.asarray(index_edge(*axis)) for axis in axes))]


def index_edge(total: int, low: int, n: int) -> Array:
    """Say which of an axis' `n` voxels, of which the first is at `low`, is repeated at each of `total` positions."""
    position = np.arange(total) - low
    return np.where(position > (total + n - 1) / 2, 0, position).clip(0, n - 1)
