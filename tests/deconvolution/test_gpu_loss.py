"""A worker whose GPU fails ends, and no other does."""

import os
import sys
from types import SimpleNamespace

import pytest

from lightsheet.deconvolution import gpu_loss
from lightsheet.deconvolution.gpu_loss import end_with_gpu
from lightsheet.system import InputError, logger
from tests.support import fake_cupy

LOST = "cudaErrorIllegalAddress: an illegal memory access was encountered"


class EndError(BaseException):
    """Of the process."""


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setattr(gpu_loss, "SEND_SECONDS", 0)

    def end(status):
        raise EndError(status)

    monkeypatch.setattr(os, "_exit", end)
    return fake_cupy.install(monkeypatch)


def fail(engine, error):
    with end_with_gpu(engine):
        raise error


def test_a_worker_ends_with_its_gpu_and_says_why(device, caplog):
    """Whatever the error was at first: CUDA may tell of it late."""
    device.failure = LOST
    for error in (fake_cupy.CUDARuntimeError(LOST), RuntimeError("CUFFT_EXEC_FAILED")):
        with pytest.raises(EndError):
            fail("gpu", error)
        assert f"its GPU has failed: {type(error).__name__}: {error}" in caplog.text


def test_a_worker_goes_on_where_its_gpu_does(device):
    with pytest.raises(RuntimeError, match="another"):
        fail("gpu", RuntimeError("another"))
    device.failure = LOST
    with pytest.raises(RuntimeError, match="another"):
        fail("cpu", RuntimeError("another"))
    with pytest.raises(InputError, match="sentence"):  # as of a machine that has no GPU: no other process would do it
        fail("gpu", InputError("a sentence"))


@pytest.mark.usefixtures("device")
def test_a_worker_that_has_not_used_cupy_has_no_gpu_to_lose(monkeypatch):
    monkeypatch.delitem(sys.modules, "cupy")
    with pytest.raises(RuntimeError, match="another"):
        fail("gpu", RuntimeError("another"))


def lose_gpu():
    """Do a volume on a GPU that fails."""
    runtime = SimpleNamespace(deviceSynchronize=fail_device, CUDARuntimeError=fake_cupy.CUDARuntimeError)
    sys.modules["cupy"] = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    fail("gpu", RuntimeError("CUFFT_EXEC_FAILED"))


def fail_device():
    raise fake_cupy.CUDARuntimeError(LOST)


@pytest.mark.slow
def test_the_last_words_of_a_worker_reach_the_coordinator(caplog):
    """A thread of Dask's sends them, and would end with the process."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")  # a GPU's image may lack them
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 60}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.forward_logging(logger.name)
        assert isinstance(client.submit(lose_gpu).exception(timeout=180), distributed.KilledWorker)
    assert "this worker ends, for its GPU has failed: RuntimeError: CUFFT_EXEC_FAILED" in caplog.text
