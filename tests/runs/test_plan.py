"""The plan against the run that follows it."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import CHANNELS, ROOT, Project

pytestmark = pytest.mark.workflow

TOLERANCE = 0.25

SLOW_WRITES = f"""
import sys, time

def wait(event, arguments):
    if event == "open" and "/work/result/{CHANNELS[0]}/0/c/" in (path := str(arguments[0])) and ".part." in path:
        time.sleep(3)

sys.addaudithook(wait)
"""
"""Seconds that a volume takes of no core, so that they are as many on a machine that is busy; Python's starts, which
other tests at the same time delay, are the smaller part. The copies by which a pilot compares ways to store a result,
beside it, take none."""


def configure(project: Project, name: str) -> None:
    project.configure(
        name=name,
        psf={"files": {CHANNELS[0]: "psf/488.tif"}},
        pilot={"iterations": [10]},
    )


def slow(project: Project) -> dict[str, str]:
    """Return the environment in which each volume takes seconds."""
    folder = project.folder / "slow"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(SLOW_WRITES)
    return {**os.environ, "PYTHONPATH": f"{folder}:{ROOT / 'scripts'}"}


def plan(project: Project, name: str) -> dict[str, Any]:
    """Measure a volume, and plan the run of this name."""
    configure(project, name)
    project.succeed("pilot", environment=slow(project))
    output = project.succeed("plan")
    assert (project.folder / "results" / name / "plan.txt").read_text() in output
    numbers: dict[str, Any] = json.loads((project.folder / "results" / name / "plan.json").read_text())
    return numbers


def run(project: Project) -> float:
    """Run what is configured; return the seconds that it took."""
    start = time.monotonic()
    project.succeed(environment=slow(project))
    return time.monotonic() - start


def is_close(seconds: float, plans: list[float]) -> bool:
    """Tell whether a run took what plans output."""
    return (1 - TOLERANCE) * min(plans) < seconds < (1 + TOLERANCE) * max(plans)


def test_a_run_takes_what_was_planned(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.simulate(channels=1)
    before = plan(project, "small")
    seconds = [run(project)]

    records = [json.loads(path.read_text()) for path in (project.results / "records").rglob("t*.json")]
    written = sum(shard["bytes"] for record in records for shard in record["shards"])
    assert before["written_bytes"] == pytest.approx(written, rel=0.05)
    jobs = {rule["rule"]: rule["jobs"] for rule in before["rules"]}
    manifests = [path.name.split(".")[0] for path in (project.results / "work" / "manifests").iterdir()]
    assert {rule: jobs[rule] for rule in set(manifests)} == {rule: manifests.count(rule) for rule in set(manifests)}

    # The machine has other work too, more or less of it from minute to minute, which no plan knows. So there are up to
    # three runs, each with a pilot before it; one must lie within a fourth of what the pilots say, or between them.
    # A wrong plan fails all three.
    plans = [before["seconds"]]
    for name in ("again", "once_more"):
        if not any(is_close(took, plans) for took in seconds):
            plans.append(plan(project, name)["seconds"])
        if not any(is_close(took, plans) for took in seconds):
            seconds.append(run(project))
    assert any(is_close(took, plans) for took in seconds), (seconds, plans)
