"""The kernels of a volume's way: that CUDA's compiler takes them, and what they make of every bit."""

import importlib.metadata

import numpy as np
import pytest

from lightsheet.processing import camera, gpu_code, gpu_steps, rounding, statistics
from lightsheet.store import pyramid
from lightsheet.store.last_bits import ALL_BITS, round_last_bits
from tests.support import nvrtc
from tests.support.cuda_on_cpu import list_parameters
from tests.support.families import parametrize
from tests.support.gpu_volumes import upload

needs_compiler = pytest.mark.skipif(
    not any(d.metadata["Name"] == "nvidia-cuda-nvrtc-cu12" for d in importlib.metadata.distributions()),
    reason="CUDA's compiler, nvidia-cuda-nvrtc-cu12, is not installed (there is none for this system)",
)


@needs_compiler
@parametrize(
    ("gpu", "raw", "stored"),
    [("V100", "uint16", "float32"), ("H100", "float32", "uint16"), ("RTX 50", "int8", "uint16")],
)
def test_the_kernels_compile_for_gpus_old_and_new(gpu, raw, stored):
    code = gpu_code.make_code(raw, stored)
    machine_code, warnings = nvrtc.compile_code(code, nvrtc.ARCHITECTURES[gpu])
    assert not warnings
    assert all(f".text.{name}\0".encode() in machine_code for name in list_parameters(code))


@pytest.mark.slow
@pytest.mark.usefixtures("device")
@parametrize("dtype", ["uint16", "float32"])
def test_bits_are_rounded_as_by_numpy(dtype):
    words = np.random.default_rng(2).integers(0, 2**32, 3000, np.uint32)
    values = np.concatenate([words.view(dtype), np.array([0, 1, 65535, 65534, 12.5, 3]).astype(dtype)])
    values = values.reshape(2, 1, -1)
    for bits in (5, 9, 14, ALL_BITS[dtype]):
        expected = values.copy()
        round_last_bits(expected, bits)
        on_device, kernels = upload(values, dtype)
        gpu_steps.round_result(kernels, on_device, bits)
        np.testing.assert_array_equal(on_device.get().view(np.uint8), expected.view(np.uint8))
    tame = np.abs(np.where(np.isfinite(values), values, 1).clip(0, 6e4)).astype(dtype)
    on_device, kernels = upload(tame, dtype)
    error = gpu_steps.round_result(kernels, on_device, 6)
    exact, rounded = tame.astype(np.float64), on_device.get().astype(np.float64)
    assert error == pytest.approx(np.linalg.norm(rounded - exact) / np.linalg.norm(exact), rel=1e-9)
    assert error == pytest.approx(rounding.round_result(tame, 6), rel=1e-6), "NumPy's sums are of float32"


@pytest.mark.usefixtures("device")
def test_results_are_stored_as_the_whole_numbers_that_numpy_makes():
    result = np.random.default_rng(1).normal(3000, 20000, (9, 33, 41)).astype(np.float32)
    result.flat[:4] = 0.5, 1.5, 2.5, 1e30
    on_device, kernels = upload(result, "uint16")
    for scale in (1, 0.37):
        stored, clipped = gpu_steps.convert_result(kernels, on_device, "uint16", scale)
        expected, number = camera.convert_result(result, "uint16", scale)
        np.testing.assert_array_equal(stored.get(), expected)
        assert clipped == number > 0
        rounding = gpu_steps.measure_rounding(kernels, on_device, stored, scale)
        # NumPy sums planes in float32.
        assert rounding == pytest.approx(statistics.measure_rounding(result, expected, scale), rel=1e-4)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 20, 3), (7, 9, 141), (8, 10, 12)])
def test_coarser_levels_have_numpys_bits(shape, dtype):
    stored = (np.random.default_rng(1).random(shape) * 65535).astype(dtype)
    on_device, kernels = upload(stored, dtype)
    for steps in ([(1, 2, 2), (2, 2, 2)], [(2, 1, 1), (1, 1, 2)], [(2, 1, 2)]):
        expected = stored
        for step, level in zip(steps, gpu_steps.coarsen(kernels, on_device, steps, None), strict=True):
            expected = pyramid.downsample(expected, step)
            np.testing.assert_array_equal(level.get(), expected)
