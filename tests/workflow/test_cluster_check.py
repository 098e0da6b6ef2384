from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.run.jobs import Jobs
from lightsheet.run.run import Run
from lightsheet.system.errors import InputError
from lightsheet.workflow import cluster_check
from lightsheet.workflow.cluster_check import check_cluster
from tests.support import tiny_run
from tests.support.fake_cluster import refuse, write_cluster
from tests.support.fake_commands import command


@pytest.fixture
def run(tmp_path: Path) -> Run:
    tiny_run.simulate(tmp_path / "my data")
    return tiny_run.prepare(tmp_path)


def job(rule: str, is_local: bool = False, **resources: Any) -> Any:
    resources = {"slurm_partition": "cpu", "mem_mb": 1000, "runtime": 60, **resources}
    return SimpleNamespace(rule=SimpleNamespace(name=rule), is_local=is_local, resources=resources, threads=1)


def workflow(*jobs: Any, nodes: int | None = 100) -> Any:
    """A workflow whose jobs SLURM runs, at most `nodes` at a time, or this machine if that is None."""
    settings = SimpleNamespace(jobname_prefix="") if nodes else None
    dag = SimpleNamespace(needrun_jobs=lambda: iter(jobs))
    bounds = {"_nodes": nodes} if nodes else {}
    scheduler = SimpleNamespace(global_resources={**bounds}, resources={**bounds})
    return SimpleNamespace(dag=dag, executor_settings=settings, nodes=nodes, scheduler=scheduler)


def forbid(folder: Path) -> None:
    for name in ("sinfo", "scontrol", "sacctmgr", "sbatch"):
        command(folder, name, f"touch {folder}/called")


@pytest.mark.parametrize(
    ("jobs", "cluster", "nodes"),
    [
        ([job("ingest"), job("deconvolve")], "local", None),
        ([job("plan", is_local=True)], "cpu", 100),
        ([job("ingest")], "cpu", None),  # no workers are to come
        ([], "cpu", 100),
    ],
)
def test_nothing_is_asked_where_no_job_goes_to_slurm(
    run: Run, commands: Path, jobs: list[Any], cluster: str, nodes: int | None
) -> None:
    forbid(commands)
    check_cluster(workflow(*jobs, nodes=nodes), Jobs(run, cluster, 4, 4))
    assert not (commands / "called").exists()


def test_a_run_that_slurm_can_never_run_is_refused_in_a_sentence(run: Run, commands: Path) -> None:
    write_cluster(commands, refuse("allocation failure: Invalid account or account/partition combination specified"))
    jobs = [job("ingest", slurm_account="rich, poor"), job("deconvolve"), job("report", is_local=True)]
    with pytest.raises(InputError) as error:
        check_cluster(workflow(*jobs), Jobs(run, "local", 4, 4))
    first, default = str(error.value).split("\n")
    assert "of account `rich` from you here: change `slurm_account` in " in first
    assert "that name no account from you here: change `slurm_account` in " in default
    assert default.endswith("(rule deconvolve)")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    lines: list[str] = []
    logger = SimpleNamespace(info=lines.append, warning=lines.append)
    monkeypatch.setattr(cluster_check, "logger", logger)
    return lines


def test_coordinators_are_those_that_run_at_a_time(
    run: Run, commands: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (commands / "jobqueue.yaml").write_text("jobqueue: {cpu: {queue: cpu, cores: 8, walltime: '04:00:00'}}")
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(commands / "jobqueue.yaml"))
    write_cluster(commands, nodes="cpu*|up|infinite|3|8|16000|(null)|idle\n")
    blocks = workflow(*[job("deconvolve")] * 30, nodes=4)
    check_cluster(blocks, Jobs(run, "cpu", 4, 4))
    assert log == ["SLURM has room for 2 of 4 workers of 8 cores at a time."]
    assert blocks.scheduler.resources["coordinators"] == 1
    for number in (2, 3):
        log.clear()
        blocks.scheduler.global_resources["coordinators"] = blocks.scheduler.resources["coordinators"] = number
        check_cluster(blocks, Jobs(run, "cpu", 4, 4))
        assert blocks.scheduler.resources["coordinators"] == number
    assert log[0].startswith("Warning: 3 `deconvolve` jobs at a time may wait for workers for ever: partition cpu ")


@pytest.mark.parametrize(
    ("qos", "jobs", "most"),
    [
        ("normal||20|||||\n", ["ingest", "deconvolve"], 19),  # one is left for a worker
        ("normal||20|||||\n", ["ingest"], 20),
        ("normal||1000|||||\n", ["ingest"], 100),
        ("normal|||||||\n", ["ingest", "deconvolve"], 100),
    ],
)
def test_no_more_jobs_wait_in_the_queue_than_slurm_takes(
    run: Run, commands: Path, qos: str, jobs: list[str], most: int
) -> None:
    write_cluster(commands, qos=qos)
    site = workflow(*map(job, jobs))
    check_cluster(site, Jobs(run, "cpu", 1, 4))
    assert (site.scheduler.resources["_nodes"], site.scheduler.global_resources["_nodes"]) == (most, most)


def test_what_could_not_be_asked_is_said_and_the_run_goes_on(run: Run, commands: Path, log: list[str]) -> None:
    for name in ("sinfo", "scontrol", "sacctmgr", "sbatch"):
        command(commands, name, "echo 'slurm_load: error: Unable to contact slurm controller' >&2; exit 1")
    check_cluster(workflow(job("deconvolve")), Jobs(run, "cpu", 4, 4))
    assert len(log) == 2
    assert "SLURM could not be asked about its nodes, its partitions, the limits of your account" in log[0]
    assert "sbatch would not take jobs now (Unable to contact slurm controller); that may pass" in log[1]


def test_partitions_that_the_plugin_chooses_are_not_guessed(run: Run, commands: Path) -> None:
    forbid(commands)
    site = workflow(job("ingest", slurm_partition=""))
    site.executor_settings.partition_config = Path("partitions.yaml")
    check_cluster(site, Jobs(run, "local", 1, 4))
    assert not (commands / "called").exists()


def test_a_reservation_of_the_command_line_is_part_of_the_question(run: Run, commands: Path) -> None:
    write_cluster(commands)
    site = workflow(job("ingest", slurm_extra="--nice=5"))
    site.executor_settings.reservation = "course"
    check_cluster(site, Jobs(run, "local", 1, 4))
    assert "--reservation=course --nice=5" in (commands / "trials").read_text()
