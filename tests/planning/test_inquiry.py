from pathlib import Path
from typing import Any

import pytest

from lightsheet.planning.plan import plan_run
from lightsheet.run.run import Run
from tests.support import tiny_run
from tests.support.fake_cluster import refuse, write_cluster


@pytest.fixture
def run(tmp_path: Path) -> Run:
    tiny_run.simulate(tmp_path / "my data")
    return tiny_run.prepare(tmp_path)


def place(**changes: Any) -> dict[str, Any]:
    resources = {"slurm_partition": "cpu", "slurm_extra": "'--mail-user=me'", "qos": "f(attempt)"}
    rules = ("ingest", "deconvolve", "consolidate")
    return {
        **{"cluster": "cpu", "workers": 4, "cores": 4, "slurm_jobs": 100, "threads": {}, "profile": "my/config.yaml"},
        **{"resources": dict.fromkeys(rules, resources), **changes},
    }


def test_a_plan_says_how_many_workers_there_is_room_for(run: Run, commands: Path) -> None:
    write_cluster(commands, nodes="cpu*|up|infinite|3|8|16000|(null)|idle\n")
    text, plan = plan_run(run, place(), None, run.results.folder)
    assert "SLURM has room for 3 workers at a time while nobody else uses it; these times are for 3" in text
    trials = (commands / "trials").read_text()
    assert "--mail-user=me" in trials
    assert "attempt" not in trials, "an expression that only Snakemake can evaluate"
    assert "--cpus-per-task=7" in trials, "beside the coordinator"
    assert plan["workers_at_a_time"] == 3


def test_a_plan_says_what_would_be_refused(run: Run, commands: Path) -> None:
    write_cluster(commands, refuse("allocation failure: Invalid account or account/partition combination specified"))
    text, _ = plan_run(run, place(), None, run.results.folder)
    assert "! The run will be refused: SLURM takes no jobs that name no account from you here: change" in text
    assert "in my/config.yaml; yours: lab (rules ingest, deconvolve, consolidate, workers).\n" in text


def test_a_plan_without_slurm_asks_nobody(run: Run, commands: Path) -> None:
    write_cluster(commands)
    plan_run(run, place(cluster="local", slurm_jobs=None, workers=1), None, run.results.folder)
    plan_run(run, place(), None, None)  # an imagined run
    assert not (commands / "trials").exists()
