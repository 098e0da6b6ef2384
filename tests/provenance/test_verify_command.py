"""`lightsheet verify` and the rule of that name: exit codes, and what they say."""

import runpy
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightsheet import cli
from lightsheet.run.run import Run
from lightsheet.store.paths import Results
from tests.support.verified_run import forge, with_settings


def test_the_exit_code_says_whether_volumes_agree(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(copied)
    assert cli.main(["verify", folder, "--volumes", "1", "--seed", "3", "--threads", "1"]) == 0
    forge(copied, with_settings(iterations=3))
    assert cli.main(["verify", folder, "--volumes", "1"]) == 1
    assert cli.main(["verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(
        f"lightsheet verify: {tmp_path}/ro-crate-metadata.json: there is no provenance"
    )
    with pytest.raises(SystemExit) as end:
        cli.main(["verify", "--help"])
    assert end.value.code == 0


def test_command_line_as_a_program(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lightsheet", "verify", str(finished.results.folder), "--volumes", "1"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert cli.main() == 0


SCRIPT = Path(__file__).parents[2] / "scripts" / "verify.py"


def test_the_rule_verifies_and_fails_with_a_remedy(finished: Run, copied: Path, tmp_path: Path) -> None:
    """The raw files are where the configuration says now."""
    log, raw = tmp_path / "verify.log", shutil.copytree(finished.acquisition.folder, tmp_path / "moved")
    crate = copied / "ro-crate-metadata.json"
    crate.write_text(crate.read_text().replace(finished.acquisition.folder.resolve().as_uri(), "file:///nowhere"))
    job = SimpleNamespace(
        params=SimpleNamespace(results=Results(copied), raw=raw),
        resources=SimpleNamespace(volumes=4),
        threads=1,
        log=[str(log)],
    )

    runpy.run_path(str(SCRIPT), {"snakemake": job}, "__main__")
    assert "CamA_ch1_560nm t1: identical to the store, bit for bit" in log.read_text()
    assert "4 of 4 volumes agree" in log.read_text()

    forge(copied, lambda row: row["timepoint"] == "1" and with_settings(iterations=3)(row))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), {"snakemake": job}, "__main__")
    assert end.value.code == 1
    assert "2 of 4 volumes agree" in log.read_text()
    assert "CamA_ch0_488nm t1, CamA_ch1_560nm t1: made again from the provenance" in log.read_text()
    assert "Traceback" not in log.read_text()
