import math

import numpy as np
import pytest

from lightsheet.simulation import optics, scene
from lightsheet.simulation.simulate import VOXEL_SIZE, simulate_volume

SHAPE = (12, 40, 36)


@pytest.mark.slow
def test_a_larger_field_shows_more_of_the_same_scene():
    small, _ = simulate_volume(1, 2, SHAPE)
    large, _ = simulate_volume(1, 2, (20, 140, 110))
    middle = large[4:16, 50:90, 37:73]
    # Float32 places in a larger canvas differ in their last digits, and soft edges with them.
    np.testing.assert_allclose(small, middle, rtol=1e-3, atol=1e-3 * small.max())
    assert np.linalg.norm(small - middle) < 1e-4 * np.linalg.norm(small)


def test_brightest_voxel_is_about_the_photons_asked_for():
    for channel in range(3):
        _, image = simulate_volume(channel, 0, (20, 100, 100), peak_photons=1000)
        assert 500 < image.max() - 100 < 2000


@pytest.mark.slow
def test_scene_moves_slowly():
    psf = optics.model_image_psf(scene.CHANNELS[0], VOXEL_SIZE)
    first, second, tenth = (
        optics.blur_photons(scene.draw_scene(0, t, (20, 80, 80), psf, VOXEL_SIZE, 300.0, 0), psf).ravel()
        for t in (0, 1, 10)
    )
    assert 0.85 < np.corrcoef(first, second)[0, 1] < 0.995
    assert np.corrcoef(first, tenth)[0, 1] < np.corrcoef(first, second)[0, 1] - 0.1


@pytest.mark.slow
def test_scene_bleaches():
    """After one period of the wandering all is back in its place, and dimmer."""
    first, late = (simulate_volume(0, t, SHAPE)[0] for t in (0, int(scene.PERIOD)))
    assert late.sum() / first.sum() == pytest.approx(math.exp(-0.004 * scene.PERIOD), rel=1e-3)
