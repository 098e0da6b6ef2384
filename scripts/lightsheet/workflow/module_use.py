"""The workflow as a module of another one: what Snakemake does differently for a module, or not at all."""

from collections.abc import Callable
from typing import Any, NamedTuple

from snakemake.exceptions import WorkflowError  # type: ignore[import-untyped]

Handler = Callable[[Any], None]
"""A function that Snakemake calls with the names of its log files."""


class Handlers(NamedTuple):
    """What is called before the first job, after a run that succeeded, and after one that failed.

    Snakemake heeds `onstart`, `onsuccess` and `onerror` only where they stand in the outermost Snakefile. Without the
    first one, no SLURM job of a module would be cancelled, and no result that a killed run left be repaired.
    """

    start: Handler
    succeed: Handler
    fail: Handler


NO_HANDLERS = Handlers(*(3 * [lambda _: None]))


def add_handlers(workflow: Any, handlers: Handlers) -> None:
    """Have Snakemake call handlers before those of the outermost Snakefile; called when all of it has been parsed."""
    for name, handler in zip(("_onstart", "_onsuccess", "_onerror"), handlers, strict=True):
        setattr(workflow, name, _chain(handler, getattr(workflow, name)))


def _chain(first: Handler, second: Handler) -> Handler:
    def call(logs: Any) -> None:
        first(logs)
        second(logs)

    return call


def refuse_prefix(workflow: Any) -> None:
    """Refuse that Snakemake moves the outputs of a module's rules: the jobs would write them where they did before."""
    modifier = workflow.modifier.path_modifier
    while modifier:
        if any(getattr(modifier, name, None) for name in ("prefix", "_prefix_replacements")):
            raise WorkflowError(
                "`prefix` and `replace_prefix` of a module cannot be used with this workflow: leave them out, and say "
                "in output.folder of its configuration where results go"
            )
        modifier = getattr(modifier, "inner_modifier", None)
