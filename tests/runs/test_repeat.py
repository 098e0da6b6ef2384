"""A stranger repeats a run: another checkout, the provenance, and the raw files, which lie elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import tiny_run
from tests.support.project import ROOT

pytestmark = pytest.mark.workflow


def check_out(folder: Path) -> None:
    """Copy what `git clone` would, were the tree committed."""
    ask = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    output = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    for name in filter(None, output.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in `folder` with the library of `checkout/`, which goes before the one that is installed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "checkout" / "scripts")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended


def test_provenance_and_raw_files_are_enough_to_repeat_a_run(tmp_path: Path) -> None:
    first, place = tmp_path / "first", tmp_path / "elsewhere"
    one = {"CamA_ch0_488nm": "488.tif"}  # a channel more is five processes more
    run = tiny_run.make(first, input={"ignore": ["???.tif", "*_ch1_*"]}, psf={"files": one})
    check_out(place / "checkout")
    shutil.copytree(run.results.folder / "provenance", place / "theirs" / "provenance")
    shutil.copy(run.results.crate, place / "theirs")
    raw = shutil.move(run.acquisition.folder, place / "raw files")
    (raw / "488.tif").unlink()
    shutil.rmtree(first)

    printed = python(place, "-m", "lightsheet.cli", "repeat", "theirs", "raw files")
    assert "pip install" not in printed.stderr, "the same versions"
    # Fewer jobs than theirs: how the work is cut into jobs changes nothing.
    config = printed.stdout.replace("timepoints_per_job: auto", "timepoints_per_job: 1")
    assert config != printed.stdout
    (place / "repeat.yaml").write_text(config)
    snakemake = ("-m", "snakemake", "--snakefile", "checkout/Snakefile", "--configfile", "repeat.yaml")
    python(place, *snakemake, "--cores", "2", "consolidate")
    compared = python(place, "-m", "lightsheet.cli", "compare", "repeated/tiny", "theirs")
    assert "2 of 2 volumes are the same, bit for bit" in compared.stderr
