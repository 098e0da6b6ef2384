"""Engine gpu's memory, of the device and the host: as much as is counted, and given back."""

import gc
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lightsheet.deconvolution import fourier, gpu, gpu_memory, gpu_trial
from lightsheet.deconvolution.engines import richardson_lucy
from lightsheet.deconvolution.method import CHOICES, Method
from lightsheet.processing import memory, plan_needs
from lightsheet.system.errors import InputError
from tests.deconvolution.test_gpu import PSF, compare, fail, image
from tests.support import fake_cupy
from tests.support.engines import relative_l2
from tests.support.families import parametrize


@pytest.fixture
def device(monkeypatch):
    return fake_cupy.install(monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("device")
def test_arrays_of_the_device_are_done_in_blocks(monkeypatch):
    pixels, psf = image((40, 64, 64)).astype(np.float32), np.ones((3, 3, 3))
    needs = gpu_memory.estimate_memory((40, 50, 50), psf.shape, Method(1))
    monkeypatch.setattr(gpu_memory, "find_memory_budget", lambda: needs)
    expected = richardson_lucy(pixels, psf, iterations=3, engine="gpu")
    on_device = sys.modules["cupy"].asarray(pixels)
    assert np.array_equal(richardson_lucy(on_device, psf, iterations=3, engine="gpu").get(), expected)


@parametrize("boundary", CHOICES["boundary"])
@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
def test_a_volume_takes_the_devices_memory_that_is_counted(device, boundary, acceleration):
    shape, method = (16, 90, 80), Method(2, boundary, acceleration=acceleration)
    estimate = gpu_memory.estimate_memory(shape, PSF.shape, method)
    waiting = (gpu_memory.IN_FLIGHT - 1) * gpu_memory.WAITING_BYTES  # a voxel of volumes that come and go
    others = (waiting + 4) * int(np.prod(shape))  # and the raw voxels, of which an image has none
    gpu_trial.check_gpu()
    device.peak = 0
    richardson_lucy(image(shape), PSF, iterations=2, engine="gpu", boundary=boundary, acceleration=acceleration)
    small = 10**5  # the trial's channels, the PSF, and what is rounded up
    assert 0.85 * (estimate - others) < device.peak < estimate - others + small


@pytest.mark.slow
def test_channels_that_are_dropped_free_all_that_they_had(device):
    """Their OTFs, plans and work areas: a hundred channels would not fit."""
    shape = (10, 40, 50)
    gpu_trial.check_gpu()
    device.memory = device.in_use + 3 * gpu_memory.estimate_memory(shape, PSF.shape, Method(1))
    for number in range(12):
        richardson_lucy(image((10, 40, 50 + number)), PSF, iterations=1, engine="gpu")
        richardson_lucy(image(shape), PSF + number, iterations=1, engine="gpu")
    gpu.CHANNELS.clear()
    gpu.get_transforms(sys.modules["cupy"]).keep(set())
    gc.collect()
    assert device.in_use == 0


@pytest.mark.slow
def test_channels_of_a_shape_share_their_plans_and_all_the_work_area(device, monkeypatch):
    plans = []
    make = fake_cupy.Plan.__init__
    monkeypatch.setattr(fake_cupy.Plan, "__init__", lambda plan, *rest: plans.append(plan) or make(plan, *rest))
    for number in range(5):
        richardson_lucy(image((10, 40, 50)), PSF + number, iterations=1, engine="gpu")
    large = [plan for plan in plans if plan.shape[0] > 12]
    assert len(large) == 2, "forward and back"
    assert large[0].work_area is large[1].work_area
    plans.clear()
    large.clear()
    monkeypatch.setattr(fake_cupy.Plan, "__init__", make)
    for size in (20, 30):  # larger ones come later
        richardson_lucy(image((size, 40, 50)), PSF, iterations=1, engine="gpu")
    gc.collect()
    otfs = sum(setup.otf.nbytes for setup in gpu.CHANNELS.values())
    assert device.in_use < otfs + gpu.get_transforms(sys.modules["cupy"]).area_bytes + 10**5, "there is one area"
    compare(image((10, 40, 50)), PSF, iterations=2)


def test_channels_used_longest_ago_make_room(device):
    shape = (10, 40, 50)
    for number in range(3):
        richardson_lucy(image(shape), PSF + number, iterations=1, engine="gpu")
    keys = [key for key in gpu.CHANNELS if key[0] == shape]
    otf = gpu.CHANNELS[keys[0]].otf.nbytes
    area = gpu.get_transforms(sys.modules["cupy"]).area_bytes
    need = gpu_memory.estimate_memory(shape, PSF.shape, Method(1))
    device.others = device.memory - 3 * otf - area - need + otf // 2  # short of half an OTF
    richardson_lucy(image(shape), PSF, iterations=1, engine="gpu")
    assert [key for key in gpu.CHANNELS if key[0] == shape] == [*keys[1:], keys[0]], "used again, not made again"
    richardson_lucy(image(shape), PSF + 3, iterations=1, engine="gpu")
    assert keys[0] in gpu.CHANNELS
    assert keys[1] not in gpu.CHANNELS
    assert keys[2] in gpu.CHANNELS, "one was enough"


@parametrize("number", [gpu_memory.IN_FLIGHT, 3 * gpu_memory.IN_FLIGHT])
def test_volumes_in_flight_are_no_reason_to_refuse_one(device, number):
    """They are in what a volume needs, so that the device is never as free as when it was counted."""
    shape, method = (20, 60, 50), Method(1)
    gpu_trial.check_gpu()
    device.memory = int(gpu_memory.estimate_memory(shape, PSF.shape, method) * 1.04) + device.in_use
    gpu_memory.find_memory_budget()
    threads = [
        threading.Thread(target=richardson_lucy, args=(image(shape), PSF), kwargs={"iterations": 1, "engine": "gpu"})
        for _ in range(number)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()  # an error in a thread fails the test
    assert device.peak > 0


def test_pinned_memory_is_as_large_as_the_volumes_and_used_again(device):
    shape = (9, 33, 31)  # CuPy's pool would round it up, and keep it
    volume = 4 * int(np.prod(shape))
    gpu_trial.check_gpu()
    before = device.pinnings
    for seed in range(4):
        result = richardson_lucy(image(shape, seed), PSF, iterations=1, engine="gpu")
        part = result[2:5].T
        del result
        expected = part.copy()
        other = richardson_lucy(image(shape, 9), PSF, iterations=1, engine="gpu")
        assert np.array_equal(part, expected), "memory of a view is still in use"
        del part, other
    assert device.pinned_peak <= 2 * volume + 10**4
    assert device.pinnings == before + 2, "to pin memory takes longer than to fill it"
    richardson_lucy(image((9, 8, 7)), PSF, iterations=1, engine="gpu")
    assert device.pinned < volume, "of another shape nothing is kept"


@pytest.mark.usefixtures("device")
def test_a_volume_that_does_not_fit_is_done_in_blocks_and_says_so(monkeypatch, caplog):
    pixels, psf = image((40, 64, 64)), np.ones((3, 3, 3))
    needs = gpu_memory.estimate_memory((40, 50, 50), psf.shape, Method(1))
    monkeypatch.setattr(gpu_memory, "find_memory_budget", lambda: needs)
    with caplog.at_level("INFO"):
        # 1e-3 is what blocks promise, see test_blocks.py.
        assert relative_l2(*(richardson_lucy(pixels, psf, iterations=3, engine=e) for e in ("gpu", "cpu"))) < 1e-3
    assert re.search(
        r"\(40, 64, 64\) voxels needs 0\.0 GB of GPU memory, and the GPU has 0\.0: done in \d blocks", caplog.text
    )


@pytest.mark.usefixtures("device")
def test_a_volume_of_more_voxels_than_cufft_counts_is_done_in_blocks(monkeypatch):
    """(600, 2160, 2160) are 1.3 times as many as 32 bits count."""
    monkeypatch.setattr(gpu_memory, "find_memory_budget", lambda: 141 * 10**9)
    limits = gpu_memory.list_limits((101, 101, 101), Method(1))
    assert [limit.allows((500, 2048, 2048)) for limit in limits] == [True, False]
    assert all(limit.allows((250, 2048, 2048)) for limit in limits)
    monkeypatch.setattr(gpu_memory, "MOST_VOXELS", 50 * 58 * 58)
    pixels, psf = image((40, 64, 64)), np.ones((3, 3, 3))
    shapes = []
    compute = gpu.compute
    monkeypatch.setattr(gpu, "compute", lambda pixels, *rest: shapes.append(pixels.shape) or compute(pixels, *rest))
    richardson_lucy(pixels, psf, iterations=1, engine="gpu")
    assert len(shapes) > 1


def test_a_volume_of_which_no_block_fits_is_refused_with_the_numbers(monkeypatch):
    device = fake_cupy.install(monkeypatch)
    gpu_trial.check_gpu()
    device.memory = device.in_use + device.cached + 10**6
    with pytest.raises(InputError, match=r"does not fit into memory even in blocks.*the GPU has 0\.00 GB"):
        richardson_lucy(image((64, 64, 64)), PSF, iterations=1, engine="gpu")


@pytest.mark.slow
def test_another_programs_use_of_the_gpu_is_told_and_leaves_nothing_behind(device):
    shape = (9, 80, 70)
    gpu_memory.find_memory_budget()
    gpu_trial.check_gpu()
    before = device.in_use
    device.others = device.memory - before - 10**6
    with pytest.raises(InputError, match=r"for a volume of \(9, 80, 70\) voxels, which needs .* GB are free") as caught:
        richardson_lucy(image(shape), PSF, iterations=1, engine="gpu")
    gpu.CHANNELS.clear()
    gpu.get_transforms(sys.modules["cupy"]).keep(set())
    gc.collect()
    assert device.in_use == 0, f"{caught.value} keeps arrays"
    device.others = 0
    compare(image(shape), PSF, iterations=1)


@pytest.mark.usefixtures("device")
def test_other_errors_of_the_device_are_no_shortage(monkeypatch):
    error = fake_cupy.CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")
    gpu_trial.check_gpu()
    monkeypatch.setattr(fourier, "iterate", fail(error))
    with pytest.raises(fake_cupy.CUDARuntimeError):
        richardson_lucy(image(), PSF, iterations=1, engine="gpu")


def test_a_host_without_memory_for_the_device_is_told(device):
    """Raw volumes are read into such memory, before anything is done with the device."""
    device.most_pinned = 5 * 10**4
    gpu_trial.check_gpu()
    for use in (
        lambda: richardson_lucy(image((20, 40, 50)), PSF, iterations=1, engine="gpu"),
        lambda: gpu.allocate_raw((20, 40, 50), np.uint16),
    ):
        with pytest.raises(InputError, match=r"the memory of .* does not suffice for 0\.\d\d GB that its GPU reaches"):
            use()
    device.most_pinned = 10**9
    compare(image((20, 40, 50)), PSF, iterations=1)


def test_volumes_in_flight_pin_one_buffer_each(device):
    """Which uploads the image and then takes the result, until that is written: 4 of a voxel's 14 bytes in `memory`."""
    shape = (9, 33, 31)
    gpu_trial.check_gpu()

    def deconvolve(seed):
        assert richardson_lucy(image(shape, seed), PSF, iterations=1, engine="gpu").shape == shape

    with ThreadPoolExecutor(gpu_memory.IN_FLIGHT) as threads:
        list(threads.map(deconvolve, range(4 * gpu_memory.IN_FLIGHT)))
    assert device.pinned_peak <= gpu_memory.IN_FLIGHT * 4 * np.prod(shape) + 10**4


def test_the_host_needs_what_its_volumes_pin_and_cuda_loads():
    shape, psf = (201, 1024, 768), (101, 64, 64)
    volumes = gpu_memory.IN_FLIGHT * np.prod(shape)
    needs = plan_needs(shape, psf, "gpu", "none").count_bytes(gpu_memory.IN_FLIGHT)
    assert needs > volumes * (2 + 4 + 4) + memory.PROCESS_BYTES + memory.CUDA_BYTES
    momentum = plan_needs(shape, psf, "gpu", "biggs").count_bytes(gpu_memory.IN_FLIGHT)
    assert needs == momentum, "which is the device's"
