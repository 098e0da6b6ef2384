"""Local workers that compute on GPUs: each has a device of its own, and has been tried before it gets a volume."""

import os
from pathlib import Path

import pytest

from lightsheet.cluster import FINAL, dispatch, local_gpus, workers
from lightsheet.deconvolution.gpu_trial import Trial
from lightsheet.system import InputError
from tests.cluster.test_workers import request

pytestmark = pytest.mark.slow


def pass_trial(engine: str) -> None:
    assert engine == "gpu"


def write_device(path: str) -> None:
    with Path(path).open("a") as file:
        file.write(os.environ["CUDA_VISIBLE_DEVICES"] + "\n")


def die_once(path: str) -> None:
    write_device(path)
    if Path(path).read_text().count("\n") == 1:
        os._exit(1)


def test_each_has_a_device_and_its_successor_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_gpus, "ask_for_gpu", lambda: Trial(None, ("GPU-a", "GPU-b")))
    monkeypatch.setattr(local_gpus, "try_engine", pass_trial)
    with workers.start_workers(request("local", 2), "gpu", 0) as pool:
        devices = pool.client.run(os.getenv, "CUDA_VISIBLE_DEVICES")  # type: ignore[no-untyped-call]
        assert sorted(devices.values()) == ["GPU-a", "GPU-b"]
    with workers.start_workers(request("local", 1), "gpu", 0) as pool:
        errors = dict(dispatch.map_volumes(pool, die_once, {"volume": {"path": str(tmp_path / "devices")}}, "work"))
    assert errors == {"volume": None}
    assert (tmp_path / "devices").read_text() == "GPU-a\n" * 2


def test_one_that_cannot_compute_ends_the_job_before_its_first_volume() -> None:
    with (
        pytest.raises(InputError, match=r"no use: engine: gpu needs CuPy and an NVIDIA GPU") as caught,
        workers.start_workers(request("local", 1), "gpu", 0),
    ):
        pytest.fail("it would get volumes, and fail each of them three times")
    assert str(caught.value).endswith(FINAL)
