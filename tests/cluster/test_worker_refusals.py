"""Workers that SLURM refuses, or that refuse themselves: said once, asked for again, or the end of a run."""

from dataclasses import replace

import pytest

from lightsheet.system.errors import InputError
from tests.support.worker_site import STEP, Site, make_ready


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
    assert site.pool.headcount.number == 1
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
    assert (site.attempts, site.pool.headcount.number) == (3, 1)
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
    assert site.pool.headcount.number == 4
    assert site.pool.count_workers()[2] == LIMIT
    assert 50 < site.attempts - before < 70, "one sbatch a minute"
    site.refusal = ""
    site.wait(90, busy=["tls://worker-0"])
    assert len(site.pool.list_living()) == 4
    site.pool.headcount.number, site.refusal = 5, LIMIT
    site.pool.request = replace(site.pool.request, number=5)
    site.wait(600, busy=["tls://worker-0"])
    assert caplog.text.count("AssocMaxSubmitJobLimit") == 1
