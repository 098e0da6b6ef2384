import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.cluster import Queue, SlurmJob
from lightsheet.store import BlockStatus, Results, write_status
from lightsheet.workflow import progress_line
from lightsheet.workflow.progress_line import ProgressLine

TOTALS = {"ingest": 8, "deconvolve": 1, "consolidate": 1}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of a run in which a second is a moment."""
    lines: list[str] = []
    monkeypatch.setattr(progress_line, "logger", SimpleNamespace(info=lambda line, **_: lines.append(line)))
    monkeypatch.setattr(progress_line, "CHANGE_SECONDS", 0)
    monkeypatch.setattr(progress_line, "STARVING_SECONDS", 0)
    return lines


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results" / "a")


def queue(*jobs: str) -> list[SlurmJob]:
    """Jobs such as `7 RUNNING None`; those of workers say so."""
    return [
        SlurmJob(number, state, reason, "", "ls-a-t0000" if worker else "ls-a_1234")
        for number, state, reason, *worker in map(str.split, jobs)
    ]


def watch(jobs: list[SlurmJob] | None, rules: dict[str, str], **successes: int) -> Any:
    return SimpleNamespace(queue=Queue(jobs, 0, 0), rules=rules, successes=Counter(successes))


def say(results: Results, **values: Any) -> None:
    status = {"block": "t0000", "time": time.time(), "job_id": "7", "volumes": 24, "done": 12, "failed": 0}
    status |= {"in_flight": 4, "waiting": 8, "volumes_per_second": 3.2 / 60, "seconds_left": 180.0}
    status |= {"workers": 4, "workers_waiting": 2, "reason": "Resources"}
    write_status(results.status("t0000"), BlockStatus(**{**status, **values}))


def test_a_block_is_described_whatever_time_it_is_for_its_node_while_its_coordinator_lives(
    results: Results, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line, running = ProgressLine(results, "ls-a", TOTALS), watch(queue("7 RUNNING None"), {"7": "deconvolve"})
    say(results, time=time.time() - 3600)
    line.tell(running)
    monkeypatch.setattr(progress_line, "STALE_SECONDS", -1)
    line.tell(running)
    assert [text[:25] for text in lines] == ["deconvolve: 12 of 24 volu", "deconvolve: runs"]


def test_a_job_that_says_how_far_it_is_runs_though_squeue_does_not_know_it_yet(
    results: Results, lines: list[str]
) -> None:
    say(results)
    ProgressLine(results, "ls-a", {"deconvolve": 3}).tell(watch(queue(), {"7": "deconvolve"}, deconvolve=1))
    assert lines[0].startswith("deconvolve: 1 of 3 jobs done, 1 runs | deconvolve t0000: 12 of 24 volumes")


def test_a_block_is_described_as_its_coordinator_does(results: Results, lines: list[str]) -> None:
    line = ProgressLine(results, "ls-a", TOTALS)
    say(results)
    line.tell(watch(queue("7 RUNNING None"), {"7": "deconvolve"}))
    say(results, done=20, in_flight=1, waiting=0, failed=3, workers=1, workers_waiting=1, volumes_per_second=None)
    line.tell(watch(queue("7 RUNNING None"), {"7": "deconvolve"}))
    say(results, done=21, waiting=0, volumes_per_second=0.01, seconds_left=None, workers=0, workers_waiting=0)
    line.tell(watch(queue("7 RUNNING None"), {"7": "deconvolve"}))
    assert lines == [
        "deconvolve: 12 of 24 volumes, 4 in flight, 8 to do; 3.2 volumes per minute, 3 min left; "
        "4 workers, 2 wait (Resources)",
        "deconvolve: 20 of 24 volumes, 1 in flight, 0 to do, 3 failed; 3 min left; 1 worker, 1 waits (Resources)",
        "deconvolve: 21 of 24 volumes, 4 in flight, 0 to do; 36 volumes per hour; 0 workers",
    ]


def test_squeue_says_why_workers_wait_where_their_coordinator_does_not_know(results: Results, lines: list[str]) -> None:
    say(results, workers=0, reason="")
    jobs = queue("7 RUNNING None", "8 PENDING QOSMaxJobsPerUserLimit worker", "9 RUNNING None worker")
    ProgressLine(results, "ls-a", TOTALS).tell(watch(jobs, {"7": "deconvolve"}))
    assert lines[0].endswith("; 0 workers, 2 wait (QOSMaxJobsPerUserLimit)")


def test_jobs_are_counted_and_squeue_says_why_they_wait(results: Results, lines: list[str]) -> None:
    line = ProgressLine(results, "ls-a", TOTALS)
    rules = {str(number): "ingest" for number in range(5)}
    line.tell(watch([], rules))
    jobs = queue("0 RUNNING None", "1 RUNNING None", "2 PENDING Priority", "3 PENDING Priority", "4 REQUEUED Resources")
    line.tell(watch(jobs, rules, ingest=3))
    line.tell(watch(queue("7 PENDING Resources"), {"7": "deconvolve"}, ingest=8))
    line.tell(watch(queue("7 RUNNING None"), {"7": "deconvolve"}, ingest=8))
    line.tell(watch(None, {"7": "deconvolve"}, ingest=8))
    assert lines == [
        "ingest: 0 of 8 jobs done, 5 submitted",
        "ingest: 3 of 8 jobs done, 2 run, 3 wait (Priority, Resources)",
        "deconvolve: waits (Resources)",
        "deconvolve: runs",
        "deconvolve: submitted | squeue does not answer",
    ]


def test_what_a_coordinator_said_before_it_went_back_into_the_queue_is_not_repeated(
    results: Results, lines: list[str]
) -> None:
    say(results)
    ProgressLine(results, "ls-a", TOTALS).tell(watch(queue("7 PENDING BeginTime"), {"7": "deconvolve"}))
    assert lines == ["deconvolve: waits (BeginTime)"]


def test_blocks_at_the_same_time_are_told_apart(results: Results, lines: list[str]) -> None:
    say(results, workers_waiting=0)
    rules = {"7": "deconvolve", "8": "deconvolve"}
    ProgressLine(results, "ls-a", {"deconvolve": 3}).tell(watch(queue("7 RUNNING None", "8 RUNNING None"), rules))
    assert lines[0].startswith("deconvolve: 0 of 3 jobs done, 2 run | deconvolve t0000: 12 of 24 volumes, ")


def test_a_line_comes_at_a_change_and_else_not_before_its_time(
    results: Results, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line, running = ProgressLine(results, "ls-a", TOTALS), queue("7 RUNNING None")
    for done in (1, 2, 3):
        say(results, done=done)
        line.tell(watch(running, {"7": "deconvolve"}))
    assert len(lines) == 1, "volumes alone are told each half minute"
    say(results, done=3, workers=5)
    line.tell(watch(running, {"7": "deconvolve"}))
    assert len(lines) == 2
    monkeypatch.setattr(progress_line, "PAUSE_SECONDS", 0)
    for _ in range(3):
        line.tell(watch(running, {"7": "deconvolve"}))
    assert len(lines) == 2, "nothing is said twice"
    say(results, done=4, workers=5)
    line.tell(watch(running, {"7": "deconvolve"}))
    assert len(lines) == 3
    monkeypatch.setattr(progress_line, "CHANGE_SECONDS", 60)
    monkeypatch.setattr(progress_line, "PAUSE_SECONDS", 60)
    line.tell(watch([], {"7": "deconvolve"}))
    assert len(lines) == 3


def test_a_damaged_status_is_passed_over_and_nothing_is_said_where_nothing_runs(
    results: Results, lines: list[str]
) -> None:
    line = ProgressLine(results, "ls-a", TOTALS)
    line.tell(watch([], {}))
    say(results)
    results.status("t0000").write_text('{"block": ')
    results.status("t0001").write_text('{"block": "t0001", "time": "noon"}')
    line.tell(watch(queue("7 RUNNING None"), {"7": "deconvolve"}))
    assert lines == ["deconvolve: runs"]
    line.tell(SimpleNamespace())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("jobs", "is_said"),
    [
        (["7 RUNNING None", "8 RUNNING None", "9 PENDING Resources worker"], True),
        (["7 RUNNING None", "9 PENDING Resources worker"], False),  # the nodes are others'
        (["7 RUNNING None", "8 RUNNING None", "9 PENDING Resources worker", "10 RUNNING None worker"], False),
        (["7 RUNNING None", "8 RUNNING None"], False),
    ],
)
def test_it_is_said_if_a_run_stands_in_its_own_way(
    results: Results, lines: list[str], jobs: list[str], is_said: bool
) -> None:
    line, rules = ProgressLine(results, "ls-a", {"deconvolve": 2}), {"7": "deconvolve", "8": "deconvolve"}
    for _ in range(2):
        time.sleep(0.001)
        line.tell(watch(queue(*jobs), rules))
    assert any(progress_line.STARVING in text for text in lines) == is_said
