"""No NaN leaves an engine, whatever comes in."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from lightsheet.system.errors import InputError
from tests.support.engines import CASES, IN_PROCESS, restore
from tests.support.point_images import gaussian

every_engine = pytest.mark.parametrize("case", CASES)
in_this_process = pytest.mark.parametrize("case", IN_PROCESS)

SMALLEST, LARGEST = 1e-45, 3e38  # of float32, a denormal and a normal number
PSF = gaussian((7, 5, 5), (3, 2, 2), {"z": 1, "y": 1, "x": 1}, (1.5, 1, 1))
shapes = st.tuples(*[st.integers(1, 7)] * 3)
images = arrays(
    np.float32,
    shapes,
    elements=st.sampled_from([0, SMALLEST, 1e-38, 1e-20, 1e-5, 1, 65535, 1e20, LARGEST]),
    fill=st.just(0),
)
psfs = arrays(np.float32, shapes, elements=st.sampled_from([0, SMALLEST, 1e-20, 1e-5, 1]), fill=st.just(0))


@in_this_process
@given(image=images, psf=psfs.filter(lambda psf: psf.sum() > 0))
def test_zeros_denormals_and_huge_numbers_make_no_nan(case, image, psf):
    """A volume whose result float32 cannot hold gets a sentence."""
    try:
        result = restore(image, psf, case, 10)
    except InputError as error:
        if "exceeds what float32 holds" in str(error):
            return
        raise
    assert result.dtype == np.float32
    assert np.isfinite(result).all()


@every_engine
def test_one_voxel_of_light_among_zeros_makes_no_nan(case):
    image = np.zeros((9, 8, 7))
    image[0, 4, 6] = 60000
    result = restore(image, PSF, case, 10)
    assert np.isfinite(result).all()
    assert result.argmax() == image.argmax()


@in_this_process
@pytest.mark.parametrize("level", [SMALLEST, 1], ids=["denormal", "one"])
def test_a_flat_image_stays_flat(case, level):
    """Where the PSF meets no edge, to 3 %; to 10 % with scikit-image, which sees darkness half a PSF further out."""
    image = np.full((13, 12, 11), level, np.float32)
    result = restore(image, PSF, case, 10)
    assert np.isfinite(result).all()
    if level != SMALLEST:  # of which float32 holds multiples only
        assert result[3:-3, 2:-2, 2:-2] == pytest.approx(level, rel=0.1 if case[0] == "skimage" else 0.03)


@in_this_process
def test_negative_voxels_count_as_zero(case):
    """What the removal of the background leaves of the camera's noise."""
    image = np.random.default_rng(4).normal(0, 5, (9, 8, 7))
    image[4, 4, 3] = 1000
    result = restore(image, PSF, case, 10)
    assert np.isfinite(result).all()
    assert np.array_equal(result, restore(image.clip(0), PSF, case, 10))


@in_this_process
def test_saturated_voxels_stay_in_proportion(case):
    """A body of which the camera cut the top off: of the light that it counted, the result has 2 % more or less."""
    body = 2e5 * gaussian((21, 20, 19), (10, 10, 9), {"z": 1, "y": 1, "x": 1}, (3, 3, 3))
    image = np.minimum(body, 65535).astype(np.uint16)
    result = restore(image, PSF, case, 20)
    assert np.isfinite(result).all()
    assert result.sum(dtype=float) == pytest.approx(image.sum(), rel=0.02)


@every_engine
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(case, wrong):
    image = np.ones((4, 5, 6))
    image[1, 2, 3] = wrong
    with pytest.raises(InputError, match="the image has voxels that are NaN or infinite"):
        restore(image, PSF, case, 1)
    with pytest.raises(InputError, match="the PSF has voxels that are NaN or infinite"):
        restore(PSF, image, case, 1)
