"""Make randomly chosen volumes again from the provenance alone, and compare them with the published store."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightsheet.deconvolution import ENGINES
from lightsheet.provenance import verify_volumes
from lightsheet.system import InputError, log_job, logger


def verify(folder: Path, volumes: int, threads: int, **options: Any) -> list[str]:
    """Verify volumes of `results/NAME`, say how many passed, and name those that did not."""
    outcomes = verify_volumes(folder, volumes, threads, **options)
    failed = [f"{outcome['channel']} t{outcome['timepoint']}" for outcome in outcomes if not outcome["passed"]]
    logger.info("%d of %d volumes agree with %s", len(outcomes) - len(failed), len(outcomes), folder)
    return failed


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 if a volume differs, or 2 if the comparison cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("folder", type=Path, help="of a finished run, such as results/demo, or a copy of it")
    add("--volumes", type=int, default=2, help="how many to make again (default: %(default)s)")
    add("--raw", type=Path, metavar="FOLDER", help="of the acquisition (default: where the run found it)")
    add("--engine", choices=ENGINES, help="(default: the one that the run had; cpu instead of gpu if there is none)")
    add("--seed", type=int, help="the same seed chooses the same volumes (default: others every time)")
    add("--threads", type=int, default=os.cpu_count(), help="cores to use (default: all, %(default)s)")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        return 1 if verify(**vars(options)) else 0
    except InputError as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    if "snakemake" not in globals():
        sys.exit(main())
    with log_job(snakemake.log[0]):
        given, volumes = snakemake.params, snakemake.resources.volumes
        if failed := verify(given.results.folder, volumes, snakemake.threads, raw=given.raw):
            raise InputError(
                f"{', '.join(failed)}: made again from the provenance, that is not what the store holds; remove the "
                "record below records/result and run the workflow again"
            )
