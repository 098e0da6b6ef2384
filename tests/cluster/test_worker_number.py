import pytest

from lightsheet.cluster.width import Needs
from lightsheet.cluster.worker_number import AUTO, choose_number, limit_to_devices, read_number
from lightsheet.deconvolution.gpu_trial import Trial
from lightsheet.system import InputError

GB = 10**9
CPU, GPU = Needs(0, GB), Needs(0, GB, gpu_seconds=1.0)


@pytest.mark.parametrize(
    ("cores", "volumes", "available", "number"),
    [
        (2, 8, 24 * GB, 2),
        (16, 100, 64 * GB, 16),
        (2, 1, 24 * GB, 1),  # one volume gets both cores
        (8, 3, 64 * GB, 3),
        (16, 100, 5 * GB, 3),  # as many as 60 % of the memory hold
        (4, 5, 64 * GB, 2),  # 3 rounds of 2 threads take less time than 2 of one
        (8, 16, 64 * GB, 8),
        (8, 100, GB // 2, 1),  # which is done in blocks
    ],
)
def test_workers_share_the_cores_as_memory_and_volumes_allow(
    cores: int, volumes: int, available: int, number: int
) -> None:
    assert choose_number(cores, volumes, CPU, available) == number


def test_a_gpu_has_one_worker() -> None:
    assert choose_number(16, 100, GPU, 64 * GB) == 1
    assert choose_number(16, 100, GPU, 64 * GB, devices=4) == 4
    assert choose_number(16, 100, Needs(0, 10 * GB, gpu_seconds=1.0), 64 * GB, devices=4) == 3, "that the memory holds"


@pytest.mark.parametrize(("engine", "devices", "number"), [("gpu", 2, 2), ("gpu", 0, 1), ("gpu", 9, 4), ("cpu", 0, 4)])
def test_no_two_workers_share_a_gpu(engine: str, devices: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(None, tuple(map(str, range(devices))))
    monkeypatch.setattr("lightsheet.cluster.worker_number.ask_for_gpu", lambda: trial)
    assert limit_to_devices(4, engine) == number


@pytest.mark.parametrize(
    ("value", "kind", "number"),
    [(None, "local", AUTO), ("auto", "local", AUTO), ("auto", "cpu", 100), (None, "cpu", 100), ("4", "local", 4)],
)
def test_a_number_stays_what_it_is(value: int | str | None, kind: str, number: int) -> None:
    assert read_number(value, kind) == number


@pytest.mark.parametrize("value", ["many", -1, "0"])
def test_what_is_no_number_is_refused(value: int | str) -> None:
    with pytest.raises(InputError, match=r"dask_workers: .* is neither auto nor a number from 1"):
        read_number(value, "cpu")
