import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.cluster import shared_queue
from lightsheet.workflow import resubmission
from lightsheet.workflow.resubmission import is_passing, retry_refused_jobs
from tests.support.fake_commands import command
from tests.support.patience import wait_until

FULL = (
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates "
    "accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


class Plugin:
    """Snakemake's SLURM plugin, whose sbatch has room for some jobs."""

    def __init__(self, folder: Path, room: int, words: str = FULL) -> None:
        self.room, self.words, self.wait, self.run_uuid = room, words, True, "ls-a_1234"
        self.submitted, self.errors, self.attempts = list[str](), list[str](), 0
        watch: Any = SimpleNamespace(path=folder / "queue.json", label="ls-a", ids={"1"})
        retry_refused_jobs(self, watch)

    def _report_job_error_threadsafe(self, _info: Any, message: str) -> None:
        self.errors.append(message)

    def run_job(self, job: str) -> None:
        self.attempts += 1
        if self.room > 0:
            self.room -= 1
            self.submitted.append(job)
        else:
            message = f"SLURM sbatch failed. The error message was '{self.words}'.\n    sbatch call:\n"
            self._report_job_error_threadsafe(SimpleNamespace(job=job), message)


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told, in a SLURM where a minute is a moment."""
    lines: list[str] = []
    monkeypatch.setattr(resubmission, "PAUSE_SECONDS", (0.02, 0.04))
    monkeypatch.setattr(resubmission, "REGISTER_SECONDS", 0.05)
    monkeypatch.setattr(resubmission, "logger", SimpleNamespace(info=lines.append))
    monkeypatch.setattr(shared_queue, "_knowledge", {})
    return lines


def test_jobs_that_slurm_refuses_for_now_are_submitted_later_and_that_is_said_once(
    lines: list[str], tmp_path: Path
) -> None:
    plugin = Plugin(tmp_path, room=1)
    for name in "abcd":
        plugin.run_job(name)
    wait_until(lambda: plugin.attempts >= 6)
    plugin.room = 2
    wait_until(lambda: len(plugin.submitted) == 3)
    plugin.room = 5
    wait_until(lambda: len(plugin.submitted) == 4)
    assert sorted(plugin.submitted) == ["a", "b", "c", "d"]
    assert plugin.errors == []
    assert len(lines) == 1
    assert "QOSMaxSubmitJobPerUserLimit" in lines[0]


def test_a_run_that_has_ended_submits_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resubmission, "PAUSE_SECONDS", (0.5, 0.5))
    plugin = Plugin(tmp_path, room=0)
    plugin.run_job("a")
    plugin.wait, plugin.room = False, 1
    for timer in threading.enumerate():
        if isinstance(timer, threading.Timer):
            timer.join(60)
    assert (plugin.attempts, plugin.submitted) == (1, [])


def test_a_refusal_that_does_not_pass_is_a_failure(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, room=0, words="sbatch: error: invalid partition specified: moon")
    plugin.run_job("a")
    assert len(plugin.errors) == 1
    plugin._report_job_error_threadsafe(SimpleNamespace(job="b"), "Job submission failed with exception: boom")
    assert len(plugin.errors) == 2


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ("The 'sacctmgr' reported: 'sacctmgr: error: Unable to contact slurmdbd: Connection refused'", True),
        ("Failed to run sinfo for retrieval of cluster partitions: Socket timed out on send/recv operation", True),
        ("The given account moon appears to be invalid. Available accounts:\nlab", False),
    ],
)
def test_what_the_plugin_asks_before_it_submits_may_be_busy_too(words: str, passes: bool, tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, room=0)
    info = SimpleNamespace(job="a")
    plugin.wait = False
    plugin._report_job_error_threadsafe(info, f"Job submission failed with exception: {words}")
    assert (plugin.errors == []) == passes


def test_a_job_that_slurm_took_although_it_did_not_say_so_in_time_is_cancelled(commands: Path) -> None:
    rows = ["1|RUNNING|None|c1|ls-a_1234", "2|PENDING|None||ls-a_1234", "3|RUNNING|None|c1|ls-a-t0000"]
    command(commands, "squeue", "\n".join(["cat <<END", *rows, "END"]))
    command(commands, "scancel", f"echo $@ >> {commands}/cancelled")
    plugin = Plugin(commands, 0, "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    plugin.run_job("a")
    plugin.room = 1
    wait_until(lambda: plugin.submitted == ["a"])
    assert (commands / "cancelled").read_text() == "--quiet 2\n"


@pytest.mark.parametrize(
    "words",
    [
        FULL,
        FULL.replace("QOSMaxSubmitJobPerUserLimit", "AssocMaxSubmitJobLimit"),
        "sbatch: error: AssocGrpSubmitJobsLimit",
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size "
        "and/or time limits)",
        "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
        "sbatch: error: Batch job submission failed: Message receive failure",
        "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode",
        "sbatch: error: Batch job submission failed: Requested operation is presently disabled",
        "sbatch: error: Batch job submission failed: System submissions disabled",
        "sbatch: error: Batch job submission failed: Protocol authentication error",
        "[Errno 11] Resource temporarily unavailable: '/bin/sh'",
    ],
)
def test_refusals_for_full_queues_and_busy_controllers_pass(words: str) -> None:
    assert is_passing(words)


@pytest.mark.parametrize(
    "words",
    [
        "",
        FULL.replace("QOSMaxSubmitJobPerUserLimit", "QOSMaxCpuPerUserLimit"),
        FULL.replace("QOSMaxSubmitJobPerUserLimit", "AssocMaxWallDurationPerJobLimit"),
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
    ],
)
def test_other_refusals_do_not_pass(words: str) -> None:
    assert not is_passing(words)
