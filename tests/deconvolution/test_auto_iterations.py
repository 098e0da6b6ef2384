"""`iterations: auto`: near the best number where the truth is known, and a sentence where there is none."""

from itertools import islice

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from lightsheet.deconvolution import auto_iterations, backend, fourier
from lightsheet.deconvolution.method import Method
from lightsheet.simulation import optics, simulate
from lightsheet.simulation.scene import CHANNELS
from lightsheet.system.errors import InputError
from tests.support.families import parametrize

BACKEND = backend.make_numpy_backend(1)
HEAVY_BALL = Method(0, acceleration="heavy-ball")


def choose(image, psf, method=HEAVY_BALL):
    return auto_iterations.choose_iterations(image, psf, method, BACKEND)


def above_best(case, method, most):
    """By how much the NRMSE after the chosen iterations is above the best of `most`, as a part of that."""
    image, psf, truth = case
    setup = fourier.prepare(image.shape, psf, method, BACKEND)
    estimates = islice(fourier.iterate_estimates(image, setup, method, BACKEND), most)
    errors = [np.linalg.norm(estimate - truth) for estimate in estimates]
    assert np.argmin(errors) < most - 1
    return errors[choose(image, psf, method) - 1] / min(errors) - 1


def simulated(channel, peak):
    truth, image = simulate.simulate_volume(channel, 0, (16, 48, 48), peak_photons=peak)
    psf = optics.model_image_psf(CHANNELS[channel], simulate.VOXEL_SIZE)
    return np.maximum(image - np.float32(optics.CAMERA_OFFSET), 0), psf, truth


@parametrize(
    ("channel", "peak", "most"), [(2, 30, 20), (1, 300, 40), (2, 3000, 70)], ids=["dark", "middling", "bright"]
)
def test_within_10_percent_of_the_best_at_three_noise_levels(channel, peak, most):
    """What the project asks for; benchmarks/quality.py has more images."""
    assert above_best(simulated(channel, peak), HEAVY_BALL, most) < 0.1


def test_plain_richardson_lucy_is_stopped_near_its_best():
    assert above_best(simulated(2, 30), Method(0), 30) < 0.1


@pytest.mark.slow
def test_the_bars_benchmark_is_stopped_near_its_best(shared_data):
    """A quarter of them, for speed."""
    image, psf, truth = (
        tifffile.imread(shared_data / f"bars_flowdec/bars-25pct_{name}.tif") for name in ("data", "kernel", "actual")
    )
    truth *= image.sum() / truth.sum()
    quarter = np.s_[:, :32, :32]
    assert above_best((image[quarter], psf / psf.sum(), truth[quarter]), HEAVY_BALL, 60) < 0.1


@pytest.mark.slow
def test_no_unit_matters_and_every_run_says_the_same():
    image, psf, _ = simulated(2, 30)
    assert choose(image, psf) == choose(image * 2**10, psf) == choose(image, psf)


def test_the_brightest_part_decides(monkeypatch):
    monkeypatch.setattr(auto_iterations, "PART_SHAPE", (2, 3, 4))
    image = np.zeros((5, 3, 10))
    image[4, 1, 9] = 2
    image[0] = 0.5
    part = image[auto_iterations.find_brightest_region(image)]
    assert part.shape == (2, 3, 4)
    assert part[1, 1, 3] == 2


def test_a_black_image_needs_one():
    assert choose(np.zeros((8, 8, 8)), np.ones((1, 1, 1), np.float32)) == 1


@pytest.mark.parametrize("method", [Method(0, "replicate", "image"), Method(0, "extended", "image")])
def test_another_boundary_or_start_is_refused(method):
    with pytest.raises(InputError, match="iterations: auto needs boundary: extended"):
        choose(np.ones((4, 4, 4)), np.ones((1, 1, 1), np.float32), method)


@pytest.mark.slow
def test_noise_that_neighbours_share_is_not_taken_for_structure_silently(monkeypatch):
    """Smoothed, an image predicts its held-out voxels the better the more its noise is fitted."""
    monkeypatch.setattr(auto_iterations, "MAX_ITERATIONS", 60)
    image, psf, _ = simulated(2, 30)
    with pytest.raises(InputError, match=r"no noise after 60 iterations: .*smoothed.*; give a number"):
        choose(ndimage.gaussian_filter(image, 1.5), psf)
