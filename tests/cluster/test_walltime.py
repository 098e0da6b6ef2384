"""A coordinator near its walltime: how it knows, when it begins no more volumes, and what it says."""

import time
from pathlib import Path

import pytest

from lightsheet.cluster import slurm_command, walltime
from lightsheet.cluster.walltime import HEAD_JOB, Walltime, choose_grace, count_restarts, find_walltime, put_back
from lightsheet.system import InputError
from tests.support.fake_commands import command


@pytest.fixture(autouse=True)
def in_job(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As in the coordinator's own job, started by a Snakemake outside of SLURM."""
    for name in ("SLURM_JOB_START_TIME", "SLURM_JOB_END_TIME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv(HEAD_JOB, "")
    return monkeypatch


@pytest.mark.parametrize(
    ("limit", "volume", "grace"),
    [(60, 2, 30), (600, 2, 60), (3600, 2, 300), (86400, 2, 300), (86400, 1800, 1800), (3600, 3000, 1800)],
)
def test_the_grace_has_room_for_the_volumes_in_flight(limit: float, volume: float, grace: float) -> None:
    assert choose_grace(limit, volume) == grace


@pytest.mark.parametrize(("answer", "left"), [("9:30|10:00", 570), ("0:05|1:00", 5), ("2-00:00:00|3-00:00:00", 172800)])
def test_squeue_says_how_long_the_job_has(commands: Path, answer: str, left: float) -> None:
    command(commands, "squeue", f"echo 'Welcome | to'; echo '{answer}'; echo \"$*\" >> {commands}/calls")
    start = time.monotonic()
    limit = find_walltime()
    assert limit
    assert start + left - 1 <= limit.end <= time.monotonic() + left + 1
    assert (commands / "calls").read_text().splitlines() == ["--noheader --job=17 --format=%L|%l"]


def test_a_job_that_knows_its_end_does_not_ask(in_job: pytest.MonkeyPatch, commands: Path) -> None:
    command(commands, "squeue", f"touch {commands}/called; echo '1:00|1:00'")
    start, now = time.monotonic(), round(time.time())
    in_job.setenv("SLURM_JOB_START_TIME", str(now - 100))
    in_job.setenv("SLURM_JOB_END_TIME", str(now + 500))
    limit = find_walltime()
    assert limit
    assert (round(limit.limit), limit.end - start) == (600, pytest.approx(500, abs=1))
    assert not (commands / "called").exists()


@pytest.mark.parametrize("script", ["echo 'UNLIMITED|UNLIMITED'", "echo 'INVALID|1:00'", "exit 1", "true"])
def test_a_job_without_a_limit_has_none(commands: Path, script: str) -> None:
    command(commands, "squeue", script)
    assert find_walltime() is None


def test_a_job_that_is_the_runs_own_head_is_left_to_its_script(in_job: pytest.MonkeyPatch, commands: Path) -> None:
    command(commands, "squeue", "echo '1:00|1:00'")
    in_job.setenv(HEAD_JOB, "17")
    assert find_walltime() is None
    in_job.delenv(HEAD_JOB)
    assert find_walltime() is None, "nobody knows who started it"
    in_job.setenv(HEAD_JOB, "16")
    assert find_walltime()
    in_job.delenv("SLURM_JOB_ID")
    assert find_walltime() is None


def test_a_walltime_is_near_before_it_is_over() -> None:
    now = time.monotonic()
    assert not Walltime(now + 400, 3600).is_near(2)
    assert Walltime(now + 290, 3600).is_near(2)
    assert not Walltime(now + 290, 3600).is_over()
    assert Walltime(now + 15, 3600).is_over()


def test_a_life_in_which_nothing_was_done_is_the_last(commands: Path) -> None:
    command(commands, "scontrol", f"touch {commands}/called")
    with pytest.raises(InputError, match="before any volume was done: raise `runtime` of deconvolve"):
        put_back(0)
    assert not (commands / "called").exists()


def test_a_site_that_puts_no_job_back_is_said(in_job: pytest.MonkeyPatch, commands: Path) -> None:
    command(commands, "scontrol", "echo 'Requested operation is presently disabled for job 17' >&2; exit 1")
    in_job.setattr(walltime.signal, "signal", lambda *_: None)
    with pytest.raises(InputError, match=r"job 17 is near .* \(Requested operation is presently disabled for job 17\)"):
        put_back(3)


def test_a_job_that_is_put_back_waits_for_its_end(in_job: pytest.MonkeyPatch, commands: Path) -> None:
    command(commands, "scontrol", f'echo "$*" > {commands}/call')
    in_job.setattr(walltime.signal, "signal", lambda *_: None)
    in_job.setattr(walltime, "END_SECONDS", 0.1)
    with pytest.raises(InputError, match="it still runs after"):
        put_back(3)
    assert (commands / "call").read_text() == "requeue 17\n"


def test_a_busy_controller_is_asked_again_to_put_a_job_back(in_job: pytest.MonkeyPatch, commands: Path) -> None:
    busy = f"if mkdir {commands}/tried; then echo 'Unable to contact slurm controller' >&2; exit 1; fi"
    command(commands, "scontrol", f'{busy}; echo "$*" > {commands}/call')
    in_job.setattr(walltime.signal, "signal", lambda *_: None)
    in_job.setattr(walltime, "END_SECONDS", 0.1)
    in_job.setattr(slurm_command, "PAUSE_SECONDS", 0.05)
    with pytest.raises(InputError, match="it still runs after"):
        put_back(3)
    assert (commands / "call").read_text() == "requeue 17\n"


@pytest.mark.parametrize(("head", "restarts"), [("", 2), ("4", 2), ("17", 0)])
def test_earlier_lives_of_its_own_job_were_attempts(in_job: pytest.MonkeyPatch, head: str, restarts: int) -> None:
    in_job.setenv(HEAD_JOB, head)
    assert count_restarts() == 0
    in_job.setenv("SLURM_RESTART_COUNT", "2")
    assert count_restarts() == restarts
