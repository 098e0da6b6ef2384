"""The error for which a run cannot be made, as Snakemake prints it."""

from types import TracebackType

from snakemake.exceptions import WorkflowError  # type: ignore[import-untyped]


class RunError(WorkflowError):  # type: ignore[misc]
    """A sentence for the user, printed without the line of the Snakefile that has raised it.

    Snakemake would add `File "Snakefile", line 55, in <module>`, where there is nothing to look for.
    """

    @property
    def __traceback__(self) -> TracebackType | None:
        """No lines to print."""
        return None

    @__traceback__.setter
    def __traceback__(self, lines: TracebackType | None) -> None:
        pass
