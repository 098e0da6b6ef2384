"""Resolution against images whose cut-off frequency is known: blurred by the OTF of an ideal lens."""

import numpy as np
import pytest
from scipy import fft

from lightsheet.processing.resolution import measure_resolution

RANDOM = np.random.default_rng(0)


def blurred_points(cutoff: float, photons: float, shape: tuple[int, int] = (192, 256)) -> np.ndarray:
    """Points seen by a lens that ends at `cutoff` (1: Nyquist), with photon noise and the camera's."""
    random = np.random.default_rng(1)
    points = np.zeros(shape)
    points[random.integers(0, shape[0], 300), random.integers(0, shape[1], 300)] = 1
    y, x = (2 * fft.fftfreq(n) for n in shape)
    s = np.clip(np.hypot(y[:, None], x) / cutoff, 0, 1)
    otf = 2 / np.pi * (np.arccos(s) - s * np.sqrt(1 - s * s))
    image = np.maximum(fft.ifft2(fft.fft2(points) * otf).real, 0)
    return random.poisson(image / image.max() * photons + 2) + random.normal(0, 1.5, shape)


@pytest.mark.parametrize("cutoff", [0.25, 0.4, 0.6])
def test_with_little_noise_it_is_the_lens_s(cutoff):
    """An OTF falls to nothing well before it ends, so the period found is a little more than the lens's, 2 / cutoff."""
    period = measure_resolution(blurred_points(cutoff, 1e5))
    assert period is not None
    assert 1.0 <= period / (2 / cutoff) <= 1.2


def test_noise_hides_the_finest():
    periods = [measure_resolution(blurred_points(0.4, photons)) for photons in (1e5, 1e2, 50)]
    assert periods == sorted(periods)
    assert periods[-1] > 1.05 * periods[0]


def test_brightness_and_offset_do_not_matter():
    image = blurred_points(0.4, 1000)
    assert measure_resolution(3 * image + 500) == pytest.approx(measure_resolution(image))
    assert measure_resolution(image.T) == pytest.approx(measure_resolution(image))
    assert measure_resolution((10 * image + 200).astype(np.uint16)) == pytest.approx(
        measure_resolution(image), rel=0.03
    )


@pytest.mark.parametrize(
    "plane",
    [
        np.zeros((64, 64)),
        np.full((64, 64), 7, np.uint16),
        RANDOM.normal(size=(128, 128)),
        RANDOM.poisson(5, (200, 100)),
        np.ones((3, 200)) * np.arange(200),
        np.zeros((0, 0)),
    ],
    ids=["dark", "flat", "noise", "photon-noise", "thin", "empty"],
)
def test_where_there_is_nothing_to_resolve_it_says_nothing(plane):
    assert measure_resolution(plane) is None
