import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lightsheet.processing.worker_share import Rate, describe_rate, measure_rate, share_worker, take_share


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_shares_of_volumes_in_hand_together_add_up_to_the_time_of_their_worker() -> None:
    barrier, shares = threading.Barrier(3), []

    def work(number: int) -> None:
        with share_worker(4):
            barrier.wait()
            spin(0.02)
            time.sleep(0.03 * (number + 1))
            shares.append(take_share()["share"])

    start = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    seconds = time.monotonic() - start
    assert 0.09 <= sum(share["seconds"] for share in shares) <= seconds + 0.003
    assert sum(share["core_seconds"] for share in shares) >= 0.059, "20 ms of each"
    assert {share["cores"] for share in shares} == {4}


def test_idle_time_between_volumes_is_nobodys_and_there_is_none_outside_of_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.monotonic()
    assert take_share() == {}
    for _ in range(2):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        with share_worker(1):
            share = take_share()["share"]
        assert share["seconds"] < 0.25
        now += 0.3


@pytest.mark.parametrize(
    ("core_seconds", "gpu_seconds", "words"),
    [
        (7.0, 0.0, "a worker does a volume in 1 s, of which its 8 cores work 88%: the cores bound the rate"),
        (7.0, 0.6, "its GPU computes 60% and its 8 cores work 88%: the cores bound the rate"),
        (6.6, 0.93, "its GPU computes 93% and its 8 cores work 82%: the GPU bounds the rate"),
        (2.0, 0.3, "neither is busy, so the disk bounds the rate, or how many volumes are in hand"),
        (2.0, 0.0, "its 8 cores work 25%: they are not busy, so the disk bounds the rate"),
    ],
)
def test_what_is_busy_bounds_the_rate(core_seconds: float, gpu_seconds: float, words: str) -> None:
    share = {"seconds": 1.0, "cores": 8, "core_seconds": core_seconds, "gpu_seconds": gpu_seconds}
    rate = measure_rate([{"share": share}, {"share": share}, None, {"status": "done"}])
    assert rate
    assert words in describe_rate(rate)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (0.5, "its core works 18%: it is not busy, nor is the disk, as 12% is reading and writing: what bounds"),
        (6.5, "its core works 18%: it is not busy, so the disk bounds the rate, or how many"),
    ],
)
def test_a_disk_that_little_is_read_from_and_written_to_bounds_no_rate(write: float, words: str) -> None:
    share = {"seconds": 10.0, "cores": 1, "core_seconds": 1.8, "gpu_seconds": 0.0}
    rate = measure_rate([{"share": share, "seconds": {"read": 0.7, "deconvolve": 8.8, "write": write}}])
    assert rate
    assert words in describe_rate(rate)


def test_records_of_earlier_versions_tell_no_rate() -> None:
    assert measure_rate([{"status": "done"}, None]) is None
    assert describe_rate(Rate(2.0, 1, 1.0)).startswith("a worker does a volume in 2 s, of which its core works 100%")
