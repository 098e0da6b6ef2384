"""The workflow as a Snakemake module, from an environment that knows nothing of the checkout (conda, say)."""

import os
import subprocess
import sys

import pytest

from lightsheet.system import read_json
from tests.support.project import ROOT, Project

pytestmark = pytest.mark.workflow

OUTER = f"""
configfile: "my.yaml"
module lightsheet:
    snakefile: "{ROOT}/Snakefile"
    config: config
use rule * from lightsheet as ls_*
"""
SNAKEMAKE = f"""
import sys
sys.path[:] = [path for path in sys.path if path != "{ROOT}/scripts"]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder)]
from snakemake.cli import main
main(sys.argv[1:])
"""


def test_a_module_runs_without_the_package_installed_and_with_other_names(small: Project) -> None:
    """What is chosen from the pixels before the first job is chosen whatever the rules are called."""
    small.configure_one_channel(deconvolution={"background": "auto"})
    (small.folder / "Snakefile").write_text(OUTER)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", SNAKEMAKE, "--cores", "2", "ls_consolidate", "--configfile", "my.yaml"]
    ended = subprocess.run(
        command, cwd=small.folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    record = small.record("result", 0, 0)
    assert record["statistics"]["sum"] > 0
    choice = read_json(small.results / "records" / "channels.json")["CamA_ch0_488nm"]
    assert record["settings"]["background"] == choice["background"]["value"]
