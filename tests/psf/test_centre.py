"""Where a PSF is, against beads of known position between voxels."""

import numpy as np
import pytest

from lightsheet.deconvolution import richardson_lucy
from lightsheet.psf.centre import find_core
from lightsheet.psf.isolation import isolate_psf
from lightsheet.psf.preparation import prepare_psf
from lightsheet.simulation import optics, scene
from tests.support.families import parametrize
from tests.support.point_images import COARSE, FINE, gaussian

UNIT = {"z": 1, "y": 1, "x": 1}


def bead(shape, place, sigma, peak, noise, rng):
    light = peak * gaussian(shape, place, UNIT, sigma)
    return np.rint(rng.poisson(light) + rng.normal(104, noise, shape)).astype(np.uint16)


# Peaks of 40 to 400 times the noise; narrower ones need as much light as the 1.2 x 0.8 here.
@parametrize(
    ("shape", "sigma", "peak", "planes"),
    [
        ((61, 41, 41), (3.8, 1.4, 1.8), 200, 3),
        ((61, 41, 41), (3.8, 1.4, 1.8), 2000, 1),
        ((41, 33, 33), (1.4, 1.4, 1.4), 300, 1),
        ((31, 33, 33), (1, 2, 2), 300, 1),
        ((33, 33, 33), (1.2, 0.8, 0.8), 1000, 1),
        ((81, 41, 41), (8, 3, 3), 200, 2),
        ((15, 13, 13), (2, 1.4, 1.4), 300, 1),
    ],
)
def test_centre_of_a_noisy_bead_is_known_to_a_tenth_of_a_voxel_of_the_images(shape, sigma, peak, planes):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        place = np.array([n // 2 for n in shape]) + rng.uniform(-0.5, 0.5, 3)
        centre, _ = find_core(isolate_psf(bead(shape, place, sigma, peak, 5, rng), "auto"))
        assert np.abs(centre - place).max(initial=0, where=[False, True, True]) < 0.1
        assert abs(centre[0] - place[0]) < 0.1 * planes  # the images' planes lie so many times as far apart


@parametrize("place", [(20, 16, 16), (20.5, 16.5, 16.5), (20.25, 15.6, 16.3)])
@pytest.mark.parametrize("sigma", [(3, 1, 1), (1.2, 1.2, 1.2), (5, 2.5, 1.5)])
def test_middle_of_the_psf_used_is_the_bead(place, sigma):
    step, to = {"z": 0.1, "y": 0.1, "x": 0.1}, {"z": 0.2, "y": 0.1, "x": 0.13}
    psf = prepare_psf(1000 * gaussian((41, 33, 33), place, UNIT, sigma), step, to)
    profiles = (psf.sum(axis=tuple({0, 1, 2} - {axis}), dtype=float) for axis in range(3))
    middles = [profile @ (np.arange(len(profile)) - len(profile) // 2) for profile in profiles]
    np.testing.assert_allclose(middles, 0, atol=0.05)  # of a whole Gaussian the centroid is the centre


def test_a_bead_at_a_slant_is_centred_on_the_middle_of_its_core():
    z, y, x = np.indices((41, 33, 61), float)
    shape = np.exp(-((z - 20.3) ** 2) / 50 - (y - 16.2) ** 2 / 4 - (x - 30.4 - 0.8 * (z - 20.3)) ** 2 / 4)
    image = np.random.default_rng(0).poisson(500 * shape + 100)
    centre, covariance = find_core(isolate_psf(image, "auto"))
    np.testing.assert_allclose(centre, (20.3, 16.2, 30.4), atol=0.1)
    assert covariance[0, 2] / covariance[0, 0] == pytest.approx(0.8, abs=0.05)


def test_a_computed_psf_too_narrow_to_be_interpolated_stays_on_its_brightest_voxel():
    image = gaussian((15, 15, 15), (7.1, 7.1, 7.1), UNIT, (1.0, 0.4, 0.4))
    assert find_core(isolate_psf(image, "auto")).centre.tolist() == [7, 7, 7]
    measured = np.random.default_rng(0).poisson(1000 * image + 100)
    assert find_core(isolate_psf(measured, "auto")).centre.tolist() != [7, 7, 7]


def test_two_channels_agree_in_position_though_their_beads_lay_differently_on_the_camera():
    """The same point, imaged in two channels: each by its PSF, whose bead lay elsewhere between voxels."""
    rng = np.random.default_rng(3)
    sigma, places = (3.0, 1.4, 1.4), ((20.4, 16.45, 15.6), (19.55, 15.7, 16.45))
    volume = 3000 * gaussian((32, 32, 32), (16.2, 15.8, 16.3), UNIT, sigma)
    centres = []
    for place in places:
        psf = prepare_psf(bead((41, 33, 33), place, sigma, 1500, 5, rng), FINE, FINE)
        result = richardson_lucy(rng.poisson(volume + 1).astype(np.float32), psf, iterations=20, engine="cpu")
        core = np.where(result > result.max() / 10, result, 0).astype(float)
        grid = np.indices(core.shape).reshape(3, -1)
        centres.append(grid @ core.ravel() / core.sum())
    # With the brightest voxel as centre they are 0.9, 0.8 and 0.9 voxels apart.
    np.testing.assert_allclose(centres[0], centres[1], atol=0.15)
    np.testing.assert_allclose(np.mean(centres, axis=0), (16.2, 15.8, 16.3), atol=0.15)


@pytest.mark.parametrize("channel", scene.CHANNELS)
def test_centre_of_a_simulated_bead_slightly_astigmatic_and_tilted(channel):
    image = optics.simulate_measured_psf(channel, (61, 32, 32), COARSE, np.random.default_rng(0))
    centre = find_core(isolate_psf(image, "auto")).centre
    np.testing.assert_allclose(centre - np.array([30, 16, 16]), optics.PSF_OFF_CENTRE, atol=0.05)
