"""Compare a repeated run with the one that it repeats: by digests, and by pixels where these differ."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from lightsheet.provenance import TOLERANCE, compare_results
from lightsheet.system import InputError, logger


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 if a volume differs, or 2 if the comparison cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("here", type=Path, help="results of a finished run, such as repeated/demo")
    add(
        "there",
        type=Path,
        help="the other's; ro-crate-metadata.json and provenance/ suffice to tell whether bits differ",
    )
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        outcomes = compare_results(options.here, options.there)
    except InputError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    same = sum(outcome["identical"] and outcome["same_raw"] for outcome in outcomes)
    passed = sum(outcome["passed"] for outcome in outcomes)
    logger.info("%d of %d volumes are the same, bit for bit", same, len(outcomes))
    if passed > same:
        logger.info("%d more agree within %g", passed - same, TOLERANCE)
    return 0 if passed == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
