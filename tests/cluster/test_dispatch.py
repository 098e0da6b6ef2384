"""Which volume goes where, and how often, when workers are lost: a pool and a client in memory, no processes."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from distributed import KilledWorker

from lightsheet.cluster import dispatch
from lightsheet.cluster.dispatch import VolumeCount
from lightsheet.cluster.walltime import OutOfTimeError, Walltime
from lightsheet.cluster.worker_pool import WorkerLoss
from lightsheet.system.errors import DiskError, InputError

Answer = BaseException | str | None
"""What becomes of a volume: done, an exception, or the end of its worker (a state of SLURM's)."""


class Future:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.status = {type(None): "finished", str: "pending"}.get(type(answer), "error")

    def done(self) -> bool:
        return self.status != "pending"

    def exception(self) -> Answer:
        return self.answer

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        call(self)

    def cancel(self) -> None:
        pass


class FakePool:
    """Two workers; `answers` says per volume what happens at each try."""

    def __init__(self, answers: dict[str, list[Answer]], slots: int = 1) -> None:
        self.client, self.slots, self.news = self, slots, threading.Event()
        self.flights: dict[str, list[Future]] = defaultdict(list)
        self.answers = {name: list(tries) for name, tries in answers.items()}
        self.submissions: list[tuple[str, str]] = []
        self.ends: dict[str, str] = {}
        self.workers, self.count, self.questions = {"w0", "w1"}, 2, 0

    def submit(self, call: partial[Any], *, workers: list[str], **_: Any) -> Future:
        (address,) = workers
        name = call.keywords["name"]
        self.submissions.append((name, address))
        answer = self.answers[name].pop(0)
        future = Future(answer)
        self.flights[address].append(future)
        if isinstance(answer, str):
            self.workers.discard(address)
            self.ends[address] = answer
            for flight in self.flights[address]:
                flight.status = "pending"
        return future

    def maintain(self, volumes: int, busy: Sequence[str]) -> None:
        assert volumes >= len(busy)
        assert volumes > 0
        while len(self.workers) < 2:
            self.workers.add(f"w{self.count}")
            self.count += 1

    def list_connected(self) -> set[str]:
        return self.workers

    def count_workers(self) -> tuple[int, int, str]:
        return len(self.workers), 0, ""

    def list_free(self, busy: Sequence[str]) -> list[str]:
        self.flights.clear()
        return [
            address for slot in range(self.slots) for address in sorted(self.workers) if busy.count(address) <= slot
        ]

    def explain_loss(self, address: str) -> WorkerLoss | None:
        self.questions += 1
        if self.questions % 2:
            return None  # SLURM does not know yet
        return WorkerLoss(f"{address} {self.ends[address]}", self.ends[address] == "FAILED")

    def record_duration(self, address: str, seconds: float) -> None:
        assert address in self.workers
        assert seconds >= 0


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "POLL_SECONDS", 0.001)


def run(answers: dict[str, list[Answer]], slots: int = 1) -> tuple[dict[str, BaseException | None], FakePool]:
    pool = FakePool(answers, slots)
    ended = list(dispatch.map_volumes(pool, print, {name: {"name": name} for name in answers}, "work"))  # type: ignore[arg-type]
    assert sorted(name for name, _ in ended) == sorted(answers), "each volume ends once"
    return dict(ended), pool


def test_every_worker_has_one_volume_at_a_time() -> None:
    errors, pool = run({f"v{n}": [None] for n in range(5)})
    assert set(errors.values()) == {None}
    assert [address for _, address in pool.submissions] == ["w0", "w1", "w0", "w1", "w0"]


def test_a_volume_is_given_up_after_three_exceptions_and_the_others_are_done() -> None:
    errors, pool = run(
        {"bad": [ValueError("1"), ValueError("2"), ValueError("3")], "good": [None], "late": [ValueError(), None]}
    )
    assert str(errors["bad"]) == "3"
    assert errors["good"] is errors["late"] is None
    assert [name for name, _ in pool.submissions].count("bad") == 3


def test_what_a_sentence_says_is_not_tried_again() -> None:
    errors, pool = run({"bad": [InputError("it is damaged")], "good": [None]})
    assert str(errors["bad"]) == "it is damaged"
    assert [name for name, _ in pool.submissions] == ["bad", "good"]


def test_after_a_full_disk_those_in_flight_end_and_no_volume_is_begun() -> None:
    pool = FakePool({"first": [DiskError("full")], "second": [ValueError()], "third": [None], "fourth": [None]})
    volumes = dispatch.map_volumes(pool, print, {name: {"name": name} for name in pool.answers}, "work")  # type: ignore[arg-type]
    with pytest.raises(DiskError, match="full"):
        list(volumes)
    assert [name for name, _ in pool.submissions] == ["first", "second"]


def test_a_volume_that_kills_its_worker_is_given_up_after_three_workers() -> None:
    errors, pool = run({"bad": ["FAILED"] * 3, "good": [None]})
    assert isinstance(errors["bad"], InputError)
    assert "FAILED" in str(errors["bad"])
    assert len({address for name, address in pool.submissions if name == "bad"}) == 3


def test_a_worker_with_slots_has_so_many_volumes_at_a_time() -> None:
    errors, pool = run({f"v{n}": [None] for n in range(7)}, slots=3)
    assert set(errors.values()) == {None}
    assert [address for _, address in pool.submissions] == ["w0", "w1"] * 3 + ["w0"]


def test_a_worker_that_is_lost_takes_its_volumes_in_flight_along_and_no_others() -> None:
    answers: dict[str, list[Answer]] = {f"v{n}": [None, None] for n in range(12)}
    errors, pool = run(answers | {"v4": ["PREEMPTED", None]}, slots=3)
    assert set(errors.values()) == {None}
    names = [name for name, _ in pool.submissions]
    again = sorted(name for name in answers if names.count(name) == 2)
    assert again == ["v0", "v2", "v4"], "the slots of one worker"
    assert len(names) == 12 + 3


def test_a_volume_that_kills_its_worker_does_not_take_others_along_three_times() -> None:
    errors, pool = run({"a": [None] * 4, "b": [None] * 4, "c": [None] * 4, "d": [None] * 4, "bad": ["FAILED"] * 3}, 3)
    assert {name for name, error in errors.items() if error} == {"bad"}
    assert [name for name, _ in pool.submissions].count("a") == 2, "lost with the bad one once, then apart from it"


def test_losses_that_are_not_the_volumes_fault_do_not_count() -> None:
    errors, _ = run({"unlucky": ["PREEMPTED", "NODE_FAIL", "CANCELLED", "PREEMPTED", None], "good": [None]})
    assert set(errors.values()) == {None}


def test_dasks_own_verdict_on_a_dead_worker_is_a_loss_not_a_failure() -> None:
    pool_answers: dict[str, list[Answer]] = {"v": [KilledWorker("v", None, 0), None]}
    pool = FakePool(pool_answers)
    pool.ends = {"w0": "FAILED"}
    ended = list(dispatch.map_volumes(pool, print, {"v": {"name": "v"}}, "work"))  # type: ignore[arg-type]
    assert ended == [("v", None)]


def test_a_worker_is_given_a_volume_when_it_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "POLL_SECONDS", 60.0)
    pool = FakePool({"volume": [None]})
    monkeypatch.setattr(pool, "list_free", lambda _: ["w0"] if arrived.is_set() else [])
    arrived = threading.Event()

    def arrive() -> None:
        arrived.set()
        pool.news.set()

    threading.Timer(0.1, arrive).start()
    start = time.monotonic()
    assert dict(dispatch.map_volumes(pool, print, {"volume": {"name": "volume"}}, "work")) == {"volume": None}
    assert time.monotonic() - start < 30


class Clock(Walltime):
    """A walltime that is near after so many looks, and over after so many."""

    def __init__(self, near: int, over: int) -> None:
        super().__init__(0.0, 0.0)
        self.__dict__.update(near=near, over=over, looks=0)

    def is_near(self, volume_seconds: float) -> bool:
        self.__dict__["looks"] += 1
        return bool(volume_seconds >= 0 and self.__dict__["looks"] > self.__dict__["near"])

    def is_over(self) -> bool:
        self.__dict__["looks"] += 1
        return bool(self.__dict__["looks"] > self.__dict__["over"])


def end_early(answers: dict[str, list[Answer]], clock: Clock) -> tuple[dict[str, Any], FakePool, int]:
    """Return the volumes that ended before the walltime, the pool, and how many the end itself counts."""
    pool, ended = FakePool(answers), {}
    volumes = dispatch.map_volumes(pool, print, {name: {"name": name} for name in answers}, "work", clock)  # type: ignore[arg-type]
    try:
        ended.update(volumes)
    except OutOfTimeError as error:
        return ended, pool, error.done
    raise AssertionError("it did not end early")


def test_near_the_walltime_those_in_flight_end_and_no_volume_is_begun() -> None:
    ended, pool, done = end_early({f"v{n}": [None] for n in range(9)}, Clock(near=1, over=99))
    assert ended == dict.fromkeys(["v0", "v1", "v2", "v3"])
    assert (done, len(pool.submissions)) == (4, 4)


def test_a_volume_that_fails_near_the_walltime_is_left_to_the_next_life() -> None:
    ended, pool, done = end_early({"bad": [ValueError("1")], "good": [None], "late": [None]}, Clock(near=0, over=99))
    assert ended == {"good": None}, "one failure of three is no verdict"
    assert (done, len(pool.submissions)) == (1, 2)


def test_a_volume_that_takes_longer_than_the_walltime_is_not_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Future, "done", lambda self: self.answer is None)
    slow = Answer  # its future never ends
    pool_answers: dict[str, list[Any]] = {"slow": [slow], "quick": [None], "late": [None]}
    ended, _, done = end_early(pool_answers, Clock(near=0, over=5))
    assert (ended, done) == ({"quick": None}, 1)


def test_a_walltime_that_ends_after_the_last_volume_has_begun_ends_nothing() -> None:
    pool = FakePool({"a": [None], "b": [None]})
    volumes = dispatch.map_volumes(pool, print, {"a": {"name": "a"}, "b": {"name": "b"}}, "work", Clock(0, 99))  # type: ignore[arg-type]
    assert dict(volumes) == {"a": None, "b": None}


def test_what_is_told_adds_up_to_all_volumes() -> None:
    pool, counts = FakePool({f"v{n}": [None] for n in range(4)} | {"bad": [InputError("x")]}), list[VolumeCount]()
    tasks = {name: {"name": name} for name in pool.answers}
    list(dispatch.map_volumes(pool, print, tasks, "work", tell=counts.append))  # type: ignore[arg-type]
    assert {sum(count[:4]) for count in counts} == {5}
    assert [count.done for count in counts] == sorted(count.done for count in counts)
    assert (counts[0].in_flight, counts[0].workers) == (2, 2)
