import logging
import shutil
from pathlib import Path

import pytest
import tifffile

from lightsheet import cli
from lightsheet.processing import read_choices
from lightsheet.provenance import compare, software
from lightsheet.run.run import Run
from lightsheet.system.errors import InputError
from tests.support import tiny_run

pytestmark = pytest.mark.slow

OTHER: dict[str, object] = {"iterations": 3, "background": 1000}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.make(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def other(original: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the same files with other settings."""
    folder = tmp_path_factory.mktemp("other")
    shutil.copytree(original.acquisition.folder, folder / "my data")
    return repeated(folder, deconvolution=OTHER)


@pytest.fixture
def raw(original: Run, tmp_path: Path) -> Path:
    """A copy of their files in a folder where `tiny_run.prepare` finds it."""
    shutil.copytree(original.acquisition.folder, tmp_path / "my data")
    return tmp_path


def repeated(folder: Path, **sections: dict[str, object]) -> Path:
    run = tiny_run.prepare(folder, **sections)
    tiny_run.finish(run)
    return run.results.folder


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def evidence(results: Path, folder: Path) -> Path:
    """Copy what a stranger needs of a run, and nothing else."""
    folder.mkdir()
    shutil.copy(results / "ro-crate-metadata.json", folder)
    shutil.copytree(results / "provenance", folder / "provenance")
    return folder


def test_a_repetition_is_the_same_bit_for_bit(original: Run, raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = compare.compare_results(repeated(raw), evidence(original.results.folder, raw / "original"))
    assert [(o["channel"], o["timepoint"]) for o in outcomes] == [(c, t) for t in range(2) for c in tiny_run.NAMES]
    assert all(o["identical"] and o["same_raw"] and o["passed"] and o["relative_l2"] == 0 for o in outcomes)
    assert warnings(caplog) == []


def test_one_changed_pixel_shows_in_its_volume_alone(
    original: Run, raw: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = next((raw / "my data").glob("*ch1*stack0001*_001x*"))
    tile = tifffile.imread(path)
    tile[3, 10, 5] += 1
    tifffile.imwrite(path, tile)
    outcomes = compare.compare_results(repeated(raw), original.results.folder)
    assert [o["passed"] for o in outcomes] == [True, True, True, False]
    assert 0 < outcomes[3]["relative_l2"] < 1e-2
    assert len(warnings(caplog)) == 1
    assert warnings(caplog)[0].startswith("CamA_ch1_560nm t1: DIFFERS, relative L2 ")
    assert warnings(caplog)[0].endswith("; made from other raw pixels")


def test_a_pixel_that_changes_no_result_shows_too(other: Path, raw: Path) -> None:
    """Below the background, voxels count as 0."""
    path = next((raw / "my data").glob("*ch1*stack0001*_001x*"))
    tile = tifffile.imread(path)
    tile[tile == tile.min()] -= 1
    tifffile.imwrite(path, tile)
    outcomes = compare.compare_results(repeated(raw, deconvolution=OTHER), other)
    assert [o["identical"] for o in outcomes] == [True] * 4
    assert [o["passed"] for o in outcomes] == [True, True, True, False]


def test_other_settings_are_named(original: Run, other: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = compare.compare_results(other, original.results.folder)
    assert all(o["same_raw"] and not o["passed"] and o["relative_l2"] > 1e-2 for o in outcomes)
    assert len(warnings(caplog)) == 4
    chosen = [choice["background"]["value"] for choice in read_choices(original.results).values()]
    ends = [f"; background 1000, there {background}; iterations 3, there 2" for background in chosen]
    assert all(message.endswith(end) for message, end in zip(warnings(caplog), 2 * ends, strict=True))
    caplog.clear()
    outcomes = compare.compare_results(other, evidence(original.results.folder, tmp_path / "original"))
    assert all(not o["passed"] and o["relative_l2"] is None for o in outcomes)
    assert "DIFFERS, not the same bits, and a store to compare is not there; background" in warnings(caplog)[0]


def test_another_codec_makes_no_difference(original: Run, raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    coded = {"codec": {"name": "gzip", "configuration": {"level": 1}}}
    outcomes = compare.compare_results(repeated(raw, output=coded), original.results.folder)
    assert all(o["identical"] and o["same_raw"] and o["passed"] for o in outcomes)
    assert warnings(caplog) == []


@pytest.mark.parametrize(("tolerance", "code"), [(1, 0), (1e-5, 1)])
def test_what_is_within_the_tolerance_agrees(
    original: Run,
    other: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tolerance: float,
    code: int,
) -> None:
    caplog.set_level(logging.INFO, "lightsheet")
    monkeypatch.setattr(compare, "TOLERANCE", tolerance)
    assert cli.main(["compare", str(other), str(original.results.folder)]) == code
    assert ("4 more agree within 1" in caplog.messages) == (tolerance == 1)


def test_other_volumes_are_refused(original: Run, raw: Path) -> None:
    for path in (raw / "my data").glob("*stack0001*"):
        path.unlink()
    with pytest.raises(InputError, match=r"has 2 volumes that .* has not, such as CamA_ch0_488nm t1"):
        compare.compare_results(repeated(raw), original.results.folder)


def test_software_that_differs_is_told(original: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lightsheet")
    copy = evidence(original.results.folder, tmp_path / "original")
    crate, version = copy / "ro-crate-metadata.json", software.list_versions()["python"]
    crate.write_text(crate.read_text().replace(f'"softwareVersion": "{version}"', '"softwareVersion": "3.99"'))
    compare.compare_results(original.results.folder, copy)
    assert f"python: {version} here, 3.99 there" in caplog.messages


def test_the_exit_code_says_whether_runs_agree(
    original: Run, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(original.results.folder)
    assert cli.main(["compare", folder, folder]) == 0
    assert cli.main(["compare", str(other), folder]) == 1
    assert cli.main(["compare", folder, str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("lightsheet compare: ")
