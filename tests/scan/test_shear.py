"""A sheared PSF, against one drawn on the scan's lattice from its formula."""

import math

import numpy as np
import pytest

from lightsheet.scan import shear_psf
from tests.support.stage_scan import scan_points


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("angle", [31.8, 45.0])
def test_it_is_the_psf_that_the_scan_sees(angle, direction, axis):
    """To 1e-6 of the peak; a Gaussian of 2 pixels holds nothing beyond the Nyquist frequency."""
    scan = {"angle": angle, "direction": direction, "axis": axis, "pixel": 0.1}
    spacing = 0.1
    z, y, x = np.indices((41, 31, 31)) - np.array([20, 15, 15])[:, None, None, None]
    straight = np.exp(-(z**2 + y**2 + x**2) / (2 * 2.0**2))
    sheared = shear_psf(straight, spacing=spacing, **scan)
    assert sheared.sum() == pytest.approx(straight.sum(), rel=1e-9)
    step = spacing / math.sin(math.radians(angle))  # of the stage, that planes lie `spacing` apart
    centre = np.array([[n // 2 for n in sheared.shape]], float)
    expected = scan_points(sheared.shape, centre, {**scan, "step": step}, width=2.0)
    np.testing.assert_allclose(sheared, expected, atol=1e-6)


def test_the_other_direction_takes_it_back():
    psf = np.random.default_rng(0).random((9, 7, 15))
    psf[:, :, [0, -1]] = 0
    scan = {"angle": 32.8, "spacing": 0.1, "pixel": 0.1}
    back = shear_psf(shear_psf(psf, **scan), direction=-1, **scan)
    margin = (back.shape[2] - 15) // 2
    np.testing.assert_allclose(back[:, :, margin : margin + 15], psf, atol=0.1)  # ripples leave a narrow part


def test_a_straight_line_along_z_leans_as_planes_move():
    psf = np.zeros((21, 5, 5))
    psf[:, 2, 2] = 1
    sheared = shear_psf(psf, angle=45, spacing=0.2, pixel=0.1)
    peaks = sheared[:, 2].argmax(axis=1) - sheared.shape[2] // 2
    np.testing.assert_array_equal(peaks, -2 * (np.arange(21) - 10))
