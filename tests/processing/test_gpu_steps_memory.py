"""What a volume's way on a device takes of its memory, and what is copied to it and back."""

from concurrent.futures import ThreadPoolExecutor
from math import prod

import numpy as np
import pytest

from lightsheet.deconvolution import gpu, gpu_memory
from lightsheet.deconvolution.method import Method
from lightsheet.processing import (
    gpu_kernels,
    gpu_steps,
)
from lightsheet.processing.deconvolve import deconvolve_pixels
from lightsheet.processing.geometry import find_geometry
from lightsheet.store.volumes import StoreLayout
from lightsheet.system.errors import InputError
from tests.support.engines import relative_l2
from tests.support.families import parametrize
from tests.support.gpu_volumes import CODEC, PSF, SETTINGS, VOXEL, draw, run


def test_a_volume_goes_to_the_device_once_and_comes_back_as_it_is_stored(device):
    raw = draw((9, 150, 180))
    for changes in ({}, {"dtype": "uint16"}):
        deconvolve_pixels(raw, PSF, {**SETTINGS, **changes}, 1)  # and what is prepared once
        device.uploads.clear()
        device.downloads.clear()
        result, _ = deconvolve_pixels(raw, PSF, {**SETTINGS, **changes}, 1)
        assert device.uploads.count(raw.nbytes) == 1
        assert sum(device.uploads) < raw.nbytes + 4 * PSF.nbytes, "but the PSF, and places"
        assert device.downloads.count(result.nbytes) == 1
        planes = raw[0].nbytes + result[0].nbytes
        parts = 10 * 8 * gpu_kernels.MOST_FOLDING + 4 * 8 * 32 * 128
        assert sum(device.downloads) < result.nbytes + planes + parts, "but numbers, and planes"


def test_all_steps_take_no_more_memory_than_is_counted(device):
    raw = draw((16, 90, 80))
    method = Method(2, SETTINGS["boundary"])
    estimate = gpu_memory.estimate_memory(raw.shape, PSF.shape, method)
    waiting = (gpu_memory.IN_FLIGHT - 1) * gpu_memory.WAITING_BYTES * raw.size
    for changes in ({}, {"dtype": "uint16"}):
        device.peak = 0
        gpu.CHANNELS.clear()
        deconvolve_pixels(raw, PSF, {**SETTINGS, **changes}, 1)
        assert device.peak < estimate - waiting + 10**5


@pytest.mark.slow
@parametrize("number", [gpu_memory.IN_FLIGHT, 3 * gpu_memory.IN_FLIGHT])
def test_volumes_in_flight_fit_into_what_is_counted_and_pin_what_they_hold(device, number):
    """However many are in hand: no more than three are on the device."""
    raw = draw((16, 90, 80))
    estimate = gpu_memory.estimate_memory(raw.shape, PSF.shape, Method(2, SETTINGS["boundary"]))
    device.peak = 0

    def deconvolve(seed):
        copy = gpu.allocate_raw(raw.shape, raw.dtype)
        copy[...] = raw + np.uint16(seed)
        return deconvolve_pixels(copy, PSF, SETTINGS, 1)[0].sum()

    with ThreadPoolExecutor(number) as threads:
        list(threads.map(deconvolve, range(4 * gpu_memory.IN_FLIGHT)))
    assert device.peak < estimate + 10**5
    assert device.pinned_peak <= number * (raw.nbytes + 4 * raw.size) + 10**4, "raw, and what is stored"
    assert device.pinnings <= 2 * number + 10


def test_a_turned_result_takes_no_more_memory_than_is_counted(device):
    raw, scan = draw((20, 30, 60)), {"angle": 31.8, "step": 0.4, "axis": "x", "direction": 1}
    settings = {**SETTINGS, "geometry": "rotated", "pixel": 0.1, "scan": scan}
    layout = StoreLayout.plan(find_geometry(settings, raw.shape).shape, VOXEL, "float32", CODEC)
    waiting = (gpu_memory.IN_FLIGHT - 1) * gpu_memory.WAITING_BYTES * prod(layout.levels[0].shape)
    assert prod(layout.levels[0].shape) > 3 * raw.size
    estimate = gpu_memory.estimate_memory(raw.shape, PSF.shape, Method(1)) + gpu_steps._measure_more(
        raw.shape, settings
    )
    gpu_steps.follow_way_on_gpu(raw, PSF, settings, 1, layout)
    assert device.peak < estimate - waiting + 10**5
    assert not gpu_steps.can_follow(raw, PSF, settings, layout), "more than the host has for it"
    deskewed = settings | {"geometry": "deskewed"}
    layout = StoreLayout.plan(find_geometry(deskewed, raw.shape).shape, VOXEL, "float32", CODEC)
    assert gpu_steps.can_follow(raw, PSF, deskewed, layout)


def test_another_programs_use_of_the_gpu_is_told_and_leaves_nothing_behind(device):
    raw = draw((9, 80, 70))
    gpu_memory.find_memory_budget()
    device.others = device.memory - device.in_use - 10**5
    with pytest.raises(InputError, match=r"the GPU's memory does not suffice for a volume of \(9, 80, 70\) voxels"):
        deconvolve_pixels(raw, PSF, SETTINGS, 1)
    device.others = 0
    (result, _), (expected, _) = run(raw)
    assert relative_l2(result, expected) < 1e-5
