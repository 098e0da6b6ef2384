"""The noise of images whose noise is known, in counts of any size, and what it becomes in results."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lightsheet.deconvolution import find_measured, richardson_lucy
from lightsheet.processing.photon_noise import measure_noise, propagate_noise
from lightsheet.processing.rounding import choose_step

METHOD: dict[str, Any] = {"iterations": 10, "engine": "cpu", "boundary": "extended", "acceleration": "none"}
SHAPE = (16, 64, 64)
PSF = gaussian_filter(np.pad(np.ones((1, 1, 1), np.float32), 5), 1.5)


def draw_scene(photons: float) -> np.ndarray:
    """Return light (z, y, x) as a microscope images it: points of all brightnesses, blurred, over a dim field."""
    rng = np.random.default_rng(0)
    points = np.where(rng.random(SHAPE) < 0.01, rng.exponential(1, SHAPE), 0)
    light = gaussian_filter(points, 1.5)
    return np.asarray(photons * (light / light.max() + 0.02))


def take_image(photons: float, gain: float, read_noise: float, seed: int = 1) -> np.ndarray:
    """Return counts as a camera with that gain (counts a photon) has them, whole numbers."""
    rng = np.random.default_rng(seed)
    counts = gain * rng.poisson(draw_scene(photons)) + read_noise * rng.standard_normal(SHAPE)
    return np.asarray(np.rint(counts), np.float32)


@pytest.mark.parametrize("gain", [0.5, 1.0, 5.0, 40.0])
@pytest.mark.parametrize("photons", [30, 300, 3000])
def test_a_photon_may_come_to_any_number_of_counts(photons: float, gain: float) -> None:
    """Of a class of a thousand voxels the median is known to a few percent; where it is darkest, reading prevails."""
    noise = measure_noise(take_image(photons, gain, read_noise=2.0))
    for light in (0.5 * gain * photons, gain * photons):
        assert noise.constant + noise.per_count * light == pytest.approx(4 + gain * light, rel=0.15)


def test_a_constant_image_has_the_noise_of_its_reading_alone() -> None:
    image = np.random.default_rng(0).normal(0, 3, SHAPE)
    noise = measure_noise(image)
    assert noise.constant + noise.per_count * 1 == pytest.approx(9, rel=0.05)


@pytest.mark.parametrize("shape", [(16, 64, 64), (1, 64, 64), (2, 2, 2), (1, 1, 1)])
def test_an_image_without_noise_has_none(shape: tuple[int, int, int]) -> None:
    assert measure_noise(np.full(shape, 7.0)) == (0, 0)
    assert measure_noise(np.zeros(shape)) == (0, 0)


def test_saturated_and_unmeasured_voxels_do_not_count() -> None:
    image = take_image(3000, 1.0, 2.0)
    saturated = np.minimum(image, 1500)
    assert measure_noise(saturated).per_count == pytest.approx(1, rel=0.15)
    filled = image.copy()
    filled[:, :, :20] = 0
    mask = find_measured(filled, [0], 0)
    assert measure_noise(filled, mask).per_count == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("unit", [1e-30, 1e-3, 1e6, 1e15])
def test_counts_of_any_size_have_the_same_noise(unit: float) -> None:
    """But for places at the ends of classes, which rounding of sums puts into the next ones."""
    image = take_image(300, 1.0, 2.0)
    noise, other = measure_noise(image), measure_noise(image.astype(np.float64) * unit)
    assert other.constant == pytest.approx(noise.constant * unit**2, rel=0.03)
    assert other.per_count == pytest.approx(noise.per_count * unit, rel=0.03)


def test_hot_pixels_are_no_reason_to_round_all_else() -> None:
    """Of 60,000 counts; else light is of 300 photons at most, with a noise of 20 counts at most."""
    image = take_image(300, 1.0, 2.0)
    image[np.random.default_rng(0).random(SHAPE) < 0.001] = 60_000
    _, noise = propagate_noise(image, PSF, METHOD, 2)
    assert choose_step(noise) < 20


@pytest.mark.slow
@pytest.mark.parametrize("photons", [30, 3000])
def test_the_noise_of_a_result_is_by_what_results_of_several_images_differ(photons: float) -> None:
    """Twice as large or half as large would be 1 bit; with a fourth it is told."""
    _, noise = propagate_noise(take_image(photons, 5.0, 2.0), PSF, METHOD, 2)
    results = [
        richardson_lucy(np.maximum(take_image(photons, 5.0, 2.0, seed), 0), PSF, threads=2, **METHOD)
        for seed in range(1, 7)
    ]
    spread = np.sqrt(np.mean(np.var(results, axis=0, ddof=1)))
    assert noise.relative == pytest.approx(spread / np.sqrt(np.mean(np.square(results))), rel=0.25)
