"""Richardson-Lucy by FFT, written once over an array module and a pair of real FFTs: engines `cpu` and `gpu`.

One loop serves both boundaries. With g the image, h the PSF, * convolution and ° correlation, an iteration is

    f <- w f (h ° (g / (h * f)))

where the quotient is 0 if its denominator is too small. "replicate" is what ITK's
RichardsonLucyDeconvolutionImageFilter computes, w = 1; "extended" is Bertero and Boccacci 2005 (A simple method
for the reduction of boundary effects in the Richardson-Lucy approach to image deconvolution, Astron. Astrophys.
437, 369): w = 1 / (h ° m), where m is 1 inside the field of view and 0 outside.

Memory: at most five float32 arrays of the padded size at a time, and the image; hence the `del`s.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.fft import next_fast_len

Array = Any  # of numpy or cupy

ITK_THRESHOLD = 1e-5
"""ITK's DivideOrZeroOutImageFilter: a quotient with a denominator below this, in image units, is 0."""

ROUNDING = float(np.finfo(np.float32).eps)
"""Denominators below this part of the image's maximum are rounding noise of the FFT; the quotient is 0."""

TINY = float(np.finfo(np.float32).tiny)
"""So that a black image gives quotients of 0, not 0 / 0."""

SEEN = 1e-2
"""Where the camera saw less than this part of the PSF, relative to where it saw most, the estimate is 0.

The usual value in code for this method; the correction would amplify noise there by more than its inverse.
"""


class Backend(NamedTuple):
    """An array module and its real FFTs over all three axes."""

    xp: Any
    forward: Callable[[Array], Array]  # real to half-complex
    inverse: Callable[[Array, tuple[int, ...]], Array]  # half-complex (may be overwritten) and shape to real


def deconvolve(image: Array, psf: Array, *, iterations: int, boundary: str, backend: Backend) -> Array:
    """Deconvolve one volume with the arrays of `backend`.

    Parameters
    ----------
    image : array
        (z, y, x), any real dtype, finite, not negative.
    psf : array
        (z, y, x), float32, sum 1, its centre at N // 2.
    iterations : int
        At least 1.
    boundary : str
        "extended" or "replicate".
    backend : Backend
        Of the module that both arrays belong to.

    Returns
    -------
    array
        (z, y, x), float32, of the image's shape.
    """
    run = _replicate if boundary == "replicate" else _extended
    return run(image, psf, iterations, backend)


def _replicate(image: Array, psf: Array, iterations: int, backend: Backend) -> Array:
    """Repeat the edge outwards by half a PSF on each side (ITK's 2 (k // 2) in all), start from the image."""
    xp = backend.xp
    shape = _fast_shape(n + 2 * (k // 2) for n, k in zip(image.shape, psf.shape, strict=True))
    low = [(total - n) // 2 for total, n in zip(shape, image.shape, strict=True)]
    pads = [(a, total - n - a) for a, total, n in zip(low, shape, image.shape, strict=True)]
    observed = xp.pad(image, pads, mode="edge").astype(xp.float32)

    def quotient(blurred: Array) -> None:
        _divide(xp, observed, blurred, ITK_THRESHOLD)

    estimate = _iterate(observed.copy(), psf, iterations, quotient, None, backend)
    return estimate[tuple(slice(a, a + n) for a, n in zip(low, image.shape, strict=True))].copy()


def _extended(image: Array, psf: Array, iterations: int, backend: Backend) -> Array:
    """Estimate as far out as light comes in from; the field of view lies at the origin of the cyclic array."""
    xp = backend.xp
    image = image.astype(xp.float32, copy=False)
    shape = _fast_shape(n + k - 1 for n, k in zip(image.shape, psf.shape, strict=True))
    view = tuple(slice(0, n) for n in image.shape)
    brightest = float(image.max())
    weight = _inverse_of_seen_part(psf, image.shape, shape, backend)
    estimate = xp.full(shape, brightest, xp.float32)  # any flat start gives the same first iteration
    estimate *= weight > 0

    def quotient(blurred: Array) -> None:
        _divide(xp, image, blurred[view], ROUNDING * brightest + TINY)
        _clear_outside(blurred, image.shape)

    return _iterate(estimate, psf, iterations, quotient, weight, backend)[view].copy()


def _iterate(
    estimate: Array,
    psf: Array,
    iterations: int,
    quotient: Callable[[Array], None],
    weight: Array | None,
    backend: Backend,
) -> Array:
    """Iterate in place; `quotient` turns the blurred estimate into the image over it, in place."""
    xp, forward, inverse = backend
    shape = estimate.shape
    otf = _otf(psf, shape, backend)
    for _ in range(iterations):
        spectrum = forward(estimate)
        spectrum *= otf
        real = inverse(spectrum, shape)
        del spectrum
        quotient(real)
        spectrum = forward(real)
        del real
        _multiply_by_conjugate(xp, spectrum, otf)
        real = inverse(spectrum, shape)
        del spectrum
        if weight is not None:
            real *= weight
            xp.maximum(real, 0, out=real)  # rounding must not make the estimate negative
        estimate *= real
        del real
    return estimate


def _inverse_of_seen_part(psf: Array, image_shape: tuple[int, ...], shape: tuple[int, ...], backend: Backend) -> Array:
    """1 / (h ° m), the inverse of the part of each voxel's light that the camera saw; 0 where too little."""
    xp, forward, inverse = backend
    mask = xp.ones(shape, xp.float32)
    _clear_outside(mask, image_shape)
    spectrum = forward(mask)
    del mask
    _multiply_by_conjugate(xp, spectrum, _otf(psf, shape, backend))
    seen = inverse(spectrum, shape)
    seen[seen < SEEN * seen.max()] = xp.inf
    return xp.divide(1, seen, out=seen)


def _otf(psf: Array, shape: tuple[int, ...], backend: Backend) -> Array:
    """Transform of the PSF, its centre moved to the origin of an array of `shape` (wrapping around)."""
    xp = backend.xp
    padded = xp.zeros(shape, xp.float32)
    padded[tuple(slice(0, k) for k in psf.shape)] = psf
    centred = xp.roll(padded, tuple(-(k // 2) for k in psf.shape), axis=(0, 1, 2))
    del padded
    return backend.forward(centred)


def _divide(xp: Any, numerator: Array, denominator: Array, threshold: float) -> None:
    """Divide into `denominator`; 0 where that was below `threshold`, for a quotient by infinity is 0."""
    denominator[denominator < threshold] = xp.inf
    xp.divide(numerator, denominator, out=denominator)


def _clear_outside(array: Array, image_shape: tuple[int, ...]) -> None:
    """Zero what lies beyond the field of view."""
    z, y, x = image_shape
    array[z:] = 0
    array[:, y:] = 0
    array[:, :, x:] = 0


def _multiply_by_conjugate(xp: Any, spectrum: Array, otf: Array) -> None:
    """Multiply by conj(otf) in place, without an array for it: a conj(b) = conj(conj(a) b)."""
    xp.conjugate(spectrum, out=spectrum)
    spectrum *= otf
    xp.conjugate(spectrum, out=spectrum)


def _fast_shape(sizes: Any) -> tuple[int, ...]:
    """Round each axis up to a product of 2, 3 and 5: quick to transform, and what ITK does."""
    return tuple(next_fast_len(size, real=True) for size in sizes)
