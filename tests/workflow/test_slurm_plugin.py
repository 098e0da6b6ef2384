import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError

from lightsheet.store import Results
from lightsheet.system import InputError
from lightsheet.workflow import slurm_plugin


def make_executor(**settings: Any) -> Any:
    values = {"logdir": None, "keep_successful_logs": True, **settings}
    return SimpleNamespace(
        workflow=SimpleNamespace(executor_settings=SimpleNamespace(**values)),
        run_uuid="1234",
        slurm_logdir="elsewhere",
        array_jobs={"ingest"},
        run_job=None,
        report_job_submission=None,
        report_job_error=None,
        _report_job_error_threadsafe=None,
        get_python_executable=lambda: "/env/bin/python",
        get_job_args=lambda job: f"--target-jobs {job.name}: --cores all",
    )


@pytest.fixture(autouse=True)
def open_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test change how the sbatch of others opens logs."""
    monkeypatch.setenv("SBATCH_OPEN_MODE", "")
    monkeypatch.delenv("SBATCH_OPEN_MODE")


def test_jobs_are_named_after_the_run_and_their_logs_unless_the_user_named_those() -> None:
    default, customised = make_executor(), make_executor(logdir="mine")
    for plugin in (default, customised):
        slurm_plugin.prepare_plugin(plugin, "ls-a-1", Results(Path("results/a")), {})
    assert (default.run_uuid, default.slurm_logdir) == ("ls-a-1_1234", Path("results/a/logs/slurm").absolute())
    assert (customised.run_uuid, customised.slurm_logdir) == ("ls-a-1_1234", "elsewhere")
    assert default.array_jobs == set()
    assert os.environ["SBATCH_OPEN_MODE"] == "append"


def test_a_job_runs_its_rule_itself_with_its_own_threads_and_in_place_of_the_shell() -> None:
    plugin = make_executor()
    slurm_plugin.run_rules_directly(plugin)
    assert plugin.additional_general_args() == "--executor local"
    assert plugin.get_python_executable() == "exec /env/bin/python"
    assert plugin.get_job_args(SimpleNamespace(name="ingest", threads=2)).endswith("--cores all --cores 2")


def test_the_plugin_looks_after_its_first_job_soon_and_other_executors_have_no_such_setting() -> None:
    settings = SimpleNamespace(init_seconds_before_status_checks=40, status_command="sacct")
    slurm_plugin.prepare_settings(settings)
    assert settings == SimpleNamespace(init_seconds_before_status_checks=1, status_command=None)
    slurm_plugin.prepare_settings(None)


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
    slurm_plugin.stop_hopeless_retries(plugin)
    job = SimpleNamespace(log=[str(path)], attempt=1, restart_times=2)
    plugin.report_job_error(SimpleNamespace(job=job), msg="failed")
    assert reports == [(attempt, "failed")]


def test_the_last_words_of_an_earlier_run_spare_no_try(tmp_path: Path) -> None:
    """A job that its node takes away before Python begins leaves the log as it was."""
    path = tmp_path / "deconvolve.log"
    path.write_text("ERROR no worker is left; no GPU (no other try would help)\n")
    os.utime(path, (time.time() - 600,) * 2)
    attempts: list[int] = []
    plugin = SimpleNamespace(report_job_error=lambda info: attempts.append(info.job.attempt))
    slurm_plugin.stop_hopeless_retries(plugin)
    info = SimpleNamespace(job=SimpleNamespace(log=[str(path)], attempt=1, restart_times=2))
    plugin.report_job_error(info)
    with path.open("a") as log:
        log.write("ERROR no worker is left; no GPU (no other try would help)\n")
    plugin.report_job_error(info)
    assert attempts == [1, 3]


def make_job(**resources: Any) -> Any:
    return SimpleNamespace(resources=resources)


@pytest.mark.parametrize(
    ("variables", "resources"),
    [
        ({"SLURM_CLUSTERS": "serial"}, {}),
        ({"SBATCH_CLUSTERS": "serial"}, {}),
        ({"SBATCH_CLUSTERS": "serial", "SLURM_CLUSTERS": "other"}, {}),  # as sbatch would read them
        ({}, {"clusters": "serial"}),
        ({"SLURM_CLUSTERS": "serial"}, {"slurm_cluster": "serial"}),
    ],
)
def test_all_commands_go_to_the_one_cluster_of_the_jobs(
    variables: dict[str, str], resources: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_CLUSTERS", "SBATCH_CLUSTERS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    slurm_plugin.settle_cluster([make_job(**resources), make_job()])
    assert (os.environ["SLURM_CLUSTERS"], os.environ.get("SBATCH_CLUSTERS")) == ("serial", None)


@pytest.mark.parametrize(
    ("variable", "resources"), [("serial,inter", {}), ("all", {}), ("serial", {"clusters": "inter"})]
)
def test_several_clusters_are_refused(
    variable: str, resources: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CLUSTERS", variable)
    with pytest.raises(
        InputError, match=r"the jobs of a run must be on one cluster, but .* name one of them in SLURM_CL"
    ):
        slurm_plugin.settle_cluster([make_job(**resources)])


def test_variables_that_say_where_slurm_is_outlive_snakemakes_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_CONF", "SLURM_CLUSTERS", "SBATCH_CLUSTERS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(slurm_plugin, "PLACE", {"SLURM_CONF": "/opt/slurm.conf"})
    slurm_plugin.settle_cluster([])
    assert os.environ["SLURM_CONF"] == "/opt/slurm.conf"
    assert "SLURM_CLUSTERS" not in os.environ


def test_the_plugin_reads_numbers_of_jobs_among_banners(monkeypatch: pytest.MonkeyPatch) -> None:
    import snakemake_executor_plugin_slurm as plugin

    original = plugin.validate_or_get_slurm_job_id
    monkeypatch.setattr(plugin, "validate_or_get_slurm_job_id", original)
    executor = object.__new__(plugin.Executor)
    slurm_plugin.read_ids_among_banners(executor)
    assert sys.modules[plugin.__name__] is plugin
    output = "Welcome to Stampede3: 2 notes\n--> Verifying valid submit host (login4)...OK\n519605;serial\n"
    assert plugin.validate_or_get_slurm_job_id(output.split(";")[0], output) == "519605"
    with pytest.raises(WorkflowError, match="printed no number of a job, but: Welcome to Stampede3"):
        plugin.validate_or_get_slurm_job_id("3", "Welcome to Stampede3")


def test_a_second_module_cannot_use_the_same_plugin() -> None:
    plugin = make_executor()
    slurm_plugin.prepare_plugin(plugin, "ls-a-1", Results(Path("results/a")), {})
    with pytest.raises(InputError, match="two acquisitions cannot share one run on SLURM"):
        slurm_plugin.prepare_plugin(plugin, "ls-b-1", Results(Path("results/b")), {})
