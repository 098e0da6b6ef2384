"""Residual and resolution of results whose quality is known."""

import numpy as np
import pytest
from scipy import ndimage

from lightsheet.deconvolution import engines
from lightsheet.processing.quality import blur_again
from tests.support.assessment import assess_result

RANDOM = np.random.default_rng(3)


def gaussian(shape: tuple[int, int, int], widths: tuple[float, float, float]) -> np.ndarray:
    """A PSF with its centre at N // 2 and sum 1."""
    axes = np.ogrid[tuple(slice(-(n // 2), n - n // 2) for n in shape)]
    psf = np.exp(-sum((axis / width) ** 2 / 2 for axis, width in zip(axes, widths, strict=True)))
    return (psf / psf.sum()).astype(np.float32)


PSF = gaussian((9, 12, 13), (1.5, 1.8, 1.6))


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Points, and the noisy image of them, with an offset of 100 counts."""
    truth = np.zeros((20, 160, 150), np.float32)
    truth[tuple(RANDOM.integers(0, n, 300) for n in truth.shape)] = 40000
    blurred = blur_again(truth, PSF, tuple(map(slice, (0, 0, 0), truth.shape)))
    return truth, RANDOM.poisson(np.maximum(blurred, 0) + 100).astype(np.uint16)


@pytest.mark.parametrize("shape", [(3, 5, 4), (4, 4, 6)])
@pytest.mark.parametrize("region", [(slice(0, 7), slice(0, 9), slice(0, 8)), (slice(2, 5), slice(4, 9), slice(1, 3))])
def test_reblurring_is_what_ndimage_does_with_nearest_edges(shape, region):
    """Relative to the largest value 1e-5: float32's rounding in FFTs."""
    volume, psf = RANDOM.random((7, 9, 8), np.float32), RANDOM.random(shape, np.float32)
    expected = ndimage.convolve(volume.astype(float), psf, mode="nearest")[region]
    np.testing.assert_allclose(blur_again(volume, psf, region), expected, atol=1e-5 * expected.max())


def test_the_truth_leaves_the_noise_alone(scene):
    """Poisson noise has the image's own values as variance; 10 %: the brightest part may be a little to the side."""
    truth, _ = scene
    clean = np.maximum(blur_again(truth, PSF, tuple(map(slice, (0, 0, 0), truth.shape))), 0)
    raw = RANDOM.poisson(clean).astype(np.uint16)
    part = clean[:, 0:128, 0:128]
    expected = np.sqrt(part.sum() / (part + np.square(part)).sum())
    assert assess_result(raw, truth, PSF, 0)["residual"] == pytest.approx(expected, rel=0.1)


def test_the_residual_falls_and_the_resolution_gets_finer(scene):
    _, raw = scene
    image = np.maximum(raw.astype(np.float32) - 100, 0)
    assessments = []
    for iterations in (1, 4, 16):
        result = engines.richardson_lucy(image, PSF, iterations=iterations, engine="cpu", threads=1)
        assessments.append(assess_result(raw, result, PSF, 100))
    residuals = [a["residual"] for a in assessments]
    assert residuals == sorted(residuals, reverse=True)
    periods = [a["resolution_voxels"] for a in assessments]
    assert len({p["raw"] for p in periods}) == 1
    assert periods[-1]["result"] < periods[0]["result"]
    assert periods[-1]["result"] < periods[-1]["raw"]


def test_scaled_integers_are_taken_for_what_they_stand_for(scene):
    truth, raw = scene
    stored = np.rint(truth * 1.5).astype(np.uint16)
    assessment = assess_result(raw, stored, PSF, 100, scale=1.5)
    assert assessment["residual"] == pytest.approx(assess_result(raw, truth, PSF, 100)["residual"], rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (8, 24, 24)])
def test_tiny_and_dark_volumes_have_no_numbers(shape):
    assessment = assess_result(np.full(shape, 100, np.uint16), np.zeros(shape, np.float32), PSF, 100)
    assert assessment == {"residual": None, "resolution_voxels": {"raw": None, "result": None}}
