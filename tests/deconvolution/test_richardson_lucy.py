"""What a user relies on: the deconvolved pixels, against slow references, the data's truth and simple physics."""

import re
from importlib import import_module

import dask.array
import distributed
import numpy as np
import pytest
import tifffile
from hypothesis import given, strategies as st
from scipy import ndimage
from scipy.fft import next_fast_len
from scipy.signal import fftconvolve

from lightsheet.deconvolution.engines import describe_engine, resolve_iterations, richardson_lucy
from lightsheet.deconvolution.method import CHOICES, ENGINES
from lightsheet.system.errors import InputError
from tests.support.engines import relative_l2
from tests.support.families import parametrize
from tests.support.reference_data import DATA

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is absent: set LIGHTSHEET_DATA")


def slow_replicate(image, psf, iterations):
    """In float64, by sums over the PSF instead of FFTs (ndimage centres a filter at N // 2, as ITK does)."""
    shape = [next_fast_len(n + 2 * (k // 2), real=True) for n, k in zip(image.shape, psf.shape, strict=True)]
    low = [(t - n) // 2 for t, n in zip(shape, image.shape, strict=True)]
    pads = [(a, t - n - a) for a, t, n in zip(low, shape, image.shape, strict=True)]
    observed, psf = np.pad(image.astype(float), pads, mode="edge"), psf / psf.sum()
    estimate = observed.copy()
    for _ in range(iterations):
        blurred = ndimage.convolve(estimate, psf, mode="wrap")
        quotient = observed / np.where(blurred < 1e-5, np.inf, blurred)
        estimate *= ndimage.correlate(quotient, psf, mode="wrap")
    return estimate[tuple(slice(a, a + n) for a, n in zip(low, image.shape, strict=True))]


def slow_extended(image, psf, iterations):
    """In float64, on exactly the voxels whose light can reach the field of view; flat start at 1."""
    psf = psf / psf.sum()
    low = [k - 1 - k // 2 for k in psf.shape]
    view = tuple(slice(a, a + n) for a, n in zip(low, image.shape, strict=True))
    estimate = np.ones([n + k - 1 for n, k in zip(image.shape, psf.shape, strict=True)])
    mask = np.zeros_like(estimate)
    mask[view] = 1
    captured = ndimage.correlate(mask, psf, mode="constant")
    weight = np.where(captured < 0.01 * captured.max(), 0, 1 / np.maximum(captured, 1e-9))
    quotient = np.zeros_like(estimate)
    for _ in range(iterations):
        blurred = ndimage.convolve(estimate, psf, mode="constant")[view]
        quotient[view] = image / np.where(blurred > 0, blurred, np.inf)
        estimate *= weight * ndimage.correlate(quotient, psf, mode="constant")
    return estimate[view]


def gaussian(sigmas, radii):
    axes = np.meshgrid(*[np.arange(-r, r + 1) for r in radii], indexing="ij")
    psf = np.exp(-sum(a**2 / (2 * s**2) for a, s in zip(axes, sigmas, strict=True)))
    return psf / psf.sum()


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


sizes = st.tuples(*[st.integers(1, 9)] * 3)


@pytest.mark.parametrize("engine", ["cpu", "cpu-sweeps"])
@pytest.mark.parametrize(("boundary", "slow"), [("replicate", slow_replicate), ("extended", slow_extended)])
@given(shape=sizes, psf_shape=sizes, seed=st.integers(0, 2**32 - 1), iterations=st.integers(1, 8))
def test_cpu_is_richardson_lucy_for_any_shapes(engine, boundary, slow, shape, psf_shape, seed, iterations):
    """1e-5 is what design.md asks of engines; float32 FFTs of these sizes reach about 1e-6."""
    random = np.random.default_rng(seed)
    image = random.random(shape) * 1000
    image[random.random(shape) < 0.2] = 0
    image.flat[0] = 500  # not all of it
    psf = random.random(psf_shape) + 0.05
    result = richardson_lucy(image, psf, iterations=iterations, engine=engine, boundary=boundary)
    assert result.dtype == np.float32
    assert result.shape == shape
    assert relative_l2(result, slow(image, psf, iterations)) < 1e-5


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize(("iterations", "expected"), [(10, 0.5745), (30, 0.6663), (100, 0.7086)])
def test_bars_come_as_close_to_their_truth_as_with_itk(iterations, expected):
    """Numbers of shared/data/README.md, to their last digit."""
    image, psf, truth = (
        tifffile.imread(DATA / f"bars_flowdec/bars-25pct_{name}.tif") for name in ("data", "kernel", "actual")
    )
    result = richardson_lucy(image, psf, iterations=iterations, engine="cpu", boundary="replicate")
    assert correlation(result, truth) == pytest.approx(expected, abs=5e-5)


@pytest.mark.slow
@needs_data
def test_grid_with_a_psf_larger_than_itself_and_off_centre():
    """Numbers of shared/data/README.md, to their last digit."""
    image = tifffile.imread(DATA / "confocal_bia/DeconvolutionSampleVerticalGrid1AU-crop.tif")
    psf = tifffile.imread(DATA / "confocal_bia/psf_45cube_offcentre.tif")
    result = richardson_lucy(image, psf, iterations=20, engine="cpu", boundary="replicate")
    assert result.max() == pytest.approx(23.56, abs=0.01)
    assert result.sum(dtype=float) / image.sum() == pytest.approx(1.0735, abs=5e-5)


def test_extended_boundary_deals_with_light_from_outside():
    """Of the light here 29 % comes from outside, most of it from two bright bodies 4 voxels beyond the edge.

    Relative errors: image 0.63, replicate 0.56, extended 0.36.
    """
    random = np.random.default_rng(0)
    scene = np.zeros((48, 80, 80))
    scene[tuple(random.integers(0, size, 100) for size in scene.shape)] = 1
    scene[24, 18, 40] = scene[24, 40, 61] = 10
    scene = 10 + 3e4 * ndimage.gaussian_filter(scene, 2.0)
    psf = gaussian((4, 2.5, 2.5), (12, 8, 8))
    view = (slice(14, 34), slice(22, 58), slice(22, 58))
    image = random.poisson(fftconvolve(scene, psf, mode="same")[view])
    error = {
        boundary: relative_l2(richardson_lucy(image, psf, iterations=40, engine="cpu", boundary=boundary), scene[view])
        for boundary in CHOICES["boundary"]
    }
    assert error["extended"] < 0.7 * error["replicate"]
    assert error["extended"] < 0.6 * relative_l2(image, scene[view])


@pytest.mark.parametrize("boundary", CHOICES["boundary"])
def test_a_point_stays_where_it_is_and_keeps_its_light(boundary):
    """The PSF is lopsided, so that a flipped one would be noticed: it moves the point by 0.5 voxel."""
    psf = gaussian((2, 1.5, 1.5), (6, 5, 5))
    psf *= np.linspace(0.5, 1.5, 13)[:, None, None]
    image = np.zeros((33, 32, 31))
    image[16, 15, 14] = 1000
    image = fftconvolve(image, psf / psf.sum(), mode="same").clip(0)
    result = richardson_lucy(image, psf, iterations=20, engine="cpu", boundary=boundary)
    shift = np.subtract(ndimage.center_of_mass(result), (16, 15, 14))
    assert np.abs(shift).max() < 0.01
    assert result.sum(dtype=float) == pytest.approx(1000, rel=0.01)
    assert result[16, 15, 14] > 5 * image.max()


@parametrize("engine", ["cpu", "cpu-sweeps"])
@pytest.mark.parametrize("boundary", CHOICES["boundary"])
def test_the_same_bits_for_any_number_of_threads(boundary, engine, monkeypatch):
    monkeypatch.setattr(import_module(ENGINES[engine]), "VOXELS_OF_A_THREAD", 1)
    random = np.random.default_rng(1)
    image, psf = random.random((23, 31, 37)), random.random((9, 6, 8))
    one, *others = (
        richardson_lucy(image, psf, iterations=5, engine=engine, boundary=boundary, threads=threads)
        for threads in (1, 1, 2, 5)
    )
    for other in others:
        assert np.array_equal(one, other)


@pytest.mark.parametrize("boundary", CHOICES["boundary"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", ">u2", "float16", "float64"])
def test_any_real_dtype_and_memory_order(boundary, dtype):
    image = np.random.default_rng(2).random((9, 8, 7)).round().astype(dtype)
    settings = {"iterations": 3, "engine": "cpu", "boundary": boundary}
    psf = gaussian((1, 1, 1), (2, 2, 2))
    expected = richardson_lucy(image.astype(np.float32), psf, **settings)
    assert np.array_equal(richardson_lucy(np.asfortranarray(image), psf[::-1][::-1], **settings), expected)


@pytest.mark.parametrize("boundary", CHOICES["boundary"])
def test_black_negative_and_lone_voxels_stay_finite(boundary):
    psf = gaussian((2, 2, 2), (4, 4, 4))
    settings = {"iterations": 20, "engine": "cpu", "boundary": boundary}
    assert not richardson_lucy(np.zeros((8, 9, 10)), psf, **settings).any()
    lone = np.zeros((8, 9, 10))
    lone[0, 4, 9] = 60000
    result = richardson_lucy(lone, psf, **settings)
    assert np.unravel_index(result.argmax(), lone.shape) == (0, 4, 9)
    below = np.where(lone, lone, -1000)
    assert np.array_equal(richardson_lucy(below, psf, **settings), result)


def test_extended_boundary_knows_no_units():
    """Times a power of 2, an image gives the same bits times it: no threshold is in units of the image."""
    image = np.random.default_rng(3).random((9, 8, 7)).astype(np.float32)
    psf = gaussian((1, 1, 1), (2, 2, 2))
    counts = richardson_lucy(image * 2**16, psf, iterations=5, engine="cpu")
    fractions = richardson_lucy(image / 2**16, psf, iterations=5, engine="cpu")
    assert np.array_equal(counts, fractions * np.float32(2**32))


GOOD = np.ones((4, 5, 6))
BLOB = gaussian((1, 1, 1), (3, 3, 3))
NAN = np.where(np.arange(6) == 3, np.nan, GOOD)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": np.ones((5, 6))}, r"the image has shape \(5, 6\); it must be a \(z, y, x\) volume"),
        ({"psf": np.ones((0, 5, 6))}, r"the PSF has shape \(0, 5, 6\)"),
        ({"image": GOOD * 1j}, "the image has dtype complex128; it must hold real numbers"),
        ({"image": NAN}, "the image has voxels that are NaN or infinite"),
        ({"psf": NAN}, "the PSF has voxels that are NaN or infinite"),
        ({"image": GOOD * 1e39}, "the image has voxels that are NaN or infinite in float32"),
        ({"psf": GOOD * 0}, "the PSF's sum is 0; it must be positive"),
        ({"iterations": 0}, "iterations: 0 is too few; give 1 or more"),
        ({"iterations": 2.5}, "iterations: 2.5 is neither a whole number nor auto"),
        ({"iterations": "auto", "boundary": "replicate"}, "iterations: auto needs boundary: extended"),
        ({"engine": "gpus"}, "engine: there is no 'gpus'; choose one of auto, cpu, cpu-sweeps, gpu, itk, skimage"),
        ({"boundary": "zero"}, "boundary: there is no 'zero'; choose one of extended, replicate"),
        ({"acceleration": "fast"}, "acceleration: there is no 'fast'; choose one of none, biggs, heavy-ball"),
        ({"engine": "itk", "boundary": "extended"}, "engine itk has no 'extended'; choose engine: cpu or"),
        (
            {"image": BLOB / BLOB.max() * 3e38, "psf": BLOB, "iterations": 9},
            "the deconvolved volume exceeds what float32 holds",
        ),
    ],
)
def test_wrong_arguments_get_a_sentence(changes, sentence):
    arguments = {"image": GOOD, "psf": GOOD, "iterations": 1, "engine": "cpu"} | changes
    with pytest.raises(InputError, match=sentence):
        richardson_lucy(arguments.pop("image"), arguments.pop("psf"), **arguments)


@pytest.mark.parametrize("leading", [(), (2, 1)])
def test_a_dask_array_of_channels_and_timepoints_simply_works(leading):
    random = np.random.default_rng(8)
    images, psf = random.random((2, 3, 6, 9, 10)), random.random((*leading, 3, 3, 3))
    lazy = richardson_lucy(dask.array.from_array(images, chunks=(1, 1, -1, -1, -1)), psf, iterations=3)
    assert lazy.dtype == np.float32
    psfs = np.broadcast_to(psf, (2, 3, 3, 3, 3))
    expected = [
        [richardson_lucy(images[c, t], psfs[c, t], iterations=3, engine="cpu") for t in range(3)] for c in range(2)
    ]
    np.testing.assert_array_equal(lazy.compute(), expected)


@pytest.mark.slow
def test_blocks_of_one_volume_can_go_to_several_workers():
    random = np.random.default_rng(9)
    image, psf = random.random((6, 60, 64)) * 100, gaussian((0.5, 1, 1), (1, 2, 2))
    whole = richardson_lucy(image, psf, iterations=5, engine="cpu")
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        blocks = dask.array.from_array(image, chunks=(6, 30, 32))
        result = client.persist(richardson_lucy(blocks, psf, iterations=5, engine="cpu"))
        distributed.wait(result)
        assert len({worker for holders in client.who_has(result).values() for worker in holders}) == 2
        result = result.compute()
    assert relative_l2(result, whole) < 1e-3  # what blocks promise, see test_blocks.py


@pytest.mark.slow
def test_iterations_auto_stands_for_a_number():
    random = np.random.default_rng(10)
    psf = gaussian((1, 1.5, 1.5), (3, 4, 4))
    scene = np.zeros((16, 32, 32))
    scene[tuple(random.integers(2, n - 2, 40) for n in scene.shape)] = 3000
    image = random.poisson(fftconvolve(scene, psf, mode="same").clip(0) + 5.0).astype(np.float32) - 5
    number = resolve_iterations(image, psf, acceleration="heavy-ball")
    assert 2 < number < 100
    how = {"acceleration": "heavy-ball", "engine": "cpu"}
    results = [richardson_lucy(image, psf, iterations=n, **how) for n in ("auto", number)]
    np.testing.assert_array_equal(*results)


def test_engine_version_names_the_libraries():
    import scipy

    assert describe_engine("cpu-sweeps") == f"cpu-sweeps 3 (numpy {np.__version__}, scipy {scipy.__version__})"
    assert re.fullmatch(rf"cpu 3 \(numba [\d.]+, llvmlite [\d.]+, numpy {np.__version__}\)", describe_engine("cpu"))
    assert describe_engine("itk").startswith("itk 3 (itk 5.")
