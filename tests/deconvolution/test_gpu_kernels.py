"""Engine gpu's kernels: that CUDA's compiler takes them for every GPU, and what they compute, by the oracle's steps."""

import importlib.metadata
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lightsheet.deconvolution import backend, fourier, gpu_kernels
from lightsheet.deconvolution.backend import Setup
from lightsheet.deconvolution.gpu_backend import round_up_for_cufft
from lightsheet.deconvolution.gpu_code import CODE
from lightsheet.deconvolution.momentum import extrapolate
from lightsheet.deconvolution.padding import Weights, compute_weights, make_frame
from tests.support import nvrtc
from tests.support.cuda_on_cpu import Kernel, list_parameters
from tests.support.families import parametrize

needs_compiler = pytest.mark.skipif(
    not any(d.metadata["Name"] == "nvidia-cuda-nvrtc-cu12" for d in importlib.metadata.distributions()),
    reason="CUDA's compiler, nvidia-cuda-nvrtc-cu12, is not installed (there is none for this system)",
)


NO_WAIT = SimpleNamespace(record=lambda event: event, synchronize=lambda: None)


class OnProcessor:
    """NumPy, with what the kernels' class asks of CuPy; all is done at once."""

    cuda = SimpleNamespace(get_current_stream=lambda: NO_WAIT, Event=lambda **_: NO_WAIT)
    empty = staticmethod(np.empty)

    class RawModule:
        def __init__(self, code):
            self.code = code

        def get_function(self, name):
            kernel = Kernel(self.code, name)
            return lambda grid, block, arguments: kernel(*grid, *block, arguments)


class Sums(np.ndarray):
    """An array that is on the host already."""

    def get(self):
        return np.asarray(self)


OnProcessor.empty = staticmethod(lambda shape, dtype: np.empty(shape, dtype).view(Sums))
KERNELS = gpu_kernels.Kernels(OnProcessor)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-45, 3e38, -3e38, -1], np.float32)
sizes = st.tuples(*[st.integers(1, 9)] * 3)
seeds = st.integers(0, 2**32 - 1)


@needs_compiler
@parametrize("gpu", list(nvrtc.ARCHITECTURES))
def test_they_compile_for_every_gpu_that_cuda_12_knows(gpu):
    _, warnings = nvrtc.compile_code(CODE, nvrtc.ARCHITECTURES[gpu])
    assert not warnings


@needs_compiler
def test_each_kernel_is_in_what_is_compiled():
    code, _ = nvrtc.compile_code(CODE, 90)
    for name in list_parameters(CODE):
        assert f".text.{name}\0".encode() in code
    with pytest.raises(nvrtc.CompilationError, match="identifier"):
        nvrtc.compile_code(CODE.replace("threadIdx.x", "thread", 1), 90)


def test_sizes_are_those_that_cufft_likes():
    assert round_up_for_cufft((301, 1087, 831)) == (315, 1120, 840)
    assert round_up_for_cufft((1, 7, 7)) == (1, 7, 8), "along x even: real numbers take half the work then"


def draw(random, shape, special=0.1):
    """Return voxels of any sign, some of them of `SPECIAL`."""
    voxels = (random.random(shape) * 4 - 1).astype(np.float32)
    return np.where(random.random(shape) < special, random.choice(SPECIAL, shape), voxels)


def pad_rows(array):
    """Return the same in rows that are longer, as those in which FFTs work in place."""
    z, y, x = array.shape
    longer = np.full((z, y, 2 * (x // 2 + 1)), np.nan, np.float32)
    longer[:, :, :x] = array
    return longer[:, :, :x]


def assert_same(results, expected):
    """To the bit, as both round every product and sum; NaN is NaN."""
    for result, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, other)


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


@given(size=st.integers(1, 3000), seed=seeds)
def test_spectra_are_multiplied(size, seed):
    random = np.random.default_rng(seed)
    spectrum, otf = (random.random((2, size)) - 0.5 + 1j * random.random((2, size))).astype(np.complex64)
    for name in ("multiply", "multiply_by_conjugate"):
        result, expected = spectrum.copy(), spectrum.copy()
        getattr(KERNELS, name)(result, otf)
        getattr(backend, name)(expected, otf)
        np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-7)


@given(shape=sizes, psf_shape=sizes, is_extended=st.booleans(), seed=seeds)
def test_images_are_placed_and_divided(shape, psf_shape, is_extended, seed):
    random = np.random.default_rng(seed)
    boundary = "extended" if is_extended else "replicate"
    frame = make_frame(shape, psf_shape, boundary, round_up_for_cufft)
    image, blurred = np.abs(draw(random, shape, 0)), draw(random, frame.shape)
    places = [index.astype(np.int32) for index in fourier.find_places(frame, boundary)]
    setup = Setup(frame, places, None, None, is_extended)
    result, expected = pad_rows(blurred), blurred.copy()
    KERNELS.make_divider(image, setup, np.float32(0.1))(result)
    backend.make_divider(image, setup, np.float32(0.1))(expected)
    assert_same([result], [expected])
    if not is_extended:
        placed = np.empty(frame.shape, np.float32)
        KERNELS.place(placed, image, places)
        backend.place_voxels(expected, image, places)
        assert_same([placed], [expected])


def draw_steps(shape, psf_shape, seed):
    """Return a correction, a prediction, what was before, and weights."""
    random = np.random.default_rng(seed)
    psf = random.random(psf_shape).astype(np.float32)
    frame = make_frame(shape, psf_shape, "extended", round_up_for_cufft)
    table, indices = compute_weights(psf / psf.sum(), frame)
    weights = Weights(table, tuple(index.astype(np.int32) for index in indices))
    return draw(random, frame.shape), *np.abs([draw(random, frame.shape) for _ in range(2)]), weights


@given(shape=sizes, psf_shape=sizes, clips=st.booleans(), seed=seeds)
def test_estimates_are_corrected(shape, psf_shape, clips, seed):
    """NaN stays NaN: CUDA's `max` would make 0 of it, and a volume that has overflowed would be black."""
    correction, prediction, _, weights = draw_steps(shape, psf_shape, seed)
    result, expected = [pad_rows(correction), prediction.copy()], [correction.copy(), prediction.copy()]
    KERNELS.correct(*result, weights, clips)
    backend.correct_planes(*expected, weights, clips)
    assert_same(result, expected)


@given(shape=sizes, psf_shape=sizes, alpha=st.floats(0, 0.99), seed=seeds)
def test_estimates_are_extrapolated(shape, psf_shape, alpha, seed):
    correction, prediction, previous, weights = draw_steps(shape, psf_shape, seed)
    factors = np.float32(1 + alpha), np.float32(1 - alpha)
    result = [pad_rows(correction), prediction.copy(), previous.copy()]
    expected = [correction.copy(), prediction.copy(), previous.copy()]
    KERNELS.correct_and_extrapolate(*result, weights, *factors)
    backend.correct_and_extrapolate(*expected, weights, *factors)
    assert_same(result, expected)
    result[0] = pad_rows(correction)
    KERNELS.extrapolate(*result, *factors)
    expected[0] = correction.copy()
    extrapolate(*expected, *factors)
    assert_same(result, expected)


@pytest.mark.parametrize("seed", range(5))
def test_changes_are_summed_in_double(seed):
    correction, prediction, change, weights = draw_steps((9, 8, 7), (5, 6, 7), seed)
    correction, prediction, change = (
        np.nan_to_num(a, posinf=1, neginf=1) % 3 for a in (correction, prediction, change)
    )
    result = [pad_rows(correction), prediction.copy(), change.copy()]
    expected = [correction.copy(), prediction.copy(), change.copy()]
    sums = KERNELS.correct_and_compare(*result, weights)
    np.testing.assert_allclose(sums, backend.correct_and_compare(*expected, weights), rtol=1e-6)
    before, step = change.astype(float), expected[2].astype(float)
    np.testing.assert_allclose(sums, [(before * step).sum(), (before**2).sum()], rtol=1e-12)
    assert_same([result[0], result[2]], [expected[0], expected[2]])
    assert sums == KERNELS.correct_and_compare(pad_rows(correction), prediction.copy(), change.copy(), weights)


def test_sums_of_nan_are_nan():
    correction, prediction, change, weights = draw_steps((4, 5, 6), (3, 3, 3), 0)
    product, square = KERNELS.correct_and_compare(pad_rows(correction), prediction, change, weights)
    assert np.isnan(product)
    assert np.isnan(square)
