from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError

from lightsheet.workflow.module_use import Handlers, add_handlers, refuse_prefix


def test_handlers_of_a_module_are_called_before_those_of_the_outermost_snakefile() -> None:
    calls: list[str] = []

    def handle(name: str) -> Any:
        return lambda logs: calls.append(f"{name} {logs}")

    workflow = SimpleNamespace(_onstart=handle("outer start"), _onsuccess=handle("outer"), _onerror=handle("outer"))
    add_handlers(workflow, Handlers(handle("first"), handle("second"), handle("third")))
    for name in ("_onstart", "_onsuccess", "_onerror"):
        getattr(workflow, name)("a.log")
    assert calls == [f"{name} a.log" for name in ("first", "outer start", "second", "outer", "third", "outer")]


@pytest.mark.parametrize(
    ("modifier", "outer"),
    [({"prefix": "sub/"}, {}), ({"_prefix_replacements": {"a": "b"}}, {}), ({}, {"prefix": "sub/"})],
)
def test_outputs_that_a_module_would_move_are_refused(modifier: dict[str, Any], outer: dict[str, Any]) -> None:
    inner = SimpleNamespace(**outer, inner_modifier=None)
    workflow = SimpleNamespace(
        modifier=SimpleNamespace(path_modifier=SimpleNamespace(**modifier, inner_modifier=inner))
    )
    with pytest.raises(WorkflowError, match=r"prefix.*cannot be used .* output\.folder"):
        refuse_prefix(workflow)


def test_a_workflow_whose_outputs_stay_is_not_refused() -> None:
    refuse_prefix(SimpleNamespace(modifier=SimpleNamespace(path_modifier=SimpleNamespace(prefix=None))))
