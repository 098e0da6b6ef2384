"""What is to be done, and why: every change of what decides the pixels is noticed, whatever the dates of files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import tifffile

from lightsheet.run.backlog import find_backlog
from lightsheet.run.run import Run
from lightsheet.system import files, read_json
from tests.support import tiny_run
from tests.support.backlogs import CHANNEL, RAW, RESULT, due, reasons, summary


def test_of_a_finished_run_nothing_is_due(run: Run) -> None:
    assert due(run) == set()
    assert summary() == ""


@pytest.mark.usefixtures("run")
def test_that_something_is_to_be_chosen_first_is_told() -> None:
    assert reasons(input={"fill": "none"}) == {}
    assert summary(input={"fill": "none"}) == (
        "CamA_ch0_488nm, CamA_ch1_560nm: volumes that are done may be done again: what the configuration leaves to be "
        "chosen from the pixels is chosen first"
    )


def first_tiff(run: Run) -> Path:
    return Path(run.list_sources(CHANNEL)[0])


def replace_older(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, (1e9, 1e9))


def replace_at_the_same_time(path: Path) -> None:
    stat = path.stat()
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("replace", [replace_older, replace_at_the_same_time])
def test_a_tiff_of_another_size_is_another_whatever_its_date(run: Run, replace: Callable[[Path], None]) -> None:
    replace(first_tiff(run))
    assert reasons() == dict.fromkeys([RAW, RESULT], "its TIFF changed")
    assert summary() == "1 volume again: its TIFF changed"


def test_a_tiff_with_an_older_date_is_looked_at(run: Run) -> None:
    os.utime(first_tiff(run), (1e9, 1e9))
    assert reasons() == {RAW: "its TIFF changed its date"}, "whether its result is due, the digest will tell"
    assert summary() == "1 volume again: its TIFF changed its date"
    assert summary(deconvolution={"iterations": 4}) == (
        "3 volumes again: iterations 2 -> 4; 1 volume again: its TIFF changed its date, iterations 2 -> 4"
    )


@pytest.mark.usefixtures("run")
def test_a_setting_that_changed_is_named_with_its_values() -> None:
    changed = {"deconvolution": {"iterations": 4, "background": {CHANNEL: "auto", "CamA_ch1_560nm": 90}}}
    chosen = read_json(Path("results/tiny/records/channels.json"))["CamA_ch1_560nm"]["background"]["value"]
    assert summary(**changed) == (
        f"2 volumes again: iterations 2 -> 4; 2 volumes again: iterations 2 -> 4, background {chosen} -> 90"
    )


@pytest.mark.usefixtures("run")
def test_the_codec_is_named_and_redoes_raw_and_result() -> None:
    text = summary(output={"codec": {"name": "zstd", "configuration": {"level": 3}}})
    assert text.startswith("4 volumes again: codec blosc(")
    assert text.endswith("-> zstd(level 3)")


@pytest.mark.usefixtures("run")
def test_what_changes_no_pixel_redoes_nothing() -> None:
    assert not reasons(output={"scale": 2}), "it is for uint16"
    assert not reasons(deconvolution={"iterations": 2.0})


@pytest.mark.usefixtures("run")
def test_another_version_of_the_algorithm_redoes_all_of_a_movie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightsheet.processing.fingerprint.ALGORITHM_VERSION", 99)
    assert summary() == "4 volumes again: algorithm version 3 -> 99"


@pytest.mark.usefixtures("run")
def test_another_kind_of_engine_redoes_all() -> None:
    automatic = tiny_run.prepare(Path(), deconvolution={"engine": "auto"})
    assert not find_backlog(automatic, ("cpu",)).volumes
    assert not find_backlog(automatic).volumes, "where the workers are is not known: either kind is taken"
    assert set(find_backlog(automatic, ("gpu",)).volumes.values()) == {"engine cpu -> gpu"}


def test_another_version_of_a_library_redoes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numpy.__version__", "99")
    assert due(run) == set()


@pytest.mark.parametrize("seconds", [1e9, 2e9])
def test_another_psf_is_noticed_whatever_its_date(run: Run, seconds: float) -> None:
    path = Path(run.find_psf_file(CHANNEL))
    tifffile.imwrite(path, tifffile.imread(path)[::-1])
    os.utime(path, (seconds, seconds))
    assert summary().splitlines()[0] == "2 volumes again: their PSF changed"  # a date in the future is told, too
    assert "2 volumes again: their PSF changed, iterations 2 -> 3" in summary(deconvolution={"iterations": 3})
    assert f"{CHANNEL}.tif" in due(run)


def test_another_psf_of_the_same_size_and_date_is_noticed(run: Run) -> None:
    path = Path(run.find_psf_file(CHANNEL))
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-9] + bytes(reversed(content[-9:])))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert summary() == "2 volumes again: their PSF changed"
    assert "2 volumes again: their PSF changed, iterations 2 -> 3" in summary(deconvolution={"iterations": 3})
    assert f"{CHANNEL}.tif" in due(run)


def test_a_psf_with_another_date_alone_redoes_no_volume(run: Run) -> None:
    os.utime(run.find_psf_file(CHANNEL))
    assert not reasons()
    assert due(run) == {f"{CHANNEL}.tif"}


@pytest.mark.usefixtures("run")
def test_settings_of_the_psf_are_named() -> None:
    assert summary(psf={"background": 3}) == "4 volumes again: psf.background auto -> 3"


@pytest.mark.parametrize("suffix", [".tif", ".png", ".json"])
def test_a_psf_that_was_damaged_or_lost_is_prepared_again(run: Run, suffix: str) -> None:
    path = run.results.psf(CHANNEL, suffix)
    content = path.read_bytes()
    for damage in (content[:-9], None):
        path.write_bytes(damage) if damage else path.unlink()
        assert f"{CHANNEL}.tif" in due(run)


def test_what_is_of_another_publication_is_made_again(run: Run) -> None:
    """A kill can come between any two of the stores, the provenance and the report."""
    results = run.results
    store = files.read_json(results.store / "zarr.json")
    for path, outputs in {
        results.store / "zarr.json": {"consolidate", "report.html"},
        results.raw_store(CHANNEL) / "zarr.json": {"consolidate", "report.html"},
        results.crate: {"consolidate", "report.html"},
        results.folder / "provenance" / "volumes.csv": {"consolidate", "report.html"},
        results.store / "0" / "zarr.json": {"consolidate", "report.html"},
        results.report: {"report.html"},
        results.inventory: {"consolidate", "inventory.csv", "report.html"},
    }.items():
        content = path.read_text()
        identity = store["attributes"]["lightsheet"]["publication"]
        path.write_text(content.replace(identity, "f" * 64) if identity in content else "")
        assert due(run) == outputs, path
        path.unlink()
        assert due(run) == outputs, path
        path.write_text(content)
    assert due(run) == set()


@pytest.mark.usefixtures("run")
def test_a_timepoint_that_is_gone_is_published_again() -> None:
    for path in Path("my data").glob("*stack0001*"):
        path.unlink()
    assert due(tiny_run.prepare(Path())) == {"consolidate", "inventory.csv", "report.html"}
