"""Engine gpu: on a GPU where there is one, and everywhere with NumPy in CuPy's place."""

import re
import sys
import threading
import time

import numpy as np
import pytest

from lightsheet.deconvolution import fourier, gpu
from lightsheet.deconvolution.engines import describe_engine, resolve_engine, richardson_lucy
from lightsheet.deconvolution.method import CHOICES
from lightsheet.system.errors import InputError
from tests.support import fake_cupy
from tests.support.engines import relative_l2

needs_gpu = pytest.mark.skipif(not gpu.is_available(), reason="no CuPy, or no GPU that it sees")
PSF = np.random.default_rng(1).random((4, 5, 6))


def image(shape=(9, 8, 7), seed=5):
    random = np.random.default_rng(seed)
    pixels = random.random(shape) * 1000
    pixels[random.random(shape) < 0.5] = 0
    return pixels


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # what makes an import fail


@pytest.fixture(autouse=True)
def nothing_kept():
    budget = gpu.find_memory_budget
    yield
    gpu.CHANNELS.clear()
    budget.cache_clear()
    vars(gpu.STREAMS).clear()


@pytest.fixture
def numpy_as_cupy(monkeypatch):
    fake_cupy.install(monkeypatch)


@pytest.mark.usefixtures("no_cupy")
def test_without_cupy_auto_is_cpu_and_gpu_says_what_to_install():
    assert resolve_engine("auto") == "cpu"
    with pytest.raises(InputError, match="run `make install-gpu`"):
        richardson_lucy(PSF, PSF, iterations=1, engine="gpu")
    assert gpu.version() == "cupy, not installed"


@pytest.mark.usefixtures("numpy_as_cupy")
def test_with_a_device_auto_is_gpu():
    assert resolve_engine("auto") == "gpu"
    assert describe_engine("auto") == "gpu 3 (cupy 14.0)"


# 1e-5 is the agreement that engines promise; both compute in float32.
AGREEMENT = 1e-5


def compare(pixels, psf, **how):
    results = [richardson_lucy(pixels, psf, engine=engine, **how) for engine in ("gpu", "cpu")]
    assert relative_l2(*results) < AGREEMENT


@pytest.mark.usefixtures("numpy_as_cupy")
@pytest.mark.parametrize("shape", [(9, 8, 7), (1, 20, 3)])
@pytest.mark.parametrize("boundary", CHOICES["boundary"])
@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
def test_its_code_on_numpy_agrees_with_cpu(shape, boundary, acceleration):
    compare(image(shape), PSF, iterations=4, boundary=boundary, acceleration=acceleration)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("boundary", CHOICES["boundary"])
@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
@pytest.mark.parametrize("iterations", [1, 10, 30])
def test_it_agrees_with_cpu(boundary, acceleration, iterations):
    axes = np.meshgrid(*[np.arange(-r, r + 1) for r in (6, 7, 8)], indexing="ij")
    psf = np.exp(-sum(a**2 / 8 for a in axes))
    compare(image((23, 37, 41)), psf, iterations=iterations, boundary=boundary, acceleration=acceleration)


@pytest.mark.usefixtures("numpy_as_cupy")
def test_a_channel_is_prepared_once_for_all_its_volumes(monkeypatch):
    setups = []
    prepare = fourier.prepare
    monkeypatch.setattr(fourier, "prepare", lambda *arguments: setups.append(arguments) or prepare(*arguments))
    for psf in (PSF, PSF + 1, PSF):
        for seed in range(3):
            richardson_lucy(image(seed=seed), psf, iterations=1, engine="gpu")
    assert len(setups) == 2


@pytest.mark.usefixtures("numpy_as_cupy")
@pytest.mark.parametrize("acceleration", ["none", "heavy-ball"])
def test_nothing_is_copied_or_compiled_within_iterations(monkeypatch, acceleration):
    cupy, calls = sys.modules["cupy"], []
    for name in ("asarray", "asnumpy", "fuse", "ElementwiseKernel"):
        original = getattr(cupy, name)

        def count_call(*arguments, original=original, **options):
            calls.append(original)
            return original(*arguments, **options)

        monkeypatch.setattr(cupy, name, count_call)
    counts = []
    for iterations in (1, 2, 9):  # the first prepares the channel
        calls.clear()
        richardson_lucy(image(), PSF, iterations=iterations, engine="gpu", acceleration=acceleration)
        counts.append(len(calls))
    assert counts[1] == counts[2] < counts[0]


def test_channels_used_longest_ago_make_room(monkeypatch):
    size = gpu.estimate_memory((9, 8, 7), PSF.shape, fourier.Method(1))
    fake_cupy.install(monkeypatch, memory=size)
    richardson_lucy(image(), PSF, iterations=1, engine="gpu")
    sizes = iter([(0, size), (size, size)])  # full, until a channel is let go
    monkeypatch.setattr(sys.modules["cupy"].cuda.runtime, "memGetInfo", lambda: next(sizes))
    richardson_lucy(image(), PSF + 1, iterations=1, engine="gpu")
    assert len(gpu.CHANNELS) == 1


@pytest.mark.usefixtures("numpy_as_cupy")
def test_a_volume_that_does_not_fit_is_done_in_blocks_and_says_so(monkeypatch, caplog):
    pixels, psf = image((40, 64, 64)), np.ones((3, 3, 3))
    monkeypatch.setattr(
        gpu, "find_memory_budget", lambda: gpu.estimate_memory((40, 50, 50), psf.shape, fourier.Method(1))
    )
    with caplog.at_level("INFO"):
        # 1e-3 is what blocks promise, see test_blocks.py.
        assert relative_l2(*(richardson_lucy(pixels, psf, iterations=3, engine=e) for e in ("gpu", "cpu"))) < 1e-3
    assert re.search(r"\(40, 64, 64\) voxels needs 0\.0 GB of GPU memory.* done in \d blocks", caplog.text)


def test_a_volume_of_which_no_block_fits_is_refused_with_the_numbers(monkeypatch):
    fake_cupy.install(monkeypatch, memory=10**6)
    with pytest.raises(InputError, match=r"does not fit into memory even in blocks.*the GPU has 0\.00 GB"):
        richardson_lucy(image((64, 64, 64)), PSF, iterations=1, engine="gpu")


def test_another_programs_use_of_the_gpu_is_told(monkeypatch):
    fake_cupy.install(monkeypatch)
    gpu.find_memory_budget()
    fake_cupy.install(monkeypatch, memory=1000)
    with pytest.raises(InputError, match=r"\(9, 8, 7\) voxels .* GB of GPU memory; 0\.0 of 0\.0 GB are free"):
        richardson_lucy(image(), PSF, iterations=1, engine="gpu")


@pytest.mark.usefixtures("numpy_as_cupy")
def test_one_volume_computes_at_a_time_and_others_come_and_go_meanwhile(monkeypatch):
    events, iterate, asnumpy = [], fourier.iterate, sys.modules["cupy"].asnumpy

    def slow_iterate(*arguments):
        events.append("start")
        time.sleep(0.1)
        events.append("end")
        return iterate(*arguments)

    def slow_asnumpy(*arguments, **options):
        time.sleep(0.15)
        events.append("left")
        return asnumpy(*arguments, **options)

    monkeypatch.setattr(fourier, "iterate", slow_iterate)
    monkeypatch.setattr(sys.modules["cupy"], "asnumpy", slow_asnumpy)
    volume, how = image(), {"iterations": 1, "engine": "gpu"}
    threads = [threading.Thread(target=richardson_lucy, args=(volume, PSF), kwargs=how) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    computing = [event for event in events if event != "left"]
    assert computing == ["start", "end"] * 3
    assert events.index("left") > events.index("end") + 1, "the second computes while the first leaves"
