"""Simulate a light-sheet acquisition of any size, volume by volume, with the truth beside it."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lightsheet.simulation import count_bytes, simulate_acquisition
from lightsheet.system import InputError

EXAMPLES = f"""\
Each volume is written twice: the image (uint16, FOLDER) and its truth (float32, FOLDER/truth),
so 6 bytes a voxel; the free disk is checked first. Files of the same names are overwritten.

  the demo ({count_bytes(2, 4, (40, 160, 128), (61, 32, 32)) / 1e6:.0f} MB, seconds):
    %(prog)s data/demo
  the reference acquisition ({count_bytes(3, 199, (201, 1024, 768), (101, 64, 64)) / 1e9:.0f} GB, \
3 GB of memory, about 35 s a volume on 2 cores):
    %(prog)s data/reference --name ex6-2 --channels 3 --timepoints 199 \\
        --shape 201 1024 768 --psf-shape 101 64 64
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    sizes = {"type": int, "nargs": 3, "metavar": ("Z", "Y", "X")}
    add("folder", type=Path, help="where the acquisition shall be; made if need be")
    add("--name", default="demo", help="what file names begin with (default: %(default)s)")
    add("--channels", type=int, default=2, help="1 to 3: 488, 560, 642 nm (default: %(default)s)")
    add("--timepoints", type=int, default=4, help="how many (default: %(default)s)")
    add("--shape", **sizes, default=(40, 160, 128), help="voxels of a volume (default: %(default)s)")
    add("--psf-shape", **sizes, default=(61, 32, 32), help="voxels of a PSF file (default: %(default)s)")
    add("--peak-photons", type=float, default=300.0, help="about the brightest voxel (default: %(default)s)")
    add("--seed", type=int, default=0, help="another seed, another scene and noise (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 if what was asked for makes no sense or cannot be written."""
    options = vars(parse(argv))
    options |= {key: tuple(options[key]) for key in ("shape", "psf_shape")}
    try:
        simulate_acquisition(**options, progress=partial(print, flush=True))
    except InputError as error:
        print(f"simulate.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
