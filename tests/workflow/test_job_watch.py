import asyncio
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.cluster import Queue, SlurmJob
from lightsheet.workflow import job_watch
from lightsheet.workflow.job_watch import JobWatch
from tests.support.fake_commands import command
from tests.support.patience import wait_until

NAME = "ls-a-1_1234"


class Plugin:
    """Snakemake's SLURM plugin: what it is told of a job, and its jobs' logs in a folder."""

    def __init__(self, folder: Path, keep: bool = True) -> None:
        self.folder, self.wait, self.reports = folder, True, list[str]()
        self.workflow = SimpleNamespace(executor_settings=SimpleNamespace(keep_successful_logs=keep))
        self.watch = JobWatch(self, folder / "work" / "queue.json", "ls-a-1")
        self.watch.start()
        (folder / "manifests").mkdir()

    def run_job(self, job: Any) -> None:
        self.info = SimpleNamespace(job=job, external_jobid="7", aux={"slurm_logfile": self.folder / "7.log"})

    def report_job_submission(self, info: Any) -> None:
        pass

    def report_job_success(self, info: Any) -> None:
        self.reports.append(f"{info.external_jobid} succeeded")

    def report_job_error(self, _info: Any, msg: str, aux_logs: list[str]) -> None:
        self.reports.append(msg + Path(aux_logs[0]).name)

    def submit(self, is_group: bool = False) -> None:
        output = [str(self.folder / "manifests" / "ingest.json")]
        self.run_job(SimpleNamespace(jobid=3, name="ingest", output=output, is_group=lambda: is_group))
        self.report_job_submission(self.info)

    def write(self, text: str = "{}") -> None:
        Path(self.info.job.output[0]).write_text(text)

    def check(self) -> list[str]:
        async def look() -> list[Any]:
            return [info async for info in self.watch.check([self.info])]

        waiting = asyncio.run(look())
        assert len(waiting) + len(self.reports) == 1
        return self.reports

    def ask_no_more(self) -> None:
        self.watch.thread = threading.current_thread()  # the question before is not answered yet

    def hear(self, *states: str) -> list[str]:
        """Check after each of some answers of squeue about job 7; an empty state: it is not in the queue."""
        self.ask_no_more()
        for state in states:
            jobs = [SlurmJob("7", state, "", "c1", NAME)] if state else []
            self.watch.queue = Queue(jobs, time.monotonic() + 100 * (len(states) + 1), 0)
            self.watch.answer_time = -1e9
            if self.check():
                break
        return self.reports


@pytest.fixture
def plugin(commands: Path) -> Plugin:
    command(commands, "squeue", f"echo '7|RUNNING|None|c1|{NAME}'")
    return Plugin(commands)


def test_the_end_of_a_job_is_seen_when_its_output_is_there_and_its_log_says_so(plugin: Plugin) -> None:
    plugin.submit()
    assert plugin.check() == []
    plugin.write()
    assert plugin.check() == []
    (plugin.folder / "7.log").write_text("Finished jobid: 0 (Rule: ingest)\n1 of 1 steps (100%) done\n")
    assert plugin.check() == ["7 succeeded"]


def test_a_log_that_does_not_come_is_not_waited_for(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_watch, "SETTLE_SECONDS", 60)
    plugin.submit()
    plugin.write()
    assert plugin.check() == []
    plugin.watch.submissions["7"].output_time = time.monotonic() - 61
    assert plugin.check() == ["7 succeeded"]


def test_the_output_of_an_earlier_run_is_none_until_it_is_made_again(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "SETTLE_SECONDS", -1)
    path = plugin.folder / "manifests" / "ingest.json"
    path.write_text("{}")
    plugin.submit()
    assert plugin.check() == []
    path.unlink()  # as Snakemake does before it runs a rule
    assert plugin.check() == []
    plugin.write()
    assert plugin.check() == ["7 succeeded"]


def test_a_job_that_fails_after_its_output_has_not_succeeded(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_watch, "SETTLE_SECONDS", -1)
    plugin.submit()
    plugin.write()
    (plugin.folder / "7.log").write_text("Exiting because a job execution failed. Look below for error messages\n")
    assert plugin.check() == []
    assert plugin.hear("FAILED") == ["SLURM-job '7' failed, SLURM status is: 'FAILED'. 7.log"]


@pytest.mark.parametrize(("keep", "left"), [(True, ["7.log"]), (False, [])])
def test_logs_of_jobs_that_succeeded_are_kept_if_they_shall_be(commands: Path, keep: bool, left: list[str]) -> None:
    plugin = Plugin(commands, keep)
    plugin.submit()
    (commands / "7.log").touch()
    assert plugin.hear("COMPLETED") == ["7 succeeded"]
    assert [path.name for path in commands.glob("*.log")] == left


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY"])
def test_failures_are_told_by_the_queue(plugin: Plugin, state: str) -> None:
    plugin.submit()
    assert plugin.hear("RUNNING", state) == [f"SLURM-job '7' failed, SLURM status is: '{state}'. 7.log"]


def test_a_job_that_waits_again_although_it_had_ended_is_cancelled(commands: Path, plugin: Plugin) -> None:
    command(commands, "scancel", f"echo $@ > {commands}/cancelled")
    plugin.submit()
    assert plugin.hear("COMPLETED") == ["7 succeeded"]
    plugin.watch.queue = Queue([SlurmJob("7", "PENDING"), SlurmJob("8", "PENDING")], time.monotonic() + 900, 0)
    plugin.watch._take_answer()
    cancelled = commands / "cancelled"
    wait_until(lambda: cancelled.exists() and cancelled.stat().st_size)
    assert cancelled.read_text().split() == ["--quiet", "7"]


def test_the_end_of_a_group_is_told_by_the_queue(plugin: Plugin) -> None:
    plugin.submit(is_group=True)
    plugin.write()
    assert plugin.hear("RUNNING") == []
    assert plugin.hear("COMPLETED") == ["7 succeeded"]


def test_a_job_that_lost_its_place_may_come_back_or_not(plugin: Plugin) -> None:
    plugin.submit()
    assert plugin.hear("RUNNING", "NODE_FAIL", "NODE_FAIL", "PENDING", "RUNNING", "REQUEUED", "PENDING") == []
    assert plugin.hear("PREEMPTED", "PREEMPTED", "RUNNING", "SUSPENDED", "PREEMPTED", "PREEMPTED") == []
    assert plugin.hear("PREEMPTED") == ["SLURM-job '7' failed, SLURM status is: 'PREEMPTED'. 7.log"]


@pytest.mark.parametrize(
    ("sacct", "reports"),
    [
        (f"echo '{NAME}|COMPLETED|c1'", ["7 succeeded"]),
        (f"echo '{NAME}|RUNNING|c1'", []),
        ("exit 1", ["SLURM-job '7' failed, SLURM status is: 'UNKNOWN'. 7.log"]),
    ],
)
def test_a_job_that_squeue_has_forgotten_is_settled_with_or_without_accounting(
    commands: Path, plugin: Plugin, sacct: str, reports: list[str]
) -> None:
    command(commands, "sacct", sacct)
    plugin.submit()
    assert plugin.hear("", "") == []
    assert plugin.hear("") == reports


def test_one_answer_is_one_doubt_and_knows_nothing_of_later_jobs(plugin: Plugin) -> None:
    plugin.submit()
    plugin.ask_no_more()
    plugin.watch.queue = Queue([], time.monotonic() - 5, 0)
    for _ in range(2 * job_watch.MOST_DOUBTS):
        assert plugin.check() == []
    plugin.watch.queue = Queue([], time.monotonic() + 5, 0)
    for _ in range(2 * job_watch.MOST_DOUBTS):
        assert plugin.check() == []


def test_squeue_is_not_asked_of_jobs_that_are_about_to_start_unless_more_and_more_are(
    commands: Path, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(commands, "squeue", f"touch {commands}/called")
    plugin.submit()
    plugin.check()
    assert not (commands / "called").exists()
    monkeypatch.setattr(job_watch, "LONGEST_SECONDS", 0)
    plugin.check()
    wait_until((commands / "called").exists)


def test_a_controller_that_does_not_answer_holds_nothing_up(
    commands: Path, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "START_SECONDS", 0)
    command(commands, "squeue", "sleep 9")
    plugin.submit()
    plugin.check()
    plugin.write()
    (plugin.folder / "7.log").write_text("1 of 1 steps (100%) done\n")
    start = time.monotonic()
    assert plugin.check() == ["7 succeeded"]
    assert time.monotonic() - start < 8


@pytest.mark.parametrize(("wait", "pause", "least", "most"), [(True, 0.1, 0.1, 30), (False, 60, 0, 30)])
def test_the_pause_between_checks_ends_with_the_run(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch, wait: bool, pause: float, least: float, most: float
) -> None:
    monkeypatch.setattr(job_watch, "CHECK_SECONDS", pause)
    plugin.wait = wait
    start = time.monotonic()
    asyncio.run(plugin.watch.pause())
    assert least <= time.monotonic() - start < most
