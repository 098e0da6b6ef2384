import math
from types import SimpleNamespace

import numpy as np
import pytest

from lightsheet.simulation import optics, scene
from lightsheet.simulation.simulate import VOXEL_SIZE, simulate_volume


@pytest.fixture(scope="module")
def view() -> SimpleNamespace:
    """One channel over more than one slab of the blur, with what lies around the field."""
    shape = (6, 150, 40)
    psf = optics.model_image_psf(scene.CHANNELS[0], VOXEL_SIZE)
    canvas = scene.draw_scene(0, 0, shape, psf, VOXEL_SIZE, 300.0, 3)
    _, image = simulate_volume(0, 0, shape, seed=3)
    return SimpleNamespace(psf=psf, canvas=canvas, blurred=optics.blur_photons(canvas, psf), image=image)


@pytest.mark.parametrize("channel", scene.CHANNELS, ids=lambda channel: str(channel.excitation_nm))
def test_the_psf_model_is_as_wide_as_published(channel):
    psf = optics.model_image_psf(channel, VOXEL_SIZE)
    middle = tuple(n // 2 for n in psf.shape)
    assert all(n % 2 for n in psf.shape)
    assert psf.sum() == pytest.approx(1, abs=1e-5)
    assert np.unravel_index(psf.argmax(), psf.shape) == middle
    # In the focal plane of a fine sampling, the second moment is that of Zhang et al.'s Gaussian; the
    # astigmatism of 0.06 um and averaging over the plane widen it a little.
    fine = optics.model_psf(channel, (1, 161, 161), {"z": 0.01, "y": 0.01, "x": 0.01}, (0, 80, 80))[0]
    spread = math.sqrt((fine.sum(axis=1) * (np.arange(161) - 80) ** 2).sum()) * 0.01
    assert spread == pytest.approx(0.225 * channel.emission_nm / 1000 / 1.1, rel=0.05)
    # The weak side lobes of the light sheet, 1.7 um above and below.
    planes = psf.sum(axis=(1, 2)) / psf.sum(axis=(1, 2)).max()
    assert 0.03 < planes[middle[0] - 6] < 0.1
    assert planes[middle[0] - 6] > planes[middle[0] - 4]


def test_psf_integrates_over_voxels():
    """Three planes of 0.1 um, and 2 x 2 pixels, hold what one voxel of their size holds."""
    channel = scene.CHANNELS[1]
    fine = optics.model_psf(channel, (57, 62, 62), {"z": 0.1, "y": 0.052, "x": 0.052}, (28, 30.5, 30.5))
    coarse = optics.model_psf(channel, (19, 31, 31), VOXEL_SIZE, (9, 15, 15))
    binned = fine.reshape(19, 3, 31, 2, 31, 2).sum(axis=(1, 3, 5))
    np.testing.assert_allclose(coarse, binned, atol=0.01 * coarse.max())  # z is sampled, not integrated


def test_measured_psf_is_off_centre_with_offset_and_noise():
    for channel in scene.CHANNELS:
        psf = optics.simulate_measured_psf(channel, (61, 24, 24), VOXEL_SIZE, np.random.default_rng(0))
        assert (psf.shape, psf.dtype) == ((61, 24, 24), np.uint16)
        dark = np.concatenate([psf[:3].ravel(), psf[-3:].ravel()])
        assert dark.mean() == pytest.approx(104, abs=1)
        assert dark.std() == pytest.approx(5, abs=0.5)
        assert 2000 < psf.max() < 2600
        bright = np.argwhere(psf > 1200).mean(axis=0)
        # (-1.8, 0.8, 1.1) voxels from N // 2; the mean place of the brightest few voxels is good to half a one.
        np.testing.assert_allclose(bright, (28.2, 12.8, 13.1), atol=0.5)


def test_image_is_the_scene_convolved_with_the_psf(view):
    """Against the sum that defines a convolution, at voxels across the slabs' borders."""
    rng = np.random.default_rng(0)
    voxels = [tuple(rng.integers(0, view.blurred.shape)) for _ in range(150)]
    voxels += [(3, y, 20) for y in (126, 127, 128, 129)]
    flipped = view.psf[::-1, ::-1, ::-1].astype(float)
    for voxel in voxels:
        window = view.canvas[tuple(slice(i, i + n) for i, n in zip(voxel, flipped.shape, strict=True))]
        expected = float((window * flipped).sum())
        # FFTs in single precision: 1e-7 of the brightest voxel of the scene, 3000 photons.
        assert float(view.blurred[voxel]) == pytest.approx(expected, abs=1e-3)


def test_noise_is_poisson_plus_read_noise_about_the_offset(view):
    expected = np.maximum(view.blurred, 0).astype(float)
    error = view.image - 100.0 - expected
    variance = expected + 4.0 + 1 / 12  # read noise of sd 2, rounding to whole counts
    # Five standard errors: of a sum of independent counts, and of a mean of squares (fourth moment below 4).
    assert abs(error.sum()) < 5 * math.sqrt(variance.sum())
    assert (error**2 / variance).mean() == pytest.approx(1, abs=5 * 2 / math.sqrt(error.size))


def test_flux_of_an_isolated_object_is_kept():
    psf = optics.model_image_psf(scene.CHANNELS[1], VOXEL_SIZE)
    canvas = np.zeros([3 * n for n in psf.shape], np.float32)
    canvas[tuple(n // 2 for n in canvas.shape)] = 50_000
    image = optics.expose_camera(optics.blur_photons(canvas, psf), np.random.default_rng(5))
    flux = (image - 100.0).sum()
    assert abs(flux - 50_000) < 5 * math.sqrt(50_000 + 4.1 * image.size)
