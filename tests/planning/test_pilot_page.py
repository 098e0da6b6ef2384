import base64
import re
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from lightsheet.planning import pilot_page

VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}
STRANGE_NAME = 'Cam<i>A&"_ch0'


def a_run(iterations: int, residual: float | None, period: float | None) -> dict[str, Any]:
    return {
        "iterations": iterations,
        "seconds": {"read": 0.25, "deconvolve": 1.5 * iterations, "write": 0.75},
        "memory_bytes": 2_500_000_000,
        "gpu_memory_bytes": None,
        "written_bytes": 7_700_000,
        "residual": residual,
        "resolution_voxels": {"raw": 4.0, "result": period},
        "background": 100,
    }


def a_method(suggested: int | None, runs: list[dict[str, Any]], engine: str = "cpu") -> dict[str, Any]:
    settings = {"engine": engine, "boundary": "extended", "acceleration": "none", "background": 100}
    return {"settings": settings, "suggested": suggested, "reason": "because <so>", "runs": runs}


@pytest.fixture
def measured() -> dict[str, Any]:
    runs = [a_run(1, 0.5, 3.5), a_run(10, 0.125, 2.25), a_run(100, None, None)]
    ingest = {"seconds": 0.5, "read_bytes": 10**6, "written_bytes": 10**6, "check_seconds": 0.1, "spot": [4, 20, 15]}
    return {
        "cluster": "local",
        "cores": 2,
        "host": "node7",
        "slurm_job": None,
        "shape": [8, 40, 30],
        "volume": [8, 40, 60],
        "region": [[0, 8], [0, 40], [5, 35]],
        "dtype": "uint16",
        "psf_shape": [9, 7, 5],
        "voxel_size": VOXEL,
        "start_seconds": {"job": 1.25, "workers": 2.5},
        "channels": {
            STRANGE_NAME: {
                "timepoint": 3,
                "ingest": ingest,
                "methods": [a_method(10, runs), a_method(None, runs[:1], "itk")],
            }
        },
    }


def planes(value: float) -> dict[str, np.ndarray]:
    return {"xy": np.full((40, 30), value, np.float32), "xz": np.full((8, 30), value, np.float32)}


@pytest.fixture
def pictures() -> dict[Any, Any]:
    of_runs = {
        (STRANGE_NAME, 0, 1): 50,
        (STRANGE_NAME, 0, 10): 100,
        (STRANGE_NAME, 0, 100): 400,
        (STRANGE_NAME, 1, 1): 100,
    }
    return {(STRANGE_NAME,): planes(125), **{key: planes(value) for key, value in of_runs.items()}}


def draw(tmp_path: Path, measured: dict[str, Any], pictures: Any) -> str:
    pilot_page.write_pilot_page(tmp_path / "pilot.html", "my run", measured, pictures)
    return (tmp_path / "pilot.html").read_text()


def test_the_sheet_needs_nothing_from_elsewhere(tmp_path: Path, measured: dict[str, Any], pictures: Any) -> None:
    page = draw(tmp_path, measured, pictures)
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:|https://doi\.org/)[^"]*"', page) == []
    assert STRANGE_NAME not in page
    assert "because &lt;so&gt;" in page


def test_numbers_and_the_suggestion_stand_in_the_table(tmp_path: Path, measured: dict[str, Any], pictures: Any) -> None:
    page = draw(tmp_path, measured, pictures)
    chosen = re.search(r'<tr class="chosen">(.*?)</tr>', page, re.DOTALL)
    assert chosen
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", chosen[1])
    assert cells == ["10", "0.25", "15.00", "0.75", "2.5 GB", "7.7 MB", "12.5 %", "0.225 µm"]
    assert "10 · suggested" in page
    assert "No number of iterations is suggested" in page
    assert "a crop: z 0–8, y 0–40, x 5–35" in page
    assert "GPU memory" not in page


def test_a_result_that_does_not_explain_the_image_is_suspect(
    tmp_path: Path, measured: dict[str, Any], pictures: Any
) -> None:
    for method in next(iter(measured["channels"].values()))["methods"]:
        method["runs"][-1]["doubts"] = ["the PSF is <not> right"]
    assert "suspect</b>: the PSF is &lt;not&gt; right." in draw(tmp_path, measured, pictures)


def test_both_numbers_of_a_suggestion_are_marked(tmp_path: Path, measured: dict[str, Any], pictures: Any) -> None:
    """Where they were not tried themselves, at the next larger number that was."""
    method = measured["channels"][STRANGE_NAME]["methods"][0]
    method.update({"suggested": 10, "knee": 10, "least_error": 80})
    assert pilot_page.mark_runs(method) == {
        1: [],
        10: ["suggested", "residual hardly falls further"],
        100: ["least expected error"],
    }
    page = draw(tmp_path, measured, pictures)
    assert "10 · suggested<small>residual hardly falls further</small>" in page
    assert "100<small>least expected error</small>" in page
    assert "<th>suggested, residual hardly falls further</th></tr>" in page
    assert page.count('class="mark knee" d="M50.0 0V100"') == 1, "in the residual's chart and no other"


def test_gpu_memory_is_shown_where_there_is_some(tmp_path: Path, measured: dict[str, Any], pictures: Any) -> None:
    measured["channels"][STRANGE_NAME]["methods"][0]["runs"][0]["gpu_memory_bytes"] = 3_000_000_000
    assert "3.0 GB" in draw(tmp_path, measured, pictures)


def test_all_pictures_share_black_and_white(tmp_path: Path, measured: dict[str, Any], pictures: Any) -> None:
    page = draw(tmp_path, measured, pictures)
    pngs = [imagecodecs.png_decode(base64.b64decode(text)) for text in re.findall('image/png;base64,([^"]+)', page)]
    values = [int(png[0, 0]) for png in pngs if png.shape == (40, 30)]
    # raw is 25 above its background, and white the middle one of 25, 50, 100, 100 and 400
    levels = [round(255 * min(value / 100, 1) ** pilot_page.GAMMA) for value in (25, 50, 100, 400, 25, 100)]
    assert values == levels
    assert "aspect-ratio: 1.25" in page  # xz: 3.0 µm wide, 2.4 µm high
    assert page.count(">1 µm</span>") == 2, "in the raw xy picture of each method"


def test_curves_stand_on_a_logarithmic_axis_and_break_where_there_is_no_value() -> None:
    chart = pilot_page._plan_chart([{1: 0.5, 10: 0.25, 100: None}, {1: 0.5}], [10, None], 100, 0.4)
    ((first, second),) = chart["curves"][0]
    assert (first[0], second[0]) == (0, 50)
    assert first[1] < second[1]
    assert chart["marks"] == [50, None]
    assert first[1] < chart["level"] < second[1]
    assert [count for _, count in chart["counts"]] == [1, 10, 100]


def test_labels_that_would_touch_are_left_out_and_one_alone_is_in_the_middle() -> None:
    chart = pilot_page._plan_chart([{1: 0.5, 35: 0.3, 40: 0.3}], [None], 1, None)
    assert [count for _, count in chart["counts"]] == [1, 35]
    assert pilot_page._plan_chart([{10: None}], [None], 1, None)["counts"] == [(50, 10)]


def test_a_volume_all_below_its_background_is_black(tmp_path: Path, measured: dict[str, Any], pictures: Any) -> None:
    dark = {key: planes(50 if len(key) == 1 else -5) for key in pictures}
    page = draw(tmp_path, measured, dark)
    assert "white 1 counts above it" in " ".join(page.split())
    pngs = [imagecodecs.png_decode(base64.b64decode(text)) for text in re.findall('image/png;base64,([^"]+)', page)]
    assert all(png.max() == 0 for png in pngs)


def test_ways_to_store_a_result_stand_in_a_table(tmp_path: Path, measured: dict[str, Any], pictures: Any) -> None:
    full = {"dtype": "float32", "scale": 1}
    run = measured["channels"][STRANGE_NAME]["methods"][0]["runs"][1]
    run["storages"] = {
        "full": {**full, "bytes": 8_000_000, "rounding_error": 0.0, "rounding_to_noise": 0.0},
        "precision": {**full, "precision": 6, "bytes": 2e6, "rounding_error": 0.0033, "rounding_to_noise": 0.125},
        "uint16": {"dtype": "uint16", "scale": 33, "bytes": 1e6, "rounding_error": 0.001, "rounding_to_noise": None},
    }
    page = re.sub(r"<[^>]*>|\s+", " ", draw(tmp_path, measured, pictures))
    words = " ".join(page.split())
    assert "stored, of 10 iterations, as bytes of full" in words
    assert "dtype: float32, precision: full 8.0 MB 100 % none –" in words
    assert "precision: auto 6 of 23 bits 2.0 MB 25 % 0.33 % 12 %" in words
    assert "dtype: uint16, scale: auto 33 1.0 MB 12 % 0.1 % –" in words
