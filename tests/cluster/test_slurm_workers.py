"""Workers that hang or are lost are replaced: scheduler, queue and clock in memory; `tests/slurm` has real ones."""

from dataclasses import replace

import pytest
from distributed import KilledWorker

from lightsheet.cluster import headcount, queue_watch, slurm_worker
from lightsheet.cluster.shared_queue import Queue
from lightsheet.system.errors import InputError
from tests.support.worker_site import STEP, Site, make_ready


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
    assert site.pool.headcount.number == 1, "a node that is sick says nothing of the others"
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
    assert site.pool.headcount.number == 1


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
    assert len(site.submitted) == 1 + headcount.REFILLS


def test_one_worker_that_becomes_ready_makes_up_for_those_that_did_not(site: Site) -> None:
    site.wait(2.1 * slurm_worker.CONNECT_SECONDS)
    assert site.pool.headcount.failures == 2
    site.connect(site.submitted[-1])
    site.finish_trials()
    site.wait(2 * STEP)
    assert (site.pool.headcount.failures, site.pool.headcount.number) == (0, 1)


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
    assert (site.submitted, site.cancelled, site.pool.headcount.number) == (["worker-0"], [], 1)


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
