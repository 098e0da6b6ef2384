"""The tests that need a GPU."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import TINY, Sizes
from gpu_acceptance.supervisor import PARTS, ROOT

FOLDER = ROOT / "tests" / "deconvolution"

SECONDS = PARTS["tests"] - 15
"""After which pytest is interrupted: then it still writes what it knows, which it would not if it were killed."""


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet; others of the project's tests import Dask or Snakemake, so that files are named."""
    junit = sheet.path.with_suffix(".xml")
    files = sorted(FOLDER.glob("test_gpu*.py"))
    command = [
        *("timeout", "--foreground", "--signal=INT", str(SECONDS)),
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "gpu",
        "-p",
        "no:cacheprovider",
        "-W",
        "default",
        f"--junit-xml={junit}",
    ]
    files += [FOLDER / "test_properties.py", FOLDER / "test_noise.py"]
    files.append(FOLDER.parent / "processing" / "test_gpu_steps.py")
    if sizes is TINY:
        command.append("--collect-only")
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, env=os.environ | {"PYTHONPATH": ""} | _find_path())
    sheet.put("exit status of pytest", done.returncode)
    if junit.exists():
        for name, value in read_junit(junit).items():
            sheet.put(name, value)
        junit.unlink()
    values = sheet.content["values"]
    passed, failed = values.get("passed", 0), values.get("failed", {})
    if sizes is TINY:
        sheet.check("the tests that need a GPU can be imported", done.returncode == 0, f"exit status {done.returncode}")
    else:
        sheet.check(
            "the tests that need a GPU pass", done.returncode == 0 and passed > 0, f"{passed} pass, {len(failed)} fail"
        )


def _find_path() -> dict[str, str]:
    """Return where Python finds what was carried to this machine, without the benchmarks, whose `tests` is another."""
    paths = {str(ROOT / "benchmarks"), str(ROOT / "scripts")}
    return {
        "PYTHONPATH": os.pathsep.join(p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p not in paths)
    }


def read_junit(path: Path) -> dict[str, Any]:
    """Count the tests by outcome, and keep what failures say, shortly."""
    cases = list(ElementTree.parse(path).iter("testcase"))
    failed = {}
    for case in cases:
        for problem in (*case.findall("failure"), *case.findall("error")):
            failed[f"{case.get('classname')}::{case.get('name')}"] = (problem.get("message") or "")[:500]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {"passed": len(cases) - len(failed) - skipped, "skipped": skipped, "failed": failed}
