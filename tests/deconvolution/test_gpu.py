"""Engine gpu: on a GPU where there is one, and everywhere with a strict stand-in for CuPy."""

import sys
import threading
import time
from itertools import product

import numpy as np
import pytest

from lightsheet.deconvolution import fourier, gpu_trial
from lightsheet.deconvolution.engines import richardson_lucy
from lightsheet.deconvolution.method import CHOICES, find_agreement
from lightsheet.system.errors import InputError
from tests.support import fake_cupy
from tests.support.engines import relative_l2
from tests.support.families import parametrize

needs_gpu = pytest.mark.skipif(not gpu_trial.is_available(), reason="no CuPy, or no GPU that computes rightly")
PSF = np.random.default_rng(1).random((4, 5, 6))
BALL = np.exp(-sum(a**2 / 8 for a in np.meshgrid(*[np.arange(-r, r + 1) for r in (6, 7, 8)], indexing="ij")))

CASES = [case[::-1] for case in product((10, 1, 30), CHOICES["acceleration"], CHOICES["boundary"])]


def image(shape=(9, 8, 7), seed=5):
    random = np.random.default_rng(seed)
    pixels = random.random(shape) * 1000
    pixels[random.random(shape) < 0.5] = 0
    return pixels


@pytest.fixture
def device(monkeypatch):
    return fake_cupy.install(monkeypatch)


def fail(error):
    def raise_error(*_arguments, **_options):
        raise error

    return raise_error


def compare(pixels, psf, bound=1e-5, **how):
    results = [richardson_lucy(pixels, psf, engine=engine, **how) for engine in ("gpu", "cpu")]
    assert relative_l2(*results) < bound


@pytest.mark.usefixtures("device")
@parametrize("shape", [(9, 8, 7), (1, 20, 3)])
@pytest.mark.parametrize("boundary", CHOICES["boundary"])
@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
def test_its_code_on_numpy_agrees_with_cpu(shape, boundary, acceleration):
    compare(image(shape), PSF, iterations=4, boundary=boundary, acceleration=acceleration)


def compare_volumes(boundary, acceleration, iterations, bound):
    compare(image((23, 37, 41)), BALL, bound, iterations=iterations, boundary=boundary, acceleration=acceleration)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(("boundary", "acceleration", "iterations"), CASES)
def test_it_agrees_with_cpu(boundary, acceleration, iterations):
    """As is promised, not 1e-5 throughout: how cuFFT rounds is not known, and "biggs" at 30 differs by 2e-5 without."""
    compare_volumes(boundary, acceleration, iterations, find_agreement(acceleration, iterations))


@pytest.mark.usefixtures("device")
@parametrize(("boundary", "acceleration", "iterations"), CASES)
def test_rounding_alone_leaves_this_volume_as_it_is(boundary, acceleration, iterations):
    """To 1e-5, with SciPy's FFTs; but what momentum makes of rounding in 30 iterations of "biggs", which is 2e-5."""
    bound = 1e-4 if (acceleration, iterations) == ("biggs", 30) else 1e-5
    compare_volumes(boundary, acceleration, iterations, bound)


def draw_spots():
    """Two photons a voxel, some bright lines and one voxel at the end of the range."""
    spots = np.random.default_rng(7).poisson(2, (12, 30, 30)).astype(float)
    spots[5, :, 7], spots[10, 20, 20] = 3000, 60000
    return spots


@pytest.mark.slow
@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(
    ("acceleration", "boundary", "iterations"),
    [
        ("none", "extended", 40),
        ("heavy-ball", "extended", 20),
        ("heavy-ball", "extended", 40),
        ("biggs", "replicate", 10),
        ("biggs", "extended", 30),
    ],
)
def test_rounding_alone_stays_within_what_is_promised(acceleration, boundary, iterations):
    """On images where it does most."""
    bound, how = find_agreement(acceleration, iterations), {"boundary": boundary, "acceleration": acceleration}
    compare(draw_spots(), PSF, bound, iterations=iterations, **how)
    compare(np.random.default_rng(6).poisson(20, (12, 24, 24)), BALL, bound, iterations=iterations, **how)


@pytest.mark.usefixtures("device")
def test_a_channel_is_prepared_once_for_all_its_volumes(monkeypatch):
    gpu_trial.check_gpu()
    setups = []
    prepare = fourier.prepare
    monkeypatch.setattr(fourier, "prepare", lambda *arguments: setups.append(arguments) or prepare(*arguments))
    for psf in (PSF, PSF + 1, PSF):
        for seed in range(3):
            richardson_lucy(image(seed=seed), psf, iterations=1, engine="gpu")
    assert len(setups) == 2


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
def test_nothing_is_copied_or_compiled_within_iterations(monkeypatch, acceleration):
    """But the two sums of "biggs"."""
    gpu_trial.check_gpu()
    cupy, calls = sys.modules["cupy"], []
    for name in ("asarray", "asnumpy", "RawModule", "ascontiguousarray"):
        original = getattr(cupy, name)

        def count_call(*arguments, original=original, **options):
            calls.append(original)
            return original(*arguments, **options)

        monkeypatch.setattr(cupy, name, count_call)
    get = fake_cupy.Array.get
    monkeypatch.setattr(fake_cupy.Array, "get", lambda array: calls.append(array.shape) or get(array))
    counts = []
    for iterations in (1, 2, 9):  # the first prepares the channel
        calls.clear()
        richardson_lucy(image(), PSF, iterations=iterations, engine="gpu", acceleration=acceleration)
        sums = [call for call in calls if call == (2, 2048)]
        assert len(sums) == (iterations if acceleration == "biggs" else 0)
        counts.append(len(calls) - len(sums))
    assert counts[1] == counts[2] < counts[0]


@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
def test_no_core_is_kept_busy_while_the_device_computes_or_copies(device, acceleration):
    """But for a moment before the iterations, when the image's largest voxel is asked for."""
    gpu_trial.check_gpu()
    for iterations in (1, 2, 9):
        device.spins = 0
        richardson_lucy(image(), PSF, iterations=iterations, engine="gpu", acceleration=acceleration)
        assert device.spins == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_an_array_of_the_device_is_computed_in_its_callers_stream(device, dtype):
    """Each of them: made in a stream, read in it again, nobody waits; memory used again by the next volume."""
    cupy = sys.modules["cupy"]
    pixels = image().astype(dtype)
    expected = richardson_lucy(pixels, PSF, iterations=3, engine="gpu")
    for stream in (device.null, cupy.cuda.Stream(non_blocking=True), device.null):
        with stream:
            for _ in range(3):
                result = richardson_lucy(cupy.asarray(pixels), PSF, iterations=3, engine="gpu")
                later = result.copy()  # not waited for
                del result
                assert np.array_equal(later.get(), expected)
    assert np.array_equal(richardson_lucy(pixels, PSF, iterations=3, engine="gpu"), expected)


def test_another_device_than_the_first_volumes_is_refused(device):
    """Its OTFs and plans are of the first: kernels would read memory that is not there."""
    first = sys.modules["cupy"].asarray(image())
    gpu_trial.check_gpu()
    device.number = 1
    for pixels in (image(), first, sys.modules["cupy"].asarray(image())):
        with pytest.raises(InputError, match="uses device 0 in this process, not device 1; start a process for each"):
            richardson_lucy(pixels, PSF, iterations=1, engine="gpu")
    other = sys.modules["cupy"].asarray(image())
    device.number = 0
    with pytest.raises(InputError, match="not device 1"):
        richardson_lucy(other, PSF, iterations=1, engine="gpu")
    richardson_lucy(first, PSF, iterations=1, engine="gpu")


@pytest.mark.usefixtures("device")
def test_negative_voxels_and_other_layouts_of_the_devices_arrays():
    cupy = sys.modules["cupy"]
    pixels = image() - 100
    expected = richardson_lucy(pixels, PSF, iterations=2, engine="gpu")
    padded = cupy.asarray(np.pad(pixels, 2))[2:-2, 2:-2, 2:-2]
    assert np.array_equal(richardson_lucy(padded, PSF, iterations=2, engine="gpu").get(), expected)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("engine", ["cpu", "gpu"])
def test_what_float32_does_not_hold_is_refused_and_not_black(engine):
    """A PSF with negative values makes NaN of infinity; CUDA's max would make 0 of that."""
    psf = np.zeros((3, 3, 3))
    psf[1, 1, 1], psf[1, 1, 2] = 1, -0.999
    with pytest.raises(InputError, match="exceeds what float32 holds"):
        richardson_lucy(np.full((6, 7, 8), 3e38), psf, iterations=6, engine=engine)


@pytest.mark.gpu
@needs_gpu
def test_a_gpu_refuses_what_float32_does_not_hold():
    psf = np.zeros((3, 3, 3))
    psf[1, 1, 1], psf[1, 1, 2] = 1, -0.999
    with pytest.raises(InputError, match="exceeds what float32 holds"):
        richardson_lucy(np.full((6, 7, 8), 3e38), psf, iterations=6, engine="gpu")


@pytest.mark.slow
@pytest.mark.usefixtures("device")
def test_one_volume_computes_at_a_time_and_others_come_and_go_meanwhile(monkeypatch):
    gpu_trial.check_gpu()
    events, iterate, asnumpy = [], fourier.iterate, sys.modules["cupy"].asnumpy
    second = threading.Event()

    def slow_iterate(*arguments):
        events.append("start")
        if events.count("start") == 2:
            second.set()
        time.sleep(0.1)
        events.append("end")
        return iterate(*arguments)

    def slow_asnumpy(*arguments, **options):
        second.wait(60)
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
