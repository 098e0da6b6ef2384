"""One part, as the supervisor starts it: `python -m gpu_acceptance.part NAME OUT [--stand-in]`."""

import argparse
from importlib import import_module
from pathlib import Path

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import FULL, TINY
from gpu_acceptance.supervisor import PARTS


def main() -> None:
    """Measure one part."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=PARTS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stand-in", action="store_true")
    options = parser.parse_args()
    sheet = Sheet(options.out / f"{options.name}.json", options.name, options.stand_in)
    if options.stand_in:
        import_module("gpu_acceptance.stand_in").install()
    import_module(f"gpu_acceptance.{options.name}").measure(sheet, TINY if options.stand_in else FULL)
    sheet.end()


if __name__ == "__main__":
    main()
