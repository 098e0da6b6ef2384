"""Attributes of Snakemake and its SLURM plugin that are used though no documentation promises them."""

import ast
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.api import Workflow
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DAGSettings
from snakemake.utils import min_version

from lightsheet.cluster import jobqueue
from lightsheet.system import find_missing_parts
from lightsheet.workflow import parts
from tests.support.project import ROOT

Executor = type("Executor", (SimpleNamespace,), {"__module__": "snakemake_executor_plugin_slurm"})
PARTS = [
    (path, name)
    for group in (parts.WORKFLOW, parts.DAG, parts.SCHEDULER, parts.EXECUTOR)
    for path, names in group.items()
    for name in names
]
PROMISED = {"current_basedir", "common_settings"}
METHODS = {"add", "get", "update"}  # of sets and dictionaries
ROOTS = {"workflow", "scheduler", "executor", "executor_plugin"}


def make_workflow() -> Any:
    """A workflow that has all parts."""
    workflow = SimpleNamespace(dag=SimpleNamespace(), scheduler=SimpleNamespace(_executor=Executor()))
    for path, name in PARTS:
        thing = find(workflow, path)
        if not hasattr(thing, name):
            setattr(thing, name, SimpleNamespace())
    workflow.dag.forcefiles, workflow.dag.targetrules = {"a"}, [SimpleNamespace(name="all")]
    return workflow


def find(workflow: Any, path: str) -> Any:
    for name in path.split(".")[1:]:
        workflow = getattr(workflow, name)
    return workflow


def use(workflow: Any) -> None:
    """Do what the Snakefile does, in its order."""
    parts.check_parsing(workflow)
    parts.force_files(workflow, ["b"])
    assert parts.list_targets(workflow) == ["all"]
    parts.check_start(workflow)


def test_files_are_forced_where_nothing_is_missing() -> None:
    workflow = make_workflow()
    use(workflow)
    assert workflow.dag.forcefiles == {"a", "b"}


@pytest.mark.parametrize(("path", "name"), PARTS, ids=lambda part: part)
def test_a_missing_part_is_a_sentence(path: str, name: str) -> None:
    workflow = make_workflow()
    delattr(find(workflow, path), name)
    package = "snakemake-executor-plugin-slurm" if (path, name) in list_plugin_parts() else "snakemake"
    with pytest.raises(WorkflowError) as error:
        use(workflow)
    message = str(error.value)
    assert re.match(rf"this {package} \d[\d.]* has no {re.escape(f'{path}.{name}')}, on which", message)
    assert f"pip install '{package}~=" in message


def list_plugin_parts() -> set[tuple[str, str]]:
    return {(path, name) for path, names in parts.EXECUTOR.items() for name in names}


@pytest.mark.parametrize("path", parts.SETTINGS)
def test_a_missing_setting_is_a_sentence(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = parts.SETTINGS[path][2]
    monkeypatch.setitem(parts.SETTINGS, path, ("types", "SimpleNamespace", names))
    with pytest.raises(WorkflowError, match=rf"has no {path}\.{names[0]}, on which"):
        parts.check_parsing(make_workflow())


def test_other_executors_need_nothing_of_the_plugin() -> None:
    workflow = make_workflow()
    workflow.scheduler._executor = SimpleNamespace(cancel=None, shutdown=None)
    parts.check_start(workflow)


def test_properties_are_looked_up_and_not_evaluated() -> None:
    """Some can be evaluated only when Snakemake has started."""
    assert find_missing_parts(Workflow, ("cores", "nodes", "is_main_process", "local_exec", "execute")) == []
    assert find_missing_parts(DAGSettings, ("force_incomplete", "magic")) == ["magic"]
    assert find_missing_parts(SimpleNamespace(a=1), jobqueue.PARTS) == list(jobqueue.PARTS)


def list_chains(source: str) -> Iterator[list[str]]:
    """Yield the attributes that follow a name of `ROOTS` in some Python code, such as [scheduler, _executor]."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            names.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in ROOTS and names:
            yield names


def test_the_list_is_complete() -> None:
    listed = {name for _, name in PARTS} | {name for _, _, names in parts.SETTINGS.values() for name in names}
    uses: dict[str, str] = {}
    for path in (ROOT / "scripts" / "lightsheet" / "workflow").glob("*.py"):
        uses |= {name: path.name for chain in list_chains(path.read_text()) for name in chain}
    snakefile = re.sub(r"^(configfile|report): .*$", "", (ROOT / "Snakefile").read_text(), flags=re.MULTILINE)
    uses |= {
        name: "Snakefile" for chain in re.findall(r"\bworkflow((?:\.\w+)+)", snakefile) for name in chain[1:].split(".")
    }
    assert {"forcefiles", "run_uuid", "resource_settings", "force_incomplete", "_local_executor"} <= uses.keys()
    assert uses.keys() - listed - PROMISED - METHODS == set()


def test_the_cluster_is_used_by_listed_parts_alone() -> None:
    uses = {
        name for path in (ROOT / "scripts" / "lightsheet" / "cluster").glob("*.py") for name in list_cluster_parts(path)
    }
    documented = {"scheduler", "close", "scheduler_address", "workers", "job_script", "name", "loop"}
    assert uses - documented <= set(jobqueue.PARTS)
    assert {"worker_spec", "new_spec", "_correct_state"} <= uses


def list_cluster_parts(path: Path) -> set[str]:
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and (
            getattr(node.value, "id", None) == "cluster" or getattr(node.value, "attr", None) in ("cluster", "_cluster")
        )
    }


@pytest.mark.parametrize(
    ("version", "works"), [("9.10.0", False), ("9.16.2", False), ("9.16.3", True), ("9.27.1", True)]
)
def test_a_snakemake_that_is_too_old_is_refused(version: str, works: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was tried: older ones end in a TypeError where resources are read."""
    monkeypatch.setattr("snakemake.common.__version__", version)
    required = re.search(r'^min_version\("(.+?)"\)', (ROOT / "Snakefile").read_text(), re.MULTILINE)
    assert required
    with nullcontext() if works else pytest.raises(WorkflowError, match=rf"Expecting Snakemake version .*{version}"):
        min_version(required[1])
