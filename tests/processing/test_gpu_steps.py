"""A volume's way on a device, on a strict stand-in for CuPy: step by step what NumPy's steps do, and what is copied."""

import numpy as np
import pytest
import tifffile

from lightsheet.deconvolution import gpu_memory, gpu_trial
from lightsheet.deconvolution.blocks import measure_halo
from lightsheet.deconvolution.method import Method
from lightsheet.processing import (
    camera,
    gpu_quality,
    gpu_steps,
    quality,
    resolution,
    statistics,
)
from lightsheet.processing.deconvolve import deconvolve_pixels, deconvolve_volume
from lightsheet.store import pyramid
from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.volumes import StoreLayout, read_volume, write_volume
from lightsheet.system.errors import InputError
from tests.support.engines import relative_l2
from tests.support.families import parametrize
from tests.support.gpu_volumes import CODEC, PSF, SETTINGS, SHAPE, VOXEL, draw, run, upload

STAGE = {"scan": {"angle": 31.5, "step": 0.3, "axis": "x", "direction": -1}, "pixel": 0.1}


@pytest.mark.usefixtures("device")
@parametrize("dtype", ["uint16", "int8", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 20, 3), (35, 150, 141)])
def test_steps_on_raw_voxels_are_numpys(shape, dtype):
    raw = draw(shape, dtype)
    on_device, kernels = upload(raw)
    whole = (slice(None),) * 3
    image, _ = gpu_steps.cut_image(kernels, on_device, whole, 107.5, None)
    np.testing.assert_array_equal(image.get(), np.maximum(camera.subtract_background(raw, 107.5), 0))
    counts, expected = gpu_steps.describe_counts(kernels, on_device, 107.5, None), camera.describe_counts(raw, 107.5)
    assert counts == pytest.approx(expected, rel=1e-12)  # sums of doubles in another order
    assert gpu_quality.find_brightest_region(kernels, on_device, None) == quality.find_brightest_region(raw, None)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 20, 3), (50, 150, 241)])
def test_the_statistics_of_a_volume_are_numpys_also_of_negative_voxels(shape):
    volume = (np.random.default_rng(1).normal(3, 2, shape)).astype(np.float32)
    on_device, kernels = upload(volume)
    summary, expected = gpu_steps.summarise_volume(kernels, on_device), statistics.summarise_volume(volume)
    # Of the same voxels; NumPy interpolates with another rounding.
    assert summary.pop("percentiles") == pytest.approx(expected.pop("percentiles"), rel=1e-6)
    assert summary == pytest.approx(expected, rel=1e-12)


CHANGES = [
    {},
    {"dtype": "uint16", "scale": 3.5, "precision": 13},
    {"precision": 7},
    {"boundary": "replicate", "acceleration": "heavy-ball"},
    {"background": "auto"},
    {**STAGE, "geometry": "deskewed", "precision": 7},
    {**STAGE, "geometry": "rotated", "dtype": "uint16", "scale": 3.5, "precision": 13},
]


@pytest.mark.usefixtures("device")
@parametrize(
    ("dtype", "changes"), [*(("uint16", c) for c in CHANGES), ("float32", {}), ("float32", CHANGES[1])], quick=2
)
def test_records_and_pixels_are_those_of_cpu(dtype, changes):
    compare_records(dtype, changes)


@pytest.mark.gpu
@pytest.mark.skipif(not gpu_trial.is_available(), reason="no CuPy, or no GPU that computes rightly")
@pytest.mark.parametrize("changes", [*CHANGES, {"fill": {"values": [65535], "rim": 1}}])
def test_records_and_pixels_of_a_gpu_are_those_of_cpu(changes):
    compare_records("uint16", changes)


@pytest.mark.gpu
@pytest.mark.skipif(not gpu_trial.is_available(), reason="no CuPy, or no GPU that computes rightly")
def test_levels_and_percentiles_of_a_gpu_are_exact():
    stored = np.random.default_rng(1).random((31, 150, 241), np.float32)
    on_device, kernels = upload(stored)
    steps = [(1, 2, 2), (2, 2, 2)]
    for step, level in zip(steps, gpu_steps.coarsen(kernels, on_device, steps, None), strict=True):
        stored = pyramid.downsample(stored, step)
        np.testing.assert_array_equal(level.get(), stored)
    summary = gpu_steps.summarise_volume(kernels, on_device)
    assert summary == pytest.approx(statistics.summarise_volume(on_device.get()), rel=1e-12)


def compare_records(dtype, changes):
    (result, numbers), (expected, others) = run(draw(dtype=dtype), **changes)
    pair = result.astype(float), expected.astype(float)
    if result.dtype == np.uint16:  # differs by 1 where rounding makes another whole number of it
        assert np.abs(pair[0] - pair[1]).max() <= 2 ** (16 - changes["precision"])
        assert np.mean(result != expected) < 1e-3
    else:
        assert relative_l2(*pair) < (1e-4 if "precision" in changes else 1e-5)
    assert list(numbers) == list(others)
    for name, value in others.items():
        if name == "resolution_voxels":  # rounding may choose the next of the radii that are tried
            for kind, period in value.items():
                assert 2 / numbers[name][kind] == pytest.approx(2 / period, abs=1.01 / resolution.RADII)
        elif name == "percentiles":
            assert numbers[name] == pytest.approx(value, rel=1e-3, abs=1e-2)
        elif isinstance(value, float):
            assert numbers[name] == pytest.approx(value, rel=1e-4, abs=1e-2)
        else:
            assert numbers[name] == value


@pytest.mark.usefixtures("device")
def test_dark_and_tiny_volumes_have_cpus_records():
    for shape in ((1, 1, 1), (3, 4, 5)):
        (result, numbers), (expected, others) = run(np.full(shape, 100, np.uint16))
        np.testing.assert_array_equal(result, expected)
        assert numbers == others


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused_in_cpus_words(value):
    raw = draw((6, 20, 20), "float32")
    raw[3, 4, 5] = value
    sentences = []
    for engine in ("gpu", "cpu"):
        with pytest.raises(InputError, match="NaN or infinite") as caught:
            deconvolve_pixels(raw, PSF, {**SETTINGS, "engine": engine}, 1)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]


@pytest.mark.usefixtures("device")
def test_voxels_that_no_kernel_takes_go_the_way_of_numpy():
    for dtype in ("float64", "int64", ">u2"):
        (result, numbers), (expected, _) = run(draw().astype(dtype))
        assert relative_l2(result, expected) < 1e-5
        assert numbers["blocks"] == 1


@pytest.mark.slow
@parametrize(("dtype", "bits"), [("float32", None), ("uint16", None), ("float32", 7)])
def test_a_volume_goes_from_store_to_store_by_way_of_the_device(device, tmp_path, dtype, bits):
    raw, results = draw(), Results(tmp_path)
    write_volume(results.work("raw", "c"), 0, raw, StoreLayout.plan(SHAPE, VOXEL, "uint16", CODEC), 1)
    layout, settings = StoreLayout.plan(SHAPE, VOXEL, dtype, CODEC), {**SETTINGS, "dtype": dtype, "scale": 2}
    settings |= {"precision": bits} if bits else {}
    tifffile.imwrite(tmp_path / "psf.tif", PSF, photometric="minisblack")
    device.uploads.clear()
    key = VolumeKey("result", "c", 0)
    pinned = device.pinnings
    record = deconvolve_volume(results, key, tmp_path / "psf.tif", settings, layout, {"settings": settings}, 1)
    assert device.uploads.count(raw.nbytes) == 1
    assert device.pinnings == pinned + 2, "shards are decoded into one buffer, and results encoded from the other"
    expected, statistics = deconvolve_pixels(raw, PSF, settings, 1)
    assert record["statistics"] == statistics
    np.testing.assert_array_equal(read_volume(results.work("result", "c"), 0), expected)
    write_volume(results.work("other", "c"), 0, expected, layout, 1, bits=bits)
    for number in range(len(layout.levels)):
        paths = [results.work(kind, "c") / str(number) / "c/0/0/0/0" for kind in ("result", "other")]
        assert paths[0].read_bytes() == paths[1].read_bytes(), "levels of the device are those of the writer"


@pytest.mark.slow
@pytest.mark.usefixtures("device")
def test_a_volume_in_blocks_goes_the_way_of_numpy_with_blocks_on_the_device(monkeypatch):
    raw, psf = draw((40, 64, 64)), np.ones((3, 3, 3), np.float32)
    assert max(measure_halo(psf)) < 10
    (result, numbers), (expected, _) = run(raw, psf, block=(40, 32, 64))
    assert relative_l2(result, expected) < 1e-5
    assert numbers["blocks"] == 2
    needs = gpu_memory.estimate_memory((40, 50, 50), psf.shape, Method(1))
    monkeypatch.setattr(gpu_memory, "find_memory_budget", lambda: needs)
    (smaller, _), (whole, _) = run(raw, psf)  # one block for the worker, but not for the device
    assert relative_l2(smaller, whole) < 1e-3
