"""Volumes with fill on a device, on a strict stand-in for CuPy: what was never measured is left out as by NumPy."""

import numpy as np
import pytest

from lightsheet.deconvolution import find_measured, gpu, gpu_memory
from lightsheet.deconvolution.method import Method
from lightsheet.processing import camera, fill, gpu_mask, gpu_quality, gpu_steps, quality
from lightsheet.processing.deconvolve import deconvolve_pixels
from tests.deconvolution.test_measured import IMAGE, INSIDE
from tests.support.engines import relative_l2
from tests.support.families import parametrize
from tests.support.gpu_volumes import PSF, SETTINGS, draw, run, upload

pytestmark = pytest.mark.usefixtures("device")
WHOLE = (slice(None),) * 3


@parametrize(("dtype", "values", "rim"), [("uint16", [0], 0), ("float32", [0.1, 0.7], 2)])
def test_the_mask_is_numpys(dtype, values, rim):
    for inside in INSIDE.values():
        raw = np.where(inside, IMAGE, np.array(values[0], dtype)).astype(dtype)
        raw[:, :, -1] = np.where(inside[:, :, -1], raw[:, :, -1], np.array(values[-1], dtype))
        on_device, kernels = upload(raw)
        expected, mask = find_measured(raw, values, rim), gpu_mask.find_measured(kernels, on_device, values, rim)
        np.testing.assert_array_equal(mask.flags.get(), np.stack(list(expected)))
        assert mask.number == expected.count()
        assert np.array_equal(mask[1:9, 2:8, 3:5], np.stack(list(expected[1:9, 2:8, 3:5])))


def test_there_is_no_mask_of_a_volume_that_was_measured_or_of_a_value_that_it_cannot_hold():
    raw = IMAGE.copy()
    raw[3, 0, 4] = raw[2, 5, :7] = 0
    raw[:, 0] = 65535
    on_device, kernels = upload(raw)
    for values in ([0], [0.5], [-1], [np.nan]):
        assert find_measured(raw, values) is None
        assert gpu_mask.find_measured(kernels, on_device, values, 0) is None


def test_steps_leave_out_what_numpys_leave_out():
    raw = np.where(INSIDE["rotated"], IMAGE, 0).astype(np.uint16)
    on_device, kernels = upload(raw)
    mask, measured = gpu_mask.find_measured(kernels, on_device, [0], 1), find_measured(raw, [0], 1)
    image, _ = gpu_steps.cut_image(kernels, on_device, WHOLE, 95.0, mask)
    np.testing.assert_array_equal(image.get(), fill.cut_image(raw, WHOLE, 95.0, measured)[0])
    counts, expected = (
        gpu_steps.describe_counts(kernels, on_device, 95.0, mask),
        camera.describe_counts(raw, 95.0, measured),
    )
    assert counts == pytest.approx(expected, rel=1e-12)
    assert gpu_quality.find_brightest_region(kernels, on_device, mask) == quality.find_brightest_region(raw, measured)


def cut(shape=(12, 110, 101), dtype="uint16", wedge=30):
    """A volume as if it had been deskewed."""
    raw = draw(shape, dtype)
    z, _, x = np.indices(shape)
    raw[(x < z + wedge - shape[0]) | (x >= shape[2] + z - wedge)] = 0
    return raw


@parametrize("changes", [{}, {"dtype": "uint16", "scale": 3}, {"iterations": "auto"}])
def test_records_and_pixels_are_those_of_cpu(changes):
    raw = cut((8, 60, 62), wedge=14) if "iterations" in changes else cut()
    (result, numbers), (expected, others) = run(raw, fill={"values": [0], "rim": 1}, **changes)
    assert relative_l2(result.astype(float), expected.astype(float)) < (1e-4 if "dtype" in changes else 1e-5)
    assert not result[0, :, -1].any()
    assert list(numbers) == list(others)
    for name in ("unmeasured_voxels", "negative_voxels", "saturated_voxels", "iterations"):
        assert numbers[name] == others[name]
    assert numbers["unmeasured_voxels"] > 0
    assert numbers["residual"] == pytest.approx(others["residual"], rel=1e-4)
    assert numbers["resolution_voxels"]["raw"] == pytest.approx(others["resolution_voxels"]["raw"], rel=1e-6)


def test_a_volume_of_fill_alone_has_cpus_record():
    (result, numbers), (_, others) = run(np.zeros((4, 20, 30), np.uint16), fill={"values": [0], "rim": 0})
    assert not result.any()
    assert numbers == others


def test_it_takes_the_memory_that_is_counted_and_weights_are_kept(device):
    raw = cut((16, 90, 80), wedge=24)
    settings = {**SETTINGS, "fill": {"values": [0], "rim": 0}}
    estimate = gpu_memory.estimate_memory(raw.shape, PSF.shape, Method(2, SETTINGS["boundary"]), True)
    waiting = (gpu_memory.IN_FLIGHT - 1) * gpu_memory.WAITING_BYTES * raw.size
    device.peak = 0
    gpu.CHANNELS.clear()
    for _ in range(2):
        device.uploads.clear()
        deconvolve_pixels(raw, PSF, settings, 1)
    assert device.peak < estimate - waiting + 10**5
    assert sum(device.uploads) < raw.nbytes + 4 * PSF.nbytes, "no planes of a mask"
