"""Momentum: the published coefficients, and what it is for, the same quality in fewer iterations."""

from itertools import islice

import numpy as np
import pytest

from lightsheet.deconvolution import fourier, momentum
from lightsheet.deconvolution.backend import make_numpy_backend
from lightsheet.deconvolution.method import Method
from lightsheet.simulation import optics, simulate
from lightsheet.simulation.scene import CHANNELS


def test_heavy_ball_is_that_of_wang_and_miller():
    assert [momentum.compute_heavy_ball(k) for k in (1, 2, 3, 10)] == [0, 1 / 4, 2 / 5, 9 / 12]


@pytest.mark.parametrize(
    ("product", "square", "alpha"),
    [(3, 4, 0.75), (-3, 4, 0), (0, 0, 0), (1e30, 1e30, pytest.approx(1, abs=1e-3)), (5, 4, pytest.approx(1, abs=1e-3))],
)
def test_biggs_is_a_quotient_of_sums_from_0_to_below_1(product, square, alpha):
    result = momentum.compute_biggs(product, square)
    assert result == alpha
    assert result < 1


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9])
def test_the_prediction_is_a_power_for_small_steps(alpha):
    """A [1/1] Pade approximant of r^alpha is off by about alpha (1 - alpha^2) log(r)^3 / 12: here at most 1e-3."""
    previous = np.linspace(1, 10, 100, dtype=np.float32)
    new = previous * np.linspace(0.8, 1.25, 100, dtype=np.float32)
    expected = new * (new / previous) ** alpha
    prediction = np.empty_like(new)
    momentum.extrapolate(new, prediction, previous, np.float32(1 + alpha), np.float32(1 - alpha))
    assert prediction == pytest.approx(expected, rel=1e-3)


@pytest.fixture(scope="module")
def simulated():
    truth, image = simulate.simulate_volume(2, 0, (16, 32, 32))
    psf = optics.model_image_psf(CHANNELS[2], simulate.VOXEL_SIZE)
    return truth, np.maximum(image - np.float32(optics.CAMERA_OFFSET), 0), psf


def errors(simulated, rule, iterations):
    truth, image, psf = simulated
    backend, method = make_numpy_backend(1), Method(0, acceleration=rule)
    setup = fourier.prepare(image.shape, psf, method, backend)
    estimates = islice(fourier.iterate_estimates(image, setup, method, backend), iterations)
    return [np.linalg.norm(estimate - truth) / np.linalg.norm(truth) for estimate in estimates]


@pytest.mark.slow
def test_half_the_iterations_for_the_same_quality(simulated):
    """On the noisy simulation: a fifth or less is reached."""
    plain = errors(simulated, "none", 150)
    best = int(np.argmin(plain)) + 1
    assert 20 < best < 150
    for rule in ("biggs", "heavy-ball"):
        assert min(errors(simulated, rule, best // 2)) <= min(plain)
