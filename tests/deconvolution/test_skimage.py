"""Engine `skimage`: scikit-image's pixels, but for what is put right around it."""

import re

import numpy as np
import pytest
from scipy import ndimage

from lightsheet.deconvolution import skimage
from lightsheet.deconvolution.engines import richardson_lucy
from lightsheet.deconvolution.method import Method
from lightsheet.system.errors import InputError


def slow(image, psf, iterations):
    """In float64, by sums over the PSF: edges repeated by half a PSF, dark beyond that, flat start at 1."""
    pads = [(k // 2, k // 2) for k in psf.shape]
    image, psf = np.pad(image.astype(float), pads, mode="edge"), psf.astype(float)
    estimate = np.ones_like(image)
    for _ in range(iterations):
        blurred = ndimage.convolve(estimate, psf, mode="constant")
        estimate *= ndimage.correlate(image / blurred, psf, mode="constant")
    return estimate[tuple(slice(a, n - a) for (a, _), n in zip(pads, image.shape, strict=True))]


@pytest.mark.parametrize(
    ("shape", "psf_shape", "dtype"),
    [
        pytest.param((11, 12, 13), (3, 5, 7), np.float32, id="odd PSF"),
        pytest.param((12, 11, 10), (4, 2, 6), np.uint16, id="even PSF, camera's dtype"),
        pytest.param((5, 6, 4), (9, 8, 11), np.float64, id="smaller than its PSF"),
        pytest.param((1, 30, 31), (1, 4, 5), np.uint8, id="one plane"),
    ],
)
def test_pixels_are_those_of_a_direct_convolution(shape, psf_shape, dtype):
    """1e-5 is what engines agree on; float32 convolutions of these sizes reach about 1e-6."""
    random = np.random.default_rng(0)
    image = (10 + 200 * random.random(shape)).astype(dtype)
    psf = random.random(psf_shape).astype(np.float32) + 0.1
    psf /= psf.sum()
    result = skimage.deconvolve(image, psf, Method(8, "replicate"), threads=1)
    assert result.dtype == np.float32
    assert result.shape == shape
    expected = slow(image, psf, 8)
    assert np.linalg.norm(result - expected) < 1e-5 * np.linalg.norm(expected)


def test_brightness_changes_nothing():
    """Its thresholds are absolute: images of 1e-9 or 1e9 come out alike, to the rounding of float32."""
    random = np.random.default_rng(1)
    image = random.random((9, 8, 7)).astype(np.float32)
    psf = np.full((3, 3, 3), 1 / 27, np.float32)
    results = [
        skimage.deconvolve(image * np.float32(light), psf, Method(5, "replicate"), threads=1) / np.float32(light)
        for light in (1e-9, 1, 1e9)
    ]
    assert np.allclose(results[0], results[1], rtol=1e-5)
    assert np.allclose(results[2], results[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (
            {"boundary": "extended"},
            "boundary: engine skimage has no 'extended'; choose engine: cpu or boundary: replicate",
        ),
        (
            {"acceleration": "biggs"},
            "acceleration: engine skimage has no 'biggs'; choose engine: cpu or acceleration: none",
        ),
    ],
)
def test_it_refuses_what_it_does_not_have(choice, sentence):
    volume = np.ones((3, 3, 3))
    with pytest.raises(InputError, match=re.escape(sentence)):
        richardson_lucy(volume, volume, iterations=1, engine="skimage", **{"boundary": "replicate"} | choice)


def test_it_names_its_libraries():
    assert re.fullmatch(r"scikit-image [\d.]+, scipy [\d.]+", skimage.version())
