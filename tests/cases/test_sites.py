"""What SLURM prints on other sites, one that is busy, and the workflow as a part of another one."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lightsheet
from lightsheet.cluster.slurm import JOB_ID, list_jobs
from lightsheet.workflow import resubmission
from lightsheet.workflow.resubmission import Resubmission
from tests.support.cases import play

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The names that modules had when the cases were written."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    jobs = SimpleNamespace(job_id_regexp="(?m)" + JOB_ID.pattern.replace("?P<job>", "?P<job_id>"))
    monkeypatch.setattr(lightsheet, "jobqueue", SimpleNamespace(_Job=jobs), raising=False)
    monkeypatch.setattr(lightsheet, "slurm", SimpleNamespace(jobs=list_jobs), raising=False)
    return monkeypatch


@pytest.mark.usefixtures("modules")
def test_11_a_banner_before_the_number_of_a_job(tmp_path: Path, capsys: Captured) -> None:
    """`tests/cluster/test_sites.py` has a worker connect on such a site."""
    assert "job id: 519605 right: 519605" in play(11, tmp_path, capsys).output


def test_12_lines_of_squeue_that_are_no_jobs(tmp_path: Path, capsys: Captured, modules: pytest.MonkeyPatch) -> None:
    modules.setenv("PATH", "/usr/bin:/bin")
    output = play(12, tmp_path, capsys).output
    assert "[SlurmJob(id='12', state='RUNNING', reason='None', node='node1', name='ls-case-0001')]" in output


def test_17_a_controller_that_is_busy_for_a_while(tmp_path: Path, capsys: Captured) -> None:
    """What its sbatch says is no failure of a job, which is submitted again; Snakemake itself is not started here."""
    commands: dict[str, str] = {}

    def snake(folder: Path, *_: object, env: dict[str, str], **__: object) -> tuple[int, str]:
        (folder / "asked").write_text("0\n")
        assert env["PATH"].startswith(f"{folder}/bin:")
        commands["sbatch"] = (folder / "bin" / "sbatch").read_text()
        return 0, ""

    play(17, tmp_path, capsys, common={"snake": snake})
    words = commands["sbatch"].split("echo '")[1].split("'")[0]
    assert resubmission.is_passing(words)
    errors: list[str] = []
    executor: Any = SimpleNamespace(wait=True, _report_job_error_threadsafe=lambda _info, text: errors.append(text))
    waiting = Resubmission(executor, SimpleNamespace())  # type: ignore[arg-type]
    waiting.answer_error(SimpleNamespace(job="a"), f"SLURM sbatch failed. The error message was '{words}'.\n")
    try:
        assert (list(waiting.jobs), errors) == (["a"], [])
    finally:
        assert waiting.timer
        waiting.timer.cancel()


@pytest.mark.workflow
def test_22_the_workflow_as_a_module_without_the_package(tmp_path: Path, capsys: Captured) -> None:
    output = play(22, tmp_path, capsys).output
    lines = [line for line in output.splitlines() if "Snakefile" in line]
    assert [line.split()[1] for line in lines] == ["0", "0"], output
