"""Print the configuration that repeats somebody's run here; what differs in the software is said beside it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from lightsheet.provenance import list_remarks, make_config, read_crate
from lightsheet.system import InputError

ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 if the provenance or the raw files are not there."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Then: snakemake -c all --configfile repeat.yaml; python scripts/compare.py repeated/NAME FOLDER",
    )
    add = parser.add_argument
    add(
        "folder", type=Path, help="with ro-crate-metadata.json and provenance/ of the run; nothing else of it is needed"
    )
    add("raw", type=Path, help="the folder with the raw files of the acquisition")
    options = parser.parse_args(argv)
    try:
        provenance = read_crate(options.folder)
        print(yaml.safe_dump(make_config(provenance, options.raw)), end="")
        for remark in list_remarks(provenance, ROOT):
            print(remark, file=sys.stderr)
    except InputError as error:
        print(f"repeat.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
