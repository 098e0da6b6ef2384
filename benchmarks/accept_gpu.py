"""Prove or refute engine gpu on this machine's GPU, in seven minutes: `python benchmarks/accept_gpu.py OUT`.

Each part is a process with a time limit that writes OUT/PART.json as it goes: `machine` (versions, bandwidths),
`probes` (what an audit of the engine feared), `tests` (those that need a GPU), `agreement` (with engine cpu),
`iterations` (milliseconds and memory), `kernels`, `time_line` (volumes from store to store) and `peers`. The exit
status is 0 if all parts ended whole and all checks hold. `python benchmarks/accept_gpu.py --report OUT` makes
results/gpu.md of it, and prints the README's rows. `--stand-in` tries all of it with NumPy in CuPy's place and tiny
volumes.

It needs Python 3.11 or newer with CuPy, NumPy, SciPy, psutil, attrs, PyYAML, lazy-loader, tifffile, pytest, hypothesis,
pytest-xdist and scikit-image, which a usual image with PyTorch has, and eleven wheels that it may lack, of 3 MB.
PyTorch's profiler tells how busy the GPU is. For a node without network, download these, and put beside them, as data/,
the images that some of the tests compare with (else these are skipped):

    python3 -m pip download --no-deps --only-binary :all: --python-version 3.12 --platform manylinux2014_x86_64
        -d .cache/carry blake3 donfig google-crc32c jsonschema jsonschema-specifications msgspec numcodecs referencing
        rpds-py typing-extensions zarr

and on the node, OUT being a folder:

    python3 -m pip install -q --no-index --no-deps --no-cache-dir --target /tmp/site .cache/carry/*.whl;
    LIGHTSHEET_DATA=$PWD/.cache/carry/data PYTHONPATH=/tmp/site python3 benchmarks/accept_gpu.py $OUT
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

from gpu_acceptance.sheet import read_sheets  # noqa: E402
from gpu_acceptance.supervisor import PARTS, run_parts  # noqa: E402

SECONDS = 420


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts, or report on them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the results")
    parser.add_argument("--report", action="store_true", help="make results/gpu.md of them, and the README's rows")
    parser.add_argument("--part", action="append", choices=PARTS, help="run this part alone; may be repeated")
    parser.add_argument("--stand-in", action="store_true", help="try the benchmark without a GPU; proves nothing")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="end after so many seconds")
    options = parser.parse_args(argv)
    if options.report:
        from gpu_acceptance.summary import write_report

        write_report(read_sheets(options.out), HERE / "results" / "gpu.md")
        return 0
    run_parts(options.out, options.part or list(PARTS), options.stand_in, options.seconds)
    sheets = read_sheets(options.out).values()
    return int(any(sheet["ended"] != "whole" or not all(c["passed"] for c in sheet["checks"]) for sheet in sheets))


if __name__ == "__main__":
    sys.exit(main())
