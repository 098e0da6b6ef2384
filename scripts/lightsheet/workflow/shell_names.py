"""Paths that Snakemake would hand to a shell as more than names: refused before the first job."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightsheet.run import Run
from lightsheet.system import InputError

SPECIAL = frozenset('$`"\\')
"""What a shell reads between the quotes that Snakemake and its SLURM plugin put around paths."""


def refuse_shell_names(run: Run, workflow: Any) -> None:
    """Refuse paths that Snakemake would hand to a shell as more than names; `InputError` says which and why.

    On this machine that is the path of Python alone. For the jobs on SLURM it writes the paths of all inputs, too,
    into commands that a shell reads twice: a file called `$(rm -r x).tif` would remove x.

    Parameters
    ----------
    run : Run, whose files they are
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    """
    python = re.sub("[^\0-\x7f]", "x", sys.executable)  # what is not ASCII is no more than a letter to a shell
    if shlex.quote(python) != python:
        raise InputError(
            f"{sys.executable!r}: Snakemake hands the path of Python to a shell as it stands; only letters, digits and "
            "._-/+@%=:, may be in it; rename the folder, or make .venv elsewhere"
        )
    if workflow.nodes is None:
        return
    for path in _list_job_paths(run, workflow):
        if SPECIAL & {*path} or path.startswith("'") or not path.isprintable():
            raise InputError(
                f'{path!r}: no job on SLURM can have a path with $, `, ", \\ or a character that is not printed, as '
                "Snakemake would hand it to a shell; rename it, or run here (--cores 2 instead of --profile slurm)"
            )
    results = str(run.results.folder.absolute())
    if "%" in results:
        raise InputError(
            f"{results!r}: SLURM jobs cannot have their logs in a folder with % in its name, because sbatch would "
            "replace what follows; rename it"
        )


def _list_job_paths(run: Run, workflow: Any) -> Iterator[str]:
    """Yield the paths that stand in the command of a job."""
    yield from map(str, (Path.cwd(), workflow.main_snakefile, *workflow.overwrite_configfiles, run.results.folder))
    yield from (str(run.acquisition.folder), *map(str, run.config["psf"]["files"].values()))
    for channel in run.channels:
        yield channel
        yield from run.list_sources(channel)
