"""Measure the peak memory of each engine, in bytes per padded voxel, and keep it in results/memory.md.

The resident size of a fresh process is compared before and at the peak of one deconvolution; engine itk works in
a child process, which is measured from its start.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from math import prod

from scipy.fft import next_fast_len
from support.result_table import write_result

IMAGE, PSF = (96, 256, 256), (31, 31, 31)
CASES = [
    ("cpu", "extended", "none"),
    ("cpu", "extended", "heavy-ball"),
    ("cpu", "extended", "biggs"),
    ("cpu", "replicate", "none"),
    ("cpu-sweeps", "extended", "none"),
    ("cpu-sweeps", "extended", "heavy-ball"),
    ("cpu-sweeps", "extended", "biggs"),
    ("cpu-sweeps", "replicate", "none"),
    ("itk", "replicate", "none"),
    ("skimage", "replicate", "none"),
]
MEASURE = """
import json, re, resource, sys
from pathlib import Path
import numpy as np
from lightsheet.deconvolution.engines import richardson_lucy

def run(image, psf, engine, boundary, acceleration):
    richardson_lucy(image, psf, iterations=3, engine=engine, boundary=boundary, acceleration=acceleration)
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    own = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
    return 1024 * (child if engine == "itk" else own)

engine, boundary, acceleration, image, psf = json.loads(sys.argv[1])
image = np.random.default_rng(0).random(image, np.float32)
before = 0 if engine == "itk" else run(image[:4, :4, :4], np.ones((3, 3, 3)), engine, boundary, acceleration)
print(run(image, np.ones(psf, np.float32), engine, boundary, acceleration) - before)
"""


def measure(*case: str) -> float:
    """Return the peak in bytes per padded voxel."""
    job = json.dumps([*case, IMAGE, PSF])
    ended = subprocess.run([sys.executable, "-c", MEASURE, job], capture_output=True, text=True, check=True)
    padded = prod(next_fast_len(n + k - 1, real=True) for n, k in zip(IMAGE, PSF, strict=True))
    return int(ended.stdout) / padded


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the table."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    lines = [
        f"Peak memory of one deconvolution, image {IMAGE} float32, PSF {PSF}, by `python benchmarks/memory.py`.",
        "",
        "| engine | boundary | acceleration | bytes per padded voxel |",
        "|---|---|---|---|",
        *(f"| {' | '.join(case)} | {measure(*case):.1f} |" for case in CASES),
    ]
    write_result("memory", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
