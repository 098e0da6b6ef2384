"""Whether there is a GPU that computes: tried before it is used, and what was wrong is told."""

import re
import sys
from types import SimpleNamespace

import pytest

from lightsheet.deconvolution import gpu, gpu_trial
from lightsheet.deconvolution.engines import describe_engine, resolve_engine, richardson_lucy, try_engine
from lightsheet.system.errors import InputError
from tests.deconvolution.test_gpu import PSF, fail
from tests.support import fake_cupy


@pytest.fixture
def device(monkeypatch):
    return fake_cupy.install(monkeypatch)


@pytest.fixture
def no_cupy(monkeypatch):
    fake_cupy.forget(monkeypatch)
    monkeypatch.setitem(sys.modules, "cupy", None)  # what makes an import fail


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


@pytest.mark.usefixtures("device")
def test_what_has_computed_is_named_with_what_rounds(monkeypatch):
    """CuPy loads cuFFT when a plan is made; a movie that two kinds of GPU made says so in its report."""
    runtime = sys.modules["cupy"].cuda.runtime
    runtime.getDevice, runtime.getDeviceProperties = lambda: 0, lambda _device: {"name": b"NVIDIA H100"}
    monkeypatch.setitem(sys.modules, "cupy.cuda.cufft", SimpleNamespace(getVersion=lambda: 11401))
    assert describe_engine("gpu") == "gpu 3 (cupy 14.0, cufft 11401, NVIDIA H100)"


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
    monkeypatch.setenv(gpu_trial.ANSWER, "{}")
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
    ("code", "seconds", "reason"),
    [
        ("import os; os.abort()", 60, r"the process that tried it died with status -6: .*"),
        ("import time; time.sleep(60)", 0.1, "it has not been tried within 0 s"),
    ],
)
@pytest.mark.usefixtures("broken_cupy")
def test_a_trial_that_dies_or_hangs_is_no_gpu(code, seconds, reason, monkeypatch):
    monkeypatch.setattr(gpu_trial, "CHILD", code)
    monkeypatch.setattr(gpu_trial, "TRIAL_SECONDS", seconds)
    assert re.fullmatch(reason, gpu_trial.ask_for_gpu().absence)
