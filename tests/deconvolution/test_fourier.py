"""The whole-volume algorithm: against slow sums over the PSF in float64, and against ITK."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import ndimage
from scipy.fft import next_fast_len

from lightsheet.deconvolution import backend, fourier, sweeps
from lightsheet.deconvolution.method import CHOICES, Method
from tests.support import examples
from tests.support.engines import relative_l2
from tests.support.point_images import centred

BACKEND = backend.make_numpy_backend(1)


def deconvolve(image, psf, method):
    return fourier.iterate(image, fourier.prepare(image.shape, psf, method, BACKEND), method, BACKEND)


def slow(image, psf, method):
    """By sums over the PSF (ndimage centres a filter at N // 2, as ITK does) of a cyclic array."""
    extended = method.boundary == "extended"
    margins = [k - 1 if extended else 2 * (k // 2) for k in psf.shape]
    shape = [next_fast_len(n + margin, real=True) for n, margin in zip(image.shape, margins, strict=True)]
    before = [(total - n) // 2 for total, n in zip(shape, image.shape, strict=True)]
    pads = [(low, t - n - low) for low, t, n in zip(before, shape, image.shape, strict=True)]
    view = tuple(slice(low, low + n) for low, n in zip(before, image.shape, strict=True))
    padded = np.pad(image.astype(float), pads, mode="edge")
    captured = np.ones(shape)
    if extended:
        captured = ndimage.correlate(np.pad(np.ones(image.shape), pads), psf.astype(float), mode="wrap")
        captured = np.where(captured < 0.01 * captured.max(), np.inf, captured)
    prediction = padded if method.start == "image" else np.full(shape, image.max())
    last, change = np.zeros(shape), None
    for iteration in range(1, method.iterations + 1):
        blurred = ndimage.convolve(prediction, psf.astype(float), mode="wrap")
        if iteration == 1 and method.start == "flat":
            blurred = prediction  # ndimage's sums may differ from it in the last bit
        quotient = padded / np.where(blurred < 1e-5, np.inf, blurred)
        if extended:
            quotient = np.pad(quotient[view], pads)
        new = prediction * ndimage.correlate(quotient, psf.astype(float), mode="wrap") / captured
        alpha, change = momentum(method.acceleration, iteration, new - prediction, change)
        ratio = np.divide(new, last, out=np.ones(shape), where=last > 0)
        prediction = new * ((1 + alpha) * ratio + 1 - alpha) / ((1 - alpha) * ratio + 1 + alpha)
        last = new
    return last[view]


def momentum(rule, iteration, change, before):
    """Return alpha, and the change to remember."""
    if rule == "none":
        return 0, change
    if rule == "heavy-ball":
        return (iteration - 1) / (iteration + 2), change
    if before is None or not before.any():
        return 0, change
    return np.clip(np.sum(change * before) / np.sum(before**2), 0, 0.999), change


sizes = st.tuples(*[st.integers(1, 7)] * 3)


@pytest.mark.parametrize("boundary", CHOICES["boundary"])
@pytest.mark.parametrize("start", CHOICES["start"])
@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
@examples.take(0.5)
@given(shape=sizes, psf_shape=sizes, seed=st.integers(0, 2**32 - 1), iterations=st.integers(1, 6))
def test_every_method_for_any_shapes(boundary, start, acceleration, shape, psf_shape, seed, iterations):
    """To 1e-5, what engines must agree to; float32 FFTs of these sizes reach about 1e-6.

    With "biggs" to 1e-4: its alpha is a quotient of sums of small differences, whose rounding momentum multiplies.
    """
    random = np.random.default_rng(seed)
    image = random.random(shape) * 1000 + 1
    psf = (random.random(psf_shape) + 0.05).astype(np.float32)
    psf /= psf.sum()
    method = Method(iterations, boundary, start, acceleration)
    result = deconvolve(image, psf, method)
    assert result.dtype == np.float32
    assert result.shape == shape
    assert relative_l2(result, slow(image, psf, method)) < (1e-4 if acceleration == "biggs" else 1e-5)


every_method = pytest.mark.parametrize(
    "method",
    [
        Method(20, boundary, start, acceleration)
        for boundary in CHOICES["boundary"]
        for start in CHOICES["start"]
        for acceleration in CHOICES["acceleration"]
    ],
    ids=lambda method: "-".join(method[1:]),
)


@every_method
def test_black_images_and_lone_voxels(method):
    """The latter in darkness: quotients of 0 / 0, and predictions from nothing."""
    psf = centred((5, 5, 5), {"z": 1, "y": 1, "x": 1}, (1, 1, 1)).astype(np.float32)
    psf /= psf.sum()
    image = np.zeros((8, 9, 10))
    assert not deconvolve(image, psf, method).any()
    image[4, 4, 5] = 60000
    result = deconvolve(image, psf, method)
    assert np.isfinite(result).all()
    assert np.unravel_index(result.argmax(), image.shape) == (4, 4, 5)


@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
def test_light_does_not_die_where_the_psf_is_larger_than_the_image(acceleration):
    """Momentum cut off at 0 ends in darkness here."""
    random = np.random.default_rng(0)
    psf = random.random((21, 15, 31)).astype(np.float32)
    result = deconvolve(random.random((9, 8, 7)), psf / psf.sum(), Method(50, acceleration=acceleration))
    assert result.min() >= 0
    assert result.max() > 0


@every_method
def test_what_is_prepared_serves_many_images(method):
    random = np.random.default_rng(1)
    psf = np.full((3, 3, 3), 1 / 27, np.float32)
    setup = fourier.prepare((6, 7, 8), psf, method, BACKEND)
    for image in random.random((2, 6, 7, 8)):
        assert np.array_equal(fourier.iterate(image, setup, method, BACKEND), deconvolve(image, psf, method))


def test_estimates_are_those_of_every_number_of_iterations():
    random = np.random.default_rng(2)
    image, psf, method = random.random((6, 7, 8)), np.full((3, 3, 3), 1 / 27, np.float32), Method(0)
    setup = fourier.prepare(image.shape, psf, method, BACKEND)
    for iterations, estimate in zip((1, 2, 3), fourier.iterate_estimates(image, setup, method, BACKEND), strict=False):
        assert np.array_equal(estimate, deconvolve(image, psf, method._replace(iterations=iterations)))


@pytest.mark.parametrize("acceleration", ["biggs", "heavy-ball"])
def test_sweeps_too_cut_off_what_a_psf_with_negative_values_makes_negative(acceleration):
    """At ITK's boundary; momentum goes on by ratios, which have no meaning below 0."""
    random = np.random.default_rng(3)
    psf = np.full((5, 5, 5), -0.005, np.float32)
    psf[2, 2, 2] += 1 - psf.sum()
    image, method = random.poisson(1, (16, 16, 16)), Method(3, "replicate", acceleration=acceleration)
    oracle = deconvolve(image, psf, method)
    assert oracle.min() == 0
    assert (
        relative_l2(sweeps.deconvolve(image, psf, method, 1), oracle) < 5e-3
    )  # a quotient by almost 0 magnifies rounding; without the cut it is 1
