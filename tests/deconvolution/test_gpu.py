"""Engine gpu: on a GPU where there is one, and everywhere with a strict stand-in for CuPy."""

import gc
import re
import sys
import threading
import time
from itertools import product

import numpy as np
import pytest

from lightsheet.deconvolution import fourier, gpu, gpu_memory, gpu_trial
from lightsheet.deconvolution.engines import describe_engine, resolve_engine, richardson_lucy, try_engine
from lightsheet.deconvolution.method import CHOICES, Method
from lightsheet.system.errors import InputError
from tests.support import fake_cupy
from tests.support.engines import relative_l2

needs_gpu = pytest.mark.skipif(not gpu_trial.is_available(), reason="no CuPy, or no GPU that computes rightly")
PSF = np.random.default_rng(1).random((4, 5, 6))

# What is promised of all volumes: 1e-5, and of "biggs" 1e-5 up to 10 iterations and 1e-4 beyond. Its alpha is a
# quotient of sums of small differences, whose rounding momentum multiplies: with NumPy's FFTs in place of cuFFT's,
# 30 iterations differ by 2e-5 here.
CASES = [
    pytest.param(*case, 1e-4 if case[1] == "biggs" and case[2] > 10 else 1e-5, id="-".join(map(str, case)))
    for case in product(CHOICES["boundary"], CHOICES["acceleration"], (1, 10, 30))
]


def image(shape=(9, 8, 7), seed=5):
    random = np.random.default_rng(seed)
    pixels = random.random(shape) * 1000
    pixels[random.random(shape) < 0.5] = 0
    return pixels


@pytest.fixture
def no_cupy(monkeypatch):
    fake_cupy.forget(monkeypatch)
    monkeypatch.setitem(sys.modules, "cupy", None)  # what makes an import fail


@pytest.fixture
def device(monkeypatch):
    return fake_cupy.install(monkeypatch)


@pytest.mark.usefixtures("no_cupy")
def test_without_cupy_auto_is_cpu_and_gpu_says_what_to_install(caplog):
    assert resolve_engine("auto") == "cpu"
    assert not caplog.text, "few machines have a GPU"
    with pytest.raises(InputError, match=r"it sees: CuPy is not installed; run `make install-gpu`"):
        richardson_lucy(PSF, PSF, iterations=1, engine="gpu")
    assert gpu.version() == "cupy, not installed"


@pytest.mark.usefixtures("device")
def test_with_a_device_auto_is_gpu():
    assert resolve_engine("auto") == "gpu"
    assert describe_engine("auto") == "gpu 3 (cupy 14.0)"


def fail(error):
    def raise_error(*_arguments, **_options):
        raise error

    return raise_error


def break_driver(cupy):
    error = fake_cupy.CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    cupy.cuda.runtime.getDeviceCount = fail(error)


def break_compiler(cupy):
    cupy.RawModule = fail(RuntimeError("Failure finding 'libnvrtc.so'\nmore of it"))


def break_fft(cupy):
    cupy.cuda.cufft.PlanNd = fail(ImportError("Failure finding 'libcufft.so.11'"))


def break_arithmetic(cupy):
    start = cupy.RawModule.get_function
    cupy.RawModule = type(
        "Wrong", (cupy.RawModule,), {"get_function": lambda self, name: start(self, WRONG.get(name, name))}
    )


WRONG = {"multiply_by_conjugate": "multiply"}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda cupy: vars(cupy.cuda.runtime).update(getDeviceCount=lambda: 0), "CuPy sees no GPU"),
        (break_driver, "CUDARuntimeError: cudaErrorInsufficientDriver: CUDA driver version is insufficient"),
        (break_compiler, "RuntimeError: Failure finding 'libnvrtc.so'"),
        (break_fft, "ImportError: Failure finding 'libcufft.so.11'"),
        (break_arithmetic, "the GPU computes wrongly"),
    ],
)
@pytest.mark.usefixtures("device")
def test_a_device_that_cannot_compute_is_none_and_why_is_told(damage, reason, caplog):
    damage(sys.modules["cupy"])
    assert resolve_engine("auto") == "cpu"
    assert resolve_engine("auto") == "cpu"
    assert caplog.text.count(f"Engine auto is cpu here, though CuPy is installed: {reason}") == 1
    with pytest.raises(InputError, match=f"engine: gpu needs CuPy and an NVIDIA GPU that it sees: {reason}"):
        try_engine("gpu")


def compare(pixels, psf, bound=1e-5, **how):
    results = [richardson_lucy(pixels, psf, engine=engine, **how) for engine in ("gpu", "cpu")]
    assert relative_l2(*results) < bound


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("shape", [(9, 8, 7), (1, 20, 3)])
@pytest.mark.parametrize("boundary", CHOICES["boundary"])
@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
def test_its_code_on_numpy_agrees_with_cpu(shape, boundary, acceleration):
    compare(image(shape), PSF, iterations=4, boundary=boundary, acceleration=acceleration)


def compare_volumes(boundary, acceleration, iterations, bound):
    axes = np.meshgrid(*[np.arange(-r, r + 1) for r in (6, 7, 8)], indexing="ij")
    psf = np.exp(-sum(a**2 / 8 for a in axes))
    compare(image((23, 37, 41)), psf, bound, iterations=iterations, boundary=boundary, acceleration=acceleration)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize(("boundary", "acceleration", "iterations", "bound"), CASES)
def test_it_agrees_with_cpu(boundary, acceleration, iterations, bound):
    compare_volumes(boundary, acceleration, iterations, bound)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(("boundary", "acceleration", "iterations", "bound"), CASES)
def test_rounding_alone_stays_within_what_is_promised(boundary, acceleration, iterations, bound):
    compare_volumes(boundary, acceleration, iterations, bound)


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


@pytest.mark.usefixtures("device")
def test_negative_voxels_and_other_layouts_of_the_devices_arrays():
    cupy = sys.modules["cupy"]
    pixels = image() - 100
    expected = richardson_lucy(pixels, PSF, iterations=2, engine="gpu")
    padded = cupy.asarray(np.pad(pixels, 2))[2:-2, 2:-2, 2:-2]
    assert np.array_equal(richardson_lucy(padded, PSF, iterations=2, engine="gpu").get(), expected)


@pytest.mark.usefixtures("device")
def test_arrays_of_the_device_are_done_in_blocks(monkeypatch):
    pixels, psf = image((40, 64, 64)).astype(np.float32), np.ones((3, 3, 3))
    needs = gpu_memory.estimate_memory((40, 50, 50), psf.shape, Method(1))
    monkeypatch.setattr(gpu_memory, "find_memory_budget", lambda: needs)
    expected = richardson_lucy(pixels, psf, iterations=3, engine="gpu")
    on_device = sys.modules["cupy"].asarray(pixels)
    assert np.array_equal(richardson_lucy(on_device, psf, iterations=3, engine="gpu").get(), expected)


@pytest.mark.parametrize("boundary", CHOICES["boundary"])
@pytest.mark.parametrize("acceleration", CHOICES["acceleration"])
def test_a_volume_takes_the_devices_memory_that_is_counted(device, boundary, acceleration):
    shape, method = (16, 90, 80), Method(2, boundary, acceleration=acceleration)
    estimate = gpu_memory.estimate_memory(shape, PSF.shape, method)
    others = 2 * (gpu_memory.IN_FLIGHT - 1) * 4 * np.prod(shape)  # volumes that come and go
    gpu_trial.check_gpu()
    device.peak = 0
    richardson_lucy(image(shape), PSF, iterations=2, engine="gpu", boundary=boundary, acceleration=acceleration)
    small = 10**5  # the trial's channels, the PSF, and what is rounded up
    assert 0.85 * (estimate - others) < device.peak < estimate - others + small


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


def test_channels_of_a_shape_share_their_plans_and_all_the_work_area(device, monkeypatch):
    plans = []
    make = fake_cupy.Plan.__init__
    monkeypatch.setattr(fake_cupy.Plan, "__init__", lambda plan, *rest: plans.append(plan) or make(plan, *rest))
    for number in range(5):
        richardson_lucy(image((10, 40, 50)), PSF + number, iterations=1, engine="gpu")
    mine = [plan for plan in plans if plan.shape[0] > 12]
    assert len(mine) == 2, "forward and back"
    assert mine[0].work_area is mine[1].work_area
    assert device.in_use < device.memory


def test_channels_used_longest_ago_make_room(device):
    shape = (10, 40, 50)
    for number in range(3):
        richardson_lucy(image(shape), PSF + number, iterations=1, engine="gpu")
    kept = [key for key in gpu.CHANNELS if key[0] == shape]
    otf = gpu.CHANNELS[kept[0]].otf.nbytes
    area = gpu.get_transforms(sys.modules["cupy"]).area_bytes
    need = gpu_memory.estimate_memory(shape, PSF.shape, Method(1))
    device.others = device.memory - 3 * otf - area - need + otf // 2  # short of half an OTF
    richardson_lucy(image(shape), PSF, iterations=1, engine="gpu")
    assert [key for key in gpu.CHANNELS if key[0] == shape] == [*kept[1:], kept[0]], "used again, not made again"
    richardson_lucy(image(shape), PSF + 3, iterations=1, engine="gpu")
    assert kept[0] in gpu.CHANNELS
    assert kept[1] not in gpu.CHANNELS


def test_volumes_in_flight_are_no_reason_to_refuse_one(device):
    """They are in what a volume needs, so that the device is never as free as when it was counted."""
    shape, method = (20, 60, 50), Method(1)
    gpu_trial.check_gpu()
    device.memory = int(gpu_memory.estimate_memory(shape, PSF.shape, method) * 1.04) + device.in_use
    gpu_memory.find_memory_budget()
    threads = [
        threading.Thread(target=richardson_lucy, args=(image(shape), PSF), kwargs={"iterations": 1, "engine": "gpu"})
        for _ in range(gpu_memory.IN_FLIGHT)
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
    for seed in range(4):
        result = richardson_lucy(image(shape, seed), PSF, iterations=1, engine="gpu")
        part = result[2:5].T
        del result
        expected = part.copy()
        other = richardson_lucy(image(shape, 9), PSF, iterations=1, engine="gpu")
        assert np.array_equal(part, expected), "memory of a view is still in use"
        del part, other
    assert device.pinned_peak <= 2 * volume + 10**4
    richardson_lucy(image((9, 8, 7)), PSF, iterations=1, engine="gpu")
    assert device.pinned < volume, "of another shape nothing is kept"


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


@pytest.mark.usefixtures("device")
def test_one_volume_computes_at_a_time_and_others_come_and_go_meanwhile(monkeypatch):
    gpu_trial.check_gpu()
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


@pytest.mark.usefixtures("device")
def test_devices_are_those_that_this_process_may_use(monkeypatch):
    runtime = sys.modules["cupy"].cuda.runtime
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_trial.try_device() == (None, ("0",))
    runtime.getDeviceCount = lambda: 2
    assert gpu_trial.try_device().devices == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8932f937,GPU-1d1a9e5c")
    assert gpu_trial.try_device().devices == ("GPU-8932f937", "GPU-1d1a9e5c")


@pytest.fixture
def broken_cupy(tmp_path, monkeypatch):
    """An installed CuPy, without a device, that leaves a trace in the folder each time it is imported."""
    (tmp_path / "cupy.py").write_text(
        "import pathlib, types\n"
        "traces = pathlib.Path(__file__).parent / 'traces'\n"
        "traces.write_text(traces.read_text() + '.' if traces.exists() else '.')\n"
        "cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=lambda: 0))\n"
    )
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setenv(gpu_trial.KNOWN, "{}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    fake_cupy.forget(monkeypatch)
    return tmp_path / "traces"


def test_a_process_that_does_not_compute_has_another_one_try_the_gpu(broken_cupy, monkeypatch):
    """A process that has tried a device holds its memory, or the whole device, as long as it lives."""
    assert resolve_engine("auto") == "cpu"
    assert gpu_trial.ask_for_gpu() == ("CuPy sees no GPU", ())
    assert "cupy" not in sys.modules
    assert broken_cupy.read_text() == ".", "asked once"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    gpu_trial.ask_for_gpu()
    assert broken_cupy.read_text() == "..", "of another device"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.abort()", r"the process that tried it died with status -6: .*"),
        ("import time; time.sleep(60)", "it has not been tried within 1 s"),
    ],
)
@pytest.mark.usefixtures("broken_cupy")
def test_a_trial_that_dies_or_hangs_is_no_gpu(code, reason, monkeypatch):
    monkeypatch.setattr(gpu_trial, "CHILD", code)
    monkeypatch.setattr(gpu_trial, "TRIAL_SECONDS", 1)
    assert re.fullmatch(reason, gpu_trial.ask_for_gpu().absence)
