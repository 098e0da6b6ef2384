"""Copy chosen channels and timepoints of a finished run into a format for tools that cannot read OME-Zarr 0.5."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from lightsheet.system import InputError
from lightsheet.viewing import FORMATS, export_volumes

EXAMPLES = """\
examples:
  %(prog)s results/demo --format ome-tiff --out export
    one file a timepoint, all channels: export/demo_t0000.ome.tif and so on, for Fiji and QuPath
  %(prog)s results/demo --format ome-zarr-0.4 --out export --timepoints 0:100:10,150 --channels CamA_ch0_488nm
    one folder, export/demo.ome.zarr, for ilastik and other readers of OME-Zarr 0.4
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 if what was asked for cannot be written, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, help="of a finished run, such as results/demo")
    add("--format", dest="form", required=True, choices=FORMATS, help="what to write")
    add("--out", type=Path, required=True, help="folder to write into; nothing there is overwritten")
    add("--kind", choices=("result", "raw"), default="result", help="which volumes (default: %(default)s)")
    add("--channels", nargs="+", metavar="NAME", help="which, in the order wanted (default: all)")
    add("--timepoints", metavar="CHOICE", help="numbers and START:END:STEP, END left out: 0:10:2,15 (default: all)")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        export_volumes(**vars(options))
    except InputError as error:
        print(f"export.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("export.py: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
