"""What the page about a run draws over time, and what it marks there."""

from pathlib import Path

import pytest

from lightsheet.viewing import report
from tests.support.report_page import OTHER, change, write
from tests.support.stored_run import CHANNELS, SPECIAL, make


def test_an_outlier_is_marked_listed_and_linked(tmp_path: Path) -> None:
    results = make(tmp_path, 7)
    change(results, SPECIAL, 1, sum=500.0, residual=0.75)
    change(results, OTHER, 4, residual=0.5)
    page = write(results)
    rows = [row for row in page.rows if row[-1:] and row[-1].startswith("record")]
    # The log of the first block of two timepoints is there, the other is not.
    assert [(row[0], row[1], row[3]) for row in rows] == [("1", SPECIAL, "record log"), ("4", OTHER, "record")]
    assert " ".join(rows[0][2].split()) == "Light kept 0.5 usually 0.993Residual 0.75 usually 0.25"
    assert page.links().count(f"records/result/{SPECIAL}/t0001.json") == 4  # two curves, both tables
    assert page.links().count(f"records/result/{OTHER}/t0004.json") == 3
    assert page.links().count("logs/deconvolve.t0000.log") == 1
    assert "Outliers2 of 14 volumes" in " ".join(page.text.split())
    assert "t 4" in [text.strip() for text in page.text.splitlines()], "it is among the pictures"
    marks = [attrs["d"].count("M") for attrs in page.attributes("path") if attrs["class"] == "marks"]
    assert sum(marks) == 3


def test_curves_are_broken_where_volumes_are_missing_or_dark(tmp_path: Path) -> None:
    holes = [(SPECIAL, 2), (SPECIAL, 4), *((OTHER, t) for t in (0, 1, 2, 4, 5))]
    results = make(tmp_path, 6, missing=holes)
    change(results, SPECIAL, 0, flux_before=0.0, sum=0.0)
    page = write(results)
    flux, of_one_volume, residual, *_ = page.curves()
    assert [segment[::2] for segment in flux] == [[20], [60], [100]]
    assert [segment[::2] for segment in of_one_volume] == [[60]]
    assert [segment[::2] for segment in residual] == [[0, 20], [60], [100]]
    assert "–" in [row[10] for row in page.rows if len(row) == 15], "of the dark volume"
    text = " ".join(page.text.split())
    assert "7 of 12 volumes are missing" in text
    assert f"{SPECIAL} timepoints 2, 4; {OTHER} timepoints 0–2, 4–5." in text
    assert "not known" in page.text


@pytest.mark.slow
def test_curves_and_tooltips_show_the_values(tmp_path: Path) -> None:
    page = write(make(tmp_path, 3, seconds=[0, 60, 120]))
    first = next(curve for curve in page.curves())[0]
    # 0.990, 0.991, 0.992: evenly apart and rising, which is downwards in numbers.
    assert first[::2] == [0, 50, 100]
    assert first[1] - first[3] == pytest.approx(first[3] - first[5], abs=0.02)
    assert first[1] > first[5]
    assert f"{SPECIAL}\ntimepoint 1, 60 s\n0.991" in page.text
    assert f"{OTHER}\ntimepoint 2, 2 min\nraw 0.402 µm, result 0.25 µm" in page.text
    assert f"{SPECIAL}\ntimepoint 0, 0 s\n12.85 %" in page.text  # 1234 of 9600 voxels
    assert "0 in every volume." in page.text, "none is saturated"


def test_one_timepoint_has_no_interval_and_one_volume_is_missing(tmp_path: Path) -> None:
    text = " ".join(write(make(tmp_path, 1, missing=[(OTHER, 0)])).text.split())
    assert "2 = 1 timepoint × 2 channels" in text
    assert "Time interval" not in text
    assert "Over time" not in text
    assert (
        f"1 of 2 volumes is missing from the files, and a hole in the stores (NaN, or 0 in whole numbers): {OTHER}"
        in text
    )


def test_one_timepoint_is_a_table_of_values_and_no_chart(tmp_path: Path) -> None:
    results = make(tmp_path, 1)
    change(results, OTHER, 0, residual=None)
    page = write(results)
    assert not page.attributes("svg")
    rows = {row[0].split(".")[0]: row[1:] for row in page.rows if len(row) == 3}
    assert [rows[start] for start in rows if start.startswith("Residual")] == [["0.25", "–"]]
    (resolution,) = [cells for start, cells in rows.items() if start.startswith("Resolution")]
    assert resolution == ["raw 0.4 µmresult 0.25 µm"] * 2
    assert not [start for start in rows if start.startswith("Bleaching")], "there is nothing to compare with"


@pytest.mark.slow
def test_irregular_time_is_said_and_drawn(tmp_path: Path) -> None:
    page = write(make(tmp_path, 4, seconds=[0, 43.7, 87.5, 531.2]))
    text = " ".join(page.text.split())
    assert "Time interval43.8 s median; time is irregular: 43.7 to 443.7 s" in text
    assert page.curves()[0][0][::2] == [0, 8.23, 16.47, 100]


@pytest.mark.slow
def test_a_long_run_has_few_pictures_and_collapsed_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "OPEN_ROWS", 13)
    page = write(make(tmp_path, 7))
    assert len(page.attributes("img")) == (5 * 2 * 3 + 1) * len(CHANNELS)
    assert [("open" in attrs) for attrs in page.attributes("details")] == [False]
