"""What was never measured, in the middle of a volume: engines against each other, the cropped image and the truth."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import ndimage

from lightsheet.deconvolution import (
    find_brightest_region,
    find_measured,
    fourier,
    fused,
    gpu_memory,
    mask as masks,
    richardson_lucy,
    sweeps,
)
from lightsheet.deconvolution.backend import make_numpy_backend
from lightsheet.deconvolution.engines import resolve_iterations
from lightsheet.deconvolution.method import CHOICES, Method
from lightsheet.system import InputError
from tests.support import fake_cupy
from tests.support.engines import relative_l2
from tests.support.families import parametrize

ACCELERATIONS = CHOICES["acceleration"]
ENGINES = ("cpu", "cpu-sweeps")


def simulate(shape, psf_shape, seed=0):
    random = np.random.default_rng(seed)
    psf = random.random(psf_shape).astype(np.float32) + np.float32(0.05)
    return random.random(shape).astype(np.float32) * 1000, psf / psf.sum()


def skew(shape, width):
    """Return where a stack of this width was measured that was deskewed into this shape."""
    z, _, x = np.indices(shape)
    return (x >= z) & (x < z + width)


@pytest.mark.parametrize("acceleration", ACCELERATIONS)
def test_engines_agree(acceleration):
    """Weights of up to 100 enlarge the rounding of the FFT, of 1e-7, and momentum does so again: 5e-5."""
    shape, method = (19, 45, 70), Method(6, acceleration=acceleration)
    image, psf = simulate(shape, (5, 8, 9))
    mask, backend = skew(shape, 50), make_numpy_backend(1)
    image *= mask
    setup = fourier.prepare(shape, psf, method, backend)
    setup = setup._replace(weights=fourier.weigh_mask(setup, mask, backend))
    expected = fourier.iterate(image, setup, method, backend)
    for engine in (fused, sweeps):
        masks.forget_weights()
        assert relative_l2(engine.deconvolve(image, psf, method, 2, mask), expected) < 2e-4


sizes = st.tuples(*[st.one_of(st.integers(1, 9), st.sampled_from([31, 32, 33, 47]))] * 3)


@pytest.mark.slow
@given(shape=sizes, psf_shape=st.tuples(*[st.integers(1, 9)] * 3), acceleration=st.sampled_from(ACCELERATIONS))
def test_what_is_measured_everywhere_has_the_weights_of_no_mask(shape, psf_shape, acceleration):
    image, psf = simulate(shape, psf_shape)
    method, mask = Method(3, acceleration=acceleration), np.ones(shape, bool)
    for engine in (fused, sweeps):
        masks.forget_weights()
        masked, plain = engine.deconvolve(image, psf, method, 1, mask), engine.deconvolve(image, psf, method, 1)
        # A voxel of which the camera captured just 1 % may fall on either side of the limit: in small PSFs 1e-3.
        assert relative_l2(masked, plain) < 2e-3


@pytest.mark.parametrize(("engine", "acceleration"), list(product(ENGINES, ACCELERATIONS)))
def test_planes_that_were_never_measured_are_as_if_the_image_ended_there(engine, acceleration):
    image, psf = simulate((21, 40, 37), (5, 6, 7))
    mask = np.zeros(image.shape, bool)
    part = (slice(6, None), slice(None), slice(0, 30))
    mask[part] = True
    settings = {"iterations": 5, "engine": engine, "acceleration": acceleration}
    masked = richardson_lucy(image, psf, mask=mask, **settings)
    # "biggs" sums over the cyclic array, whose dark part is larger here: its second step is shorter.
    bound = 0.02 if acceleration == "biggs" else 1e-5
    assert relative_l2(masked[part], richardson_lucy(image[part], psf, **settings)) < bound
    assert not masked[~mask].any()


@parametrize("engine", ENGINES)
def test_an_oblique_face_is_no_darkness(engine):
    """Where the PSF reaches no face, the result is the whole image's; as much light as there is comes out."""
    random, widths = np.random.default_rng(1), (2, 1.3, 1.3)
    truth = np.where(ndimage.gaussian_filter(random.random((32, 48, 112)), 1) > 0.56, 200.0, 5.0)
    psf = np.zeros((15, 11, 11), np.float32)
    psf[7, 5, 5] = 1
    psf = ndimage.gaussian_filter(psf, widths)
    image = random.poisson(ndimage.gaussian_filter(truth, widths)).astype(np.float32)
    mask = skew(truth.shape, 80)
    z, _, x = np.indices(truth.shape)
    depth = np.where(mask, np.minimum(x - z, z + 79 - x), -1)
    whole = richardson_lucy(image, psf, iterations=10, engine=engine)
    cut = richardson_lucy(np.where(mask, image, 65535), psf, iterations=10, engine=engine, mask=mask)
    inside, near = depth >= 8, (depth >= 2) & (depth < 8)
    assert relative_l2(cut[inside], whole[inside]) < 0.02
    assert cut[near].sum() == pytest.approx(whole[near].sum(), rel=0.02)
    dark = richardson_lucy(np.where(mask, image, 0), psf, iterations=10, engine=engine)
    assert relative_l2(dark[near], whole[near]) > 0.2, "the simulation shows nothing"


@pytest.mark.slow
def test_blocks_and_gpu_heed_the_mask(monkeypatch):
    image, psf = simulate((40, 48, 90), (3, 3, 3))
    mask = skew(image.shape, 30)
    cpu = richardson_lucy(image, psf, iterations=3, engine="cpu-sweeps", mask=mask)
    masks.forget_weights()
    fake_cupy.install(monkeypatch)
    assert relative_l2(richardson_lucy(image, psf, iterations=3, engine="gpu", mask=mask), cpu) < 1e-4
    runs = find_measured(np.where(mask, image + 1, 0), [0])
    assert relative_l2(richardson_lucy(image, psf, iterations=3, engine="gpu", mask=runs), cpu) < 1e-4
    needs = gpu_memory.estimate_memory((40, 48, 60), psf.shape, Method(1), is_masked=True)
    monkeypatch.setattr(gpu_memory, "find_memory_budget", lambda: needs)
    masks.forget_weights()
    assert relative_l2(richardson_lucy(image, psf, iterations=3, engine="gpu", mask=mask), cpu) < 1e-3


def test_what_was_measured_nowhere_is_dark():
    image, psf = simulate((5, 6, 7), (3, 3, 3))
    result = richardson_lucy(image, psf, iterations=2, mask=np.zeros(image.shape, bool))
    assert (result.shape, result.dtype, result.any()) == (image.shape, np.float32, False)
    image[0] = np.nan
    mask = np.ones(image.shape, bool)
    mask[0] = False
    assert np.isfinite(richardson_lucy(image, psf, iterations=2, mask=mask)).all(), "whatever is there"
    assert np.isnan(image[0]).all(), "the caller's array is not changed"


def test_weights_of_another_mask_or_psf_are_not_used_again():
    image, psf = simulate((9, 20, 20), (3, 5, 5))
    first, second = skew(image.shape, 12), skew(image.shape, 9)

    def deconvolve(psf, mask):
        return richardson_lucy(image, psf, iterations=3, mask=mask)

    expected = []
    for case in ((psf, first), (psf, second), (psf[:, ::-1], first), (psf, None)):
        masks.forget_weights()
        expected.append(deconvolve(*case))
    for case, result in zip(((psf, first), (psf, second), (psf[:, ::-1], first), (psf, None)), expected, strict=True):
        assert np.array_equal(deconvolve(*case), result)
    assert not masks.CACHE, "nothing is kept once it is not needed"


def test_weights_of_an_engine_are_not_used_by_another_one(monkeypatch):
    fake_cupy.install(monkeypatch)
    image, psf = simulate((8, 20, 18), (3, 4, 5))  # padded alike by all three
    mask = skew(image.shape, 12)
    results = [
        richardson_lucy(image, psf, iterations=3, engine=engine, mask=mask)
        for engine in ("cpu", "cpu-sweeps", "cpu", "gpu", "cpu-sweeps", "gpu")
    ]
    assert max(relative_l2(result, results[0]) for result in results) < 2e-4
    masks.forget_weights()  # of an engine that others do not have


@pytest.mark.slow
def test_iterations_are_chosen_from_what_was_measured():
    """The part that is tried is cut by a face: the number is that of the part alone, and darkness would change it."""
    random = np.random.default_rng(3)
    truth = ndimage.gaussian_filter(random.random((24, 64, 64)), 1.5)
    truth = np.where(truth > np.percentile(truth, 90), 300.0, 10.0)
    psf = np.zeros((9, 9, 9), np.float32)
    psf[4, 4, 4] = 1
    psf = ndimage.gaussian_filter(psf, 1.5)
    image = random.poisson(ndimage.gaussian_filter(truth, 1.5)).astype(np.float32)
    mask = np.ones(image.shape, bool)
    mask[:, :, 40:] = False
    masked = resolve_iterations(np.where(mask, image, 0), psf, mask=mask)
    alone = resolve_iterations(np.ascontiguousarray(image[:, :, :40]), psf)
    assert masked == pytest.approx(alone, rel=0.3)


def test_fill_is_not_the_brightest_region():
    image = np.zeros((40, 160, 160), np.float32)
    image[:, :, :20], image[5, 140, 140] = 65535, 100
    mask = np.ones(image.shape, bool)
    mask[:, :, :20] = False
    region = find_brightest_region(image, mask)
    assert image[region].max() == 100


@pytest.mark.parametrize("settings", [{"boundary": "replicate"}, {"engine": "itk"}, {"engine": "skimage"}])
def test_methods_that_cannot_say_so(settings):
    settings = {"engine": "cpu", "boundary": "replicate"} | settings
    with pytest.raises(InputError, match="never measured; choose boundary: extended with engine: cpu or gpu"):
        richardson_lucy(*simulate((5, 5, 5), (3, 3, 3)), iterations=1, mask=np.ones((5, 5, 5), bool), **settings)


def test_a_mask_has_the_images_shape():
    image, psf = simulate((5, 6, 7), (3, 3, 3))
    with pytest.raises(InputError, match="a mask is for one"):
        richardson_lucy(image, psf, iterations=1, mask=np.ones((5, 6, 8), bool))
