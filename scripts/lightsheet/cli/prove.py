"""Commands that prove a finished run: compare, repeat, verify."""

import os
import sys
from pathlib import Path
from typing import Any

from lightsheet.cli.options import add_command, read_positive
from lightsheet.deconvolution import ENGINES


def add_compare(commands: Any) -> None:
    """Add `lightsheet compare` to the parser's commands."""
    add = add_command(commands, compare)
    add("folder", type=Path, help="results of a finished run, such as repeated/demo")
    add("other", type=Path, help="the run that it repeats; of it the provenance is enough to tell whether bits differ")


def compare(folder: Path, other: Path) -> int:
    """Compare a repeated run with the one that it repeats: by digests, and by pixels where these differ."""
    from lightsheet.provenance import compare_results

    return 0 if all(outcome["passed"] for outcome in compare_results(folder, other)) else 1


def add_repeat(commands: Any) -> None:
    """Add `lightsheet repeat` to the parser's commands."""
    next_step = "Then: snakemake -c all --configfile repeat.yaml; lightsheet compare repeated/NAME FOLDER"
    add = add_command(commands, repeat, next_step)
    add(
        "folder", type=Path, help="with ro-crate-metadata.json and provenance/ of the run; nothing else of it is needed"
    )
    add("raw", type=Path, help="the folder with the raw files of the acquisition")


def repeat(folder: Path, raw: Path) -> int:
    """Print the configuration that repeats somebody's run here; differences of the software go to stderr."""
    import yaml

    from lightsheet.provenance import list_remarks, make_config, read_crate

    provenance = read_crate(folder)
    print(yaml.safe_dump(make_config(provenance, raw)), end="")
    for remark in list_remarks(provenance, Path(__file__).parents[3]):
        print(remark, file=sys.stderr)
    return 0


def add_verify(commands: Any) -> None:
    """Add `lightsheet verify` to the parser's commands."""
    add = add_command(commands, verify)
    add("folder", type=Path, help="of a finished run, such as results/demo, or a copy of it")
    add("--volumes", type=read_positive, default=2, help="how many to make again (default: %(default)s)")
    add("--raw", type=Path, metavar="FOLDER", help="of the acquisition (default: where the run read it)")
    add("--engine", choices=ENGINES, help="(default: the one that the run had; cpu instead of gpu if there is none)")
    add("--seed", type=int, help="the same seed chooses the same volumes (default: others every time)")
    add("--threads", type=read_positive, default=os.cpu_count(), help="cores to use (default: all, %(default)s)")


def verify(folder: Path, volumes: int, threads: int, **options: Any) -> int:
    """Make randomly chosen volumes again from the provenance alone, and compare them with the published store."""
    from lightsheet.provenance import verify_volumes

    return 0 if all(outcome["passed"] for outcome in verify_volumes(folder, volumes, threads, **options)) else 1
