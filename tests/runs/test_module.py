"""The workflow as a Snakemake module, from an environment that knows nothing of the checkout (conda, say)."""

import os
import subprocess
import sys

import pytest

from tests.support.project import ROOT, Project

pytestmark = pytest.mark.workflow

OUTER = f"""
configfile: "my.yaml"
module lightsheet:
    snakefile: "{ROOT}/Snakefile"
    config: config
use rule * from lightsheet
"""
SNAKEMAKE = f"""
import sys
sys.path[:] = [path for path in sys.path if path != "{ROOT}/scripts"]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder)]
from snakemake.cli import main
main(sys.argv[1:])
"""


def test_a_module_runs_without_the_package_installed(small: Project) -> None:
    (small.folder / "Snakefile").write_text(OUTER)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", SNAKEMAKE, "--cores", "2", "consolidate", "--configfile", "my.yaml"]
    ended = subprocess.run(
        command, cwd=small.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert small.record("result", 0, 0)["statistics"]["sum"] > 0
