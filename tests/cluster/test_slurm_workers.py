"""Workers that hang or are lost are replaced: scheduler, queue and clock in memory; `tests/slurm` has real ones."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import KilledWorker

from lightsheet.cluster import dismissal, queue_watch, slurm_worker, slurm_workers
from lightsheet.cluster.section import Section
from lightsheet.cluster.shared_queue import Queue
from lightsheet.cluster.slurm import SlurmJob
from lightsheet.cluster.slurm_workers import SlurmWorkers
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.store import Results
from lightsheet.system.errors import InputError

STEP = 5.0  # seconds of the clock between two looks at the workers


class Site:
    """A SLURM and a Dask scheduler, whose clock goes on at each look.

    `submitted` and `cancelled` name workers, `dismissed` are the addresses of those that were asked to end.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.now, self.submitted, self.cancelled, self.dismissed = 1000.0, list[str](), list[str](), list[str]()
        self.refusal, self.attempts, self.nodes = "", 0, dict[str, str]()
        self.states: dict[str, str] = {}  # of jobs, as squeue says; those that are absent it does not know
        self.trial = SimpleNamespace(
            done=lambda: False, status="finished", exception=lambda: None, add_done_callback=lambda _: None
        )
        self.scheduler, self.workers = SimpleNamespace(workers={}), dict[str, Any]()
        for module in (dismissal, queue_watch, slurm_worker, slurm_workers):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        for module in (dismissal, slurm_workers):
            monkeypatch.setattr(module, "update_jobs", self.update_jobs)
        monkeypatch.setattr(dismissal, "close_workers", lambda _, addresses: self.dismissed.extend(addresses))
        self.ended = set[str]()
        monkeypatch.setattr(slurm_workers, "forget_jobs", lambda _, names: self.ended.update(names))
        monkeypatch.setattr(slurm_workers, "set_job_options", lambda *_: None)
        monkeypatch.setattr(slurm_workers, "recall_job", lambda job: SlurmJob(job, "UNKNOWN"))
        monkeypatch.setattr(queue_watch, "ask_queue", self.ask_queue)
        section = Section("cpu", 8, False, None, 4 * 3600, 12 * 3600)
        request = WorkerRequest("cpu", number, 1, Results(Path("small")), "t0000")
        client: Any = SimpleNamespace(submit=lambda *_, **__: self.trial)
        self.pool = SlurmWorkers(client, self, section, request, number, 10**9, "cpu")  # type: ignore[arg-type]

    def update_jobs(self, _cluster: Any, *, cancel: Collection[str] = (), submit: Collection[str] = ()) -> str:
        for name in () if self.refusal else submit:
            job = str(100 + len(self.submitted))
            self.workers[name] = SimpleNamespace(job_id=job)
            self.submitted.append(name)
            self.states[job] = "RUNNING"
        for name in {*cancel} - self.ended:
            self.cancelled.append(name)
            if name in self.workers:
                self.states[self.workers[name].job_id] = "CANCELLED"
        self.attempts += len([*submit])
        return self.refusal if submit else ""

    def ask_queue(self, _path: Path, _label: str) -> Queue:
        name = self.pool.request.name
        jobs = [SlurmJob(job, state, "", self.nodes.get(job, "n1"), name) for job, state in self.states.items()]
        return Queue(jobs, self.now, self.now)

    def connect(self, name: str) -> None:
        self.scheduler.workers[name] = SimpleNamespace(name=name, address=f"tls://{name}", extra={})

    def finish_trials(self) -> None:
        self.trial.done = lambda: True

    def wait(self, seconds: float, busy: Collection[str] = ()) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            self.pool.maintain(self.pool.request.number, list(busy))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    """One worker, whose job runs."""
    site = Site(monkeypatch, 1)
    site.wait(STEP)
    assert site.submitted == ["worker-0"]
    return site


def test_a_worker_that_hangs_in_its_trial_is_replaced(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.connect("worker-0")
    site.wait(slurm_worker.TRIAL_SECONDS)
    assert not site.cancelled
    site.wait(3 * STEP)
    assert (site.cancelled[0], site.submitted) == ("worker-0", ["worker-0", "worker-1"])
    assert site.pool.number == 1, "a node that is sick says nothing of the others"
    assert "job 100 on n1: the worker has not ended its trial of the engine for 10 min (RUNNING)" in caplog.text


def test_a_worker_that_never_connects_is_replaced(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.wait(slurm_worker.CONNECT_SECONDS)
    assert not site.cancelled
    site.wait(3 * STEP)
    assert site.submitted == ["worker-0", "worker-1"]
    assert "the worker has not connected for 10 min" in caplog.text


def test_a_job_that_waits_in_the_queue_is_waited_for(site: Site) -> None:
    site.states["100"] = "PENDING"
    site.wait(3 * slurm_worker.CONNECT_SECONDS)
    assert not site.cancelled


@pytest.mark.parametrize("is_ready", [True, False])
def test_a_worker_that_is_lost_without_a_volume_is_replaced(is_ready: bool, site: Site) -> None:
    site.connect("worker-0")
    site.wait(STEP)
    site.finish_trials()
    if is_ready:
        site.wait(STEP)
        assert site.pool.list_free([]) == ["tls://worker-0"]
    else:
        site.trial.status, site.trial.exception = "error", lambda: KilledWorker("trial", None, 0)
    site.scheduler.workers.clear()
    site.wait(slurm_worker.LOST_SECONDS)
    assert not site.cancelled
    site.wait(3 * STEP)
    assert site.submitted == ["worker-0", "worker-1"]
    assert site.pool.number == 1


def test_a_volume_whose_worker_hangs_is_suspected_even_when_its_job_was_cancelled_for_that(site: Site) -> None:
    site.connect("worker-0")
    site.wait(STEP)
    site.finish_trials()
    site.wait(STEP)
    site.scheduler.workers.clear()
    assert site.pool.explain_loss("tls://worker-0") is None
    site.wait(slurm_worker.LOST_SECONDS + 30, busy=["tls://worker-0"])
    loss = site.pool.explain_loss("tls://worker-0")
    assert loss
    assert loss.volume_suspected
    assert "job 100 on n1: the worker does not answer for 60 s" in loss.reason


def test_a_volume_of_a_suspended_job_is_not_suspected(site: Site) -> None:
    site.connect("worker-0")
    site.states["100"] = "SUSPENDED"
    site.wait(120)
    site.scheduler.workers.clear()
    site.wait(slurm_worker.LOST_SECONDS + 2 * STEP)
    loss = site.pool.explain_loss("tls://worker-0")
    assert loss
    assert not loss.volume_suspected


def test_workers_that_come_to_nothing_again_and_again_end_the_run(site: Site) -> None:
    with pytest.raises(InputError, match="no worker is left; job 102 on n1: the worker has not connected"):
        site.wait(5 * slurm_worker.CONNECT_SECONDS)
    assert len(site.submitted) == 1 + slurm_workers.REFILLS


def test_one_worker_that_becomes_ready_makes_up_for_those_that_did_not(site: Site) -> None:
    site.wait(2.1 * slurm_worker.CONNECT_SECONDS)
    assert site.pool.failures == 2
    site.connect(site.submitted[-1])
    site.finish_trials()
    site.wait(2 * STEP)
    assert (site.pool.failures, site.pool.number) == (0, 1)


@pytest.mark.parametrize("is_connected", [True, False])
def test_an_answer_of_squeue_without_the_job_is_no_death(is_connected: bool, site: Site) -> None:
    if is_connected:
        site.connect("worker-0")
        site.wait(STEP)
        site.finish_trials()
    site.states.clear()
    site.pool.queue.ask_soon()
    site.wait(STEP)
    site.states["100"] = "RUNNING"
    site.wait(60)
    assert (site.submitted, site.cancelled, site.pool.number) == (["worker-0"], [], 1)


def test_a_job_that_slurm_does_not_know_for_a_while_has_ended(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.connect("worker-0")
    site.wait(STEP)
    site.finish_trials()
    site.wait(STEP)
    site.scheduler.workers.clear()
    site.states.clear()
    site.pool.queue.ask_soon()
    site.wait(6 * STEP)
    assert site.submitted == ["worker-0", "worker-1"]
    assert "it is not known how it ended (UNKNOWN)" in caplog.text


def test_a_connected_worker_lives_whatever_slurm_says(site: Site) -> None:
    site.connect("worker-0")
    site.wait(STEP)
    site.finish_trials()
    site.states.clear()
    site.wait(600)
    assert not site.cancelled


def make_ready(site: Site, *names: str) -> None:
    for name in names:
        site.connect(name)
    site.wait(STEP)
    site.finish_trials()
    site.wait(STEP)


def test_a_worker_that_is_needed_no_more_is_asked_to_end_and_not_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, 2)
    site.wait(2 * STEP)
    make_ready(site, *site.submitted)
    site.pool.request = replace(site.pool.request, number=1)  # of two volumes one is left
    site.wait(STEP, busy=["tls://worker-0"])
    assert site.dismissed == ["tls://worker-1"]
    site.states["101"] = "COMPLETED"
    site.wait(60, busy=["tls://worker-0"])
    assert (site.submitted, site.states["101"]) == (["worker-0", "worker-1"], "COMPLETED")


def test_a_worker_that_does_not_end_when_asked_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, 2)
    site.wait(2 * STEP)
    make_ready(site, *site.submitted)
    site.pool.request = replace(site.pool.request, number=1)
    site.wait(STEP, busy=["tls://worker-0"])
    assert not site.cancelled
    site.wait(slurm_worker.CLOSE_SECONDS + STEP, busy=["tls://worker-0"])
    assert site.cancelled[0] == "worker-1"


def fail_trials(site: Site, sentence: str) -> None:
    site.trial.status, site.trial.exception = "error", lambda: InputError(sentence)
    site.finish_trials()


def test_what_is_wrong_on_two_nodes_ends_the_run_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(monkeypatch, 8)
    site.nodes = {str(100 + number): f"n{number}" for number in range(8)}
    site.wait(2 * STEP)
    for name in ("worker-0", "worker-3"):
        site.connect(name)
    site.wait(STEP)
    fail_trials(site, "engine: gpu needs CuPy")
    with pytest.raises(
        InputError, match=r"^no worker is left; job 100 on n0, job 103 on n3: engine: gpu needs CuPy;.*help\)$"
    ):
        site.wait(3 * STEP)
    assert caplog.text.count("engine: gpu needs CuPy") == 1
    assert len(site.submitted) == 8


def test_a_sick_node_is_said_once_and_ends_no_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(monkeypatch, 3)
    site.wait(2 * STEP)
    for name in ("worker-0", "worker-1"):
        site.connect(name)
    site.wait(STEP)
    fail_trials(site, "engine: gpu needs CuPy")
    site.wait(3 * STEP)
    assert site.pool.number == 1
    assert caplog.text.count("engine: gpu needs CuPy") == 1


def test_a_refusal_for_good_is_met_once(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, 50)
    site.refusal = "invalid partition specified: moon"
    with pytest.raises(
        InputError, match=r"SLURM refuses the workers of section cpu of jobqueue.yaml: invalid part.*help\)$"
    ):
        site.wait(STEP)
    assert site.attempts == 1


def test_a_run_goes_on_with_the_workers_that_it_has_if_sbatch_takes_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(monkeypatch, 3)
    site.wait(STEP)
    site.refusal = "Invalid account or account/partition combination specified"
    make_ready(site, "worker-0")
    site.wait(600)
    assert (site.attempts, site.pool.number) == (3, 1)
    assert caplog.text.count("Invalid account") == 1
    site.states["100"] = "NODE_FAIL"
    site.scheduler.workers.clear()
    with pytest.raises(InputError, match=r"SLURM refuses the workers of section cpu .* Invalid account"):
        site.wait(600)


def test_a_busy_controller_is_asked_again_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(monkeypatch, 1)
    site.refusal = "Batch job submission failed: Socket timed out on send/recv operation"
    site.wait(600)
    assert site.attempts > 5
    assert caplog.text.count("Socket timed out") == 1
    site.refusal = ""
    site.wait(90)
    assert len(site.submitted) == 1


LIMIT = "AssocMaxSubmitJobLimit Batch job submission failed: Job violates accounting/QOS policy (job submit limit, ...)"


@pytest.mark.parametrize("number", [0, 1])
def test_a_full_queue_of_the_user_is_waited_for_and_said_once(
    number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(monkeypatch, 4)
    if number:
        site.wait(STEP)
        make_ready(site, "worker-0")
        site.cancelled, site.submitted[1:] = [], []
    before, site.refusal = site.attempts, LIMIT
    site.pool.workers[number:] = []
    site.wait(3600, busy=["tls://worker-0"])
    assert site.pool.number == 4
    assert site.pool.count_workers()[2] == LIMIT
    assert 50 < site.attempts - before < 70, "one sbatch a minute"
    site.refusal = ""
    site.wait(90, busy=["tls://worker-0"])
    assert len(site.pool.list_living()) == 4
    site.pool.number, site.refusal = 5, LIMIT
    site.pool.request = replace(site.pool.request, number=5)
    site.wait(600, busy=["tls://worker-0"])
    assert caplog.text.count("AssocMaxSubmitJobLimit") == 1


def test_an_answer_from_before_a_job_was_submitted_says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, 1)
    monkeypatch.setattr(queue_watch, "ask_queue", lambda *_: Queue([], site.now - 1000, site.now))
    site.wait(600)
    assert (site.submitted, site.cancelled) == (["worker-0"], [])
    assert not site.pool.workers[0].doubts


def test_no_worker_is_submitted_for_volumes_that_another_has_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers with three volumes in hand each: at the end the one that is idle leaves, and none comes for it."""
    site = Site(monkeypatch, 2)
    site.pool.request = replace(site.pool.request, slots=3)
    for _ in range(2):
        site.pool.maintain(6, [])
        site.now += STEP
    assert site.submitted == ["worker-0", "worker-1"]
    for name in site.submitted[:]:
        make_ready(site, name)
    for volumes in (5, 4, 3):
        site.pool.maintain(volumes, ["tls://worker-1"] * 3 + ["tls://worker-0"] * (volumes - 3))
        site.now += STEP
    assert site.submitted == ["worker-0", "worker-1"]
    site.pool.maintain(5, ["tls://worker-1"] * 3)
    assert site.submitted == ["worker-0", "worker-1", "worker-2"], (
        "two volumes have come back from a worker that is gone"
    )
