"""What the page about a run says in words: warnings, choices, what is missing or was left out."""

from pathlib import Path

import pytest

from lightsheet.processing import write_choices
from lightsheet.store.paths import Results, VolumeKey
from lightsheet.system import read_json, write_json
from lightsheet.system.errors import InputError
from lightsheet.viewing import report
from tests.support.report_page import OTHER, Page, change, write
from tests.support.stored_run import SPECIAL, make


def test_warnings_stand_before_the_facts(tmp_path: Path) -> None:
    results = make(tmp_path, 7, missing=[(OTHER, 6)])
    change(results, SPECIAL, 1, residual=0.75)
    change(results, SPECIAL, 2, flux_before=0.0)
    for t in range(2):
        path = results.record(VolumeKey("result", OTHER, t))
        write_json(path, {**read_json(path), "engine": f"gpu 2 (cupy 14.{t})"})
    page = write(results)
    text = " ".join(page.text.split())
    facts = text.index("Shape of a volume")
    for warning in ("volumes is suspect", "A mixture.", "1 of 14 volumes is missing", "of 14 volumes are outliers"):
        assert 0 <= text.find(warning) < facts, warning
    hrefs = [attrs["href"] for attrs in page.attributes("a")]
    assert hrefs.count("#outliers") == 4  # the menu, the warning, the fact, the chapter about the curves


def test_auto_settings_tell_what_was_found(tmp_path: Path) -> None:
    results = make(tmp_path, 2)
    for channel, t, iterations in ((SPECIAL, 0, 60), (SPECIAL, 1, 75), (OTHER, 0, 80), (OTHER, 1, 80)):
        change(results, channel, t, iterations=iterations)
        record = read_json(results.record(VolumeKey("result", channel, t)))
        assert record
        record["settings"]["iterations"] = "auto"
        write_json(results.record(VolumeKey("result", channel, t)), record)
    rows = {row[0]: row[1] for row in write(results).rows if len(row) == 2}
    assert rows["iterations"] == f"{SPECIAL}: auto: 60 to 75{OTHER}: auto: 80"


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.ome\.zarr is not there: run"):
        report.write_report(Results(tmp_path / "none"), tmp_path / "report.html")
    results = make(tmp_path, timepoints=1)
    results.record(VolumeKey("raw", SPECIAL, 0)).unlink()
    with pytest.raises(InputError, match="timepoint 0 is not done; run the same command again"):
        report.write_report(results, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_files_that_were_left_out_are_told(tmp_path: Path) -> None:
    results = make(tmp_path, timepoints=1)
    report.write_report(results, tmp_path / "before.html")
    assert "Left out" not in Page(tmp_path / "before.html").text
    excluded = [["<a>.tif", "<a>.tif: looks derived"], *([f"{i}.tif", "b"] for i in range(50))]
    write_json(results.files, {"names": [], "waiting": [], "excluded": excluded})
    report.write_report(results, tmp_path / "after.html")
    text = Page(tmp_path / "after.html").text
    assert "51 TIFFs of the input folder" in text
    assert "<a>.tif: looks derived" in text
    assert "and 11 more" in text


def test_a_psf_that_does_not_belong_to_the_volumes_is_marked(tmp_path: Path) -> None:
    results = make(tmp_path, 2)
    place = results.psf(OTHER, ".json")
    damage = [{"kind": "dim", "value": 3, "text": "dim: its peak is low"}]
    write_json(place, read_json(place) | {"fwhm_um": {"z": 0.7, "y": 9.0, "x": 0.3}, "warnings": damage})
    text = " ".join(write(results).text.split())
    assert f"{OTHER}: every volume is suspect (2): its PSF is 9 um wide along y" in text
    assert "and the volume only 4 um" in text
    assert f"{OTHER}: its PSF: dim: its peak is low." in text


def test_a_lossy_result_says_so_and_by_how_much(tmp_path: Path) -> None:
    results = make(tmp_path, 2)
    report.write_report(results, results.report)
    assert "Lossy." not in Page(results.report).text
    trial = {"value": 6, "timepoints": {"0": {"noise": 0.04}, "1": {"noise": 0.05}}}
    write_choices(results, {OTHER: {"basis": {}, "background": None, "precision": trial}})
    for t, error in enumerate((0.0031, 0.0033)):
        path = results.record(VolumeKey("result", OTHER, t))
        record = read_json(path)
        statistics = {**record["statistics"], "rounding_error": error, "rounding_to_noise": error / 0.04}
        write_json(path, {**record, "statistics": statistics, "settings": {**record["settings"], "precision": 6}})
    report.write_report(results, results.report)
    page = Page(results.report)
    assert (
        f"Lossy. To take less room, results were rounded where they were stored: {OTHER}: by 0.33 % (relative L2), "
        in (page.text)
    )
    assert "8.25 % of their noise, at most." in page.text
    assert ["precision", "6 bits of mantissa noise of 4 % to 5 % in 2 tried timepoints"] in page.rows
