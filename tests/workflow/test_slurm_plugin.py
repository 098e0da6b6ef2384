import asyncio
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.workflow import slurm_plugin
from tests.support.fake_commands import command


def executor(**settings: Any) -> Any:
    values = {"jobname_prefix": "", "logdir": None, "init_seconds_before_status_checks": 1, **settings}
    return SimpleNamespace(
        workflow=SimpleNamespace(executor_settings=SimpleNamespace(**values)),
        run_uuid="1234",
        slurm_logdir="elsewhere",
        next_seconds_between_status_checks=180,
        check_active_jobs=None,
        report_job_error=None,
        wait=True,
    )


def test_jobs_and_logs_are_named_after_the_run_unless_the_user_named_them() -> None:
    default, customised = executor(), executor(jobname_prefix="mine", logdir="mine")
    for plugin in (default, customised):
        slurm_plugin.prepare_plugin(plugin, "ls-a-1", Path("results/a/logs/slurm"))
    assert (default.run_uuid, default.slurm_logdir) == ("ls-a-1_1234", Path("results/a/logs/slurm").absolute())
    assert (customised.run_uuid, customised.slurm_logdir) == ("1234", "elsewhere")


@pytest.mark.parametrize(("wait", "least", "most"), [(True, 1, 3), (False, 0, 1)])
def test_the_plugin_asks_often_and_wakes_when_the_run_ends(wait: bool, least: float, most: float) -> None:
    plugin = executor()
    slurm_plugin.limit_poll_interval(plugin, longest=1)
    plugin.wait = wait
    start = time.monotonic()
    asyncio.run(plugin.sleep())
    assert least <= time.monotonic() - start < most  # and not 180 s


class Plugin:
    """Snakemake's SLURM plugin, waiting for job 7 whatever becomes of it."""

    def __init__(self) -> None:
        self.run_uuid = "ls-a-1_1234"
        self.reports: list[str] = []
        slurm_plugin.watch_jobs(self)

    async def check_active_jobs(self, active: list[Any]) -> Any:
        for info in active:
            yield info

    def report_job_success(self, info: Any) -> None:
        self.reports.append(f"{info.external_jobid} succeeded")

    def report_job_error(self, _info: Any, msg: str, aux_logs: list[str]) -> None:
        self.reports.append(msg + aux_logs[0])

    def ask(self, times: int) -> list[str]:
        async def check() -> None:
            waiting = [SimpleNamespace(external_jobid="7", aux={"slurm_logfile": Path("7.log")})]
            for _ in range(times):
                waiting = [info async for info in self.check_active_jobs(waiting)]

        asyncio.run(check())
        return self.reports


def test_a_job_that_lost_its_place_and_was_not_put_back_fails(commands: Path) -> None:
    command(commands, "squeue", "echo '7|PREEMPTED|None||ls-a-1_1234'")
    assert Plugin().ask(slurm_plugin.MOST_DOUBTS - 1) == []
    assert Plugin().ask(2 * slurm_plugin.MOST_DOUBTS) == ["SLURM-job '7' failed, SLURM status is: 'PREEMPTED'. 7.log"]


@pytest.mark.parametrize(
    ("sacct", "reports"),
    [
        ("echo 'ls-a-1_1234|COMPLETED|c1'", "7 succeeded"),
        ("exit 1", "SLURM-job '7' failed, SLURM status is: 'UNKNOWN'. 7.log"),
    ],
)
def test_a_job_that_squeue_has_forgotten_is_settled_with_or_without_accounting(
    commands: Path, sacct: str, reports: str
) -> None:
    command(commands, "squeue", "echo '8|RUNNING|None|c1|ls-a-1_1234'")
    command(commands, "sacct", sacct)
    assert Plugin().ask(2 * slurm_plugin.MOST_DOUBTS) == [reports]


@pytest.mark.parametrize("squeue", ["echo '7|PENDING|BeginTime||ls-a-1_1234'", "exit 1"])
def test_a_job_that_lives_or_of_which_slurm_says_nothing_is_waited_for(commands: Path, squeue: str) -> None:
    command(commands, "squeue", squeue)
    assert Plugin().ask(2 * slurm_plugin.MOST_DOUBTS) == []


@pytest.mark.parametrize(
    ("log", "attempt"),
    [
        ("INFO start\nERROR no worker is left; no GPU (no other try would help)\n", 3),
        ("ERROR no worker is left; no GPU (no other try would help)\nINFO start again\nERROR the node is sick\n", 1),
        (None, 1),
    ],
)
def test_a_job_that_says_so_is_not_tried_again(log: str | None, attempt: int, tmp_path: Path) -> None:
    path = tmp_path / "deconvolve.log"
    if log is not None:
        path.write_text(log)
    reports: list[Any] = []
    plugin = SimpleNamespace(report_job_error=lambda info, msg: reports.append((info.job.attempt, msg)))
    slurm_plugin.spare_vain_tries(plugin)
    job = SimpleNamespace(log=[str(path)], attempt=1, restart_times=2)
    plugin.report_job_error(SimpleNamespace(job=job), msg="failed")  # type: ignore[call-arg]
    assert reports == [(attempt, "failed")]


def test_the_last_words_of_an_earlier_run_spare_no_try(tmp_path: Path) -> None:
    """A job that its node takes away before Python begins leaves the log as it was."""
    path = tmp_path / "deconvolve.log"
    path.write_text("ERROR no worker is left; no GPU (no other try would help)\n")
    os.utime(path, (time.time() - 600,) * 2)
    attempts: list[int] = []
    plugin = SimpleNamespace(report_job_error=lambda info: attempts.append(info.job.attempt))
    slurm_plugin.spare_vain_tries(plugin)
    info = SimpleNamespace(job=SimpleNamespace(log=[str(path)], attempt=1, restart_times=2))
    plugin.report_job_error(info)
    with path.open("a") as log:
        log.write("ERROR no worker is left; no GPU (no other try would help)\n")
    plugin.report_job_error(info)
    assert attempts == [1, 3]
