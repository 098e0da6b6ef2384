"""Figures for papers, and the planes that they show."""

import json
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from PIL import Image

from lightsheet import cli
from lightsheet.scan import OutputGeometry, OutputVolume, make_scan
from lightsheet.store import VolumeKey
from lightsheet.system import write_json
from lightsheet.system.errors import InputError
from lightsheet.viewing.figure import draw_figure
from lightsheet.viewing.slabs import read_plane
from tests.support import published_run
from tests.support.families import parametrize
from tests.support.published_run import CHANNELS, Run

FIRST, SECOND = CHANNELS
SCAN = {"angle": 31.5, "step": 0.3, "axis": "x", "direction": 1}


def make(folder: Path, scan: dict[str, Any] | None = None) -> Run:
    run = published_run.make(folder, (6, 20, 30), timepoints=2, missing=[(SECOND, 1)], scan=scan)
    record = {
        "settings": {"iterations": 10, "scale": 2},
        "statistics": {"background": 5},
        "engine": "cpu 3",
        "psf": "ab",
        "fingerprint": "cd",
    }
    for channel in CHANNELS:
        write_json(run.results.record(VolumeKey("result", channel, 0)), record)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make(tmp_path_factory.mktemp("figure"))


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_planes_are_those_of_the_store(run: Run, kind: str) -> None:
    volume = run.volumes[kind, 0, 1]
    np.testing.assert_array_equal(read_plane(run.results, kind, SECOND, 0, 4), volume[4])
    np.testing.assert_array_equal(read_plane(run.results, kind, SECOND, 0, None), volume.max(axis=0))


def read_metadata(path: Path) -> dict[str, Any]:
    if path.suffix == ".png":
        with Image.open(path) as image:
            return dict(json.loads(image.text["Description"]))  # type: ignore[attr-defined]
    content = path.read_text(encoding="utf-8", errors="replace")
    return {"fingerprint": "cd" if "fingerprint" in content else None}


@parametrize("form", ["png", "pdf", "svg"])
def test_a_figure_says_how_it_was_made(run: Run, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"figure.{form}"
    facts = draw_figure(run.results.folder, out, z=4, y=(2, 18), contrast=(0, 1000))
    assert facts["channel"] == FIRST
    assert facts["plane"] == 4
    assert read_metadata(out)["fingerprint"] == "cd"
    assert list(tmp_path.iterdir()) == [out]
    if form == "png":
        assert read_metadata(out)["settings"] == {"iterations": 10, "scale": 2}


@pytest.mark.slow
def test_pixels_are_grey_by_their_counts_above_background(run: Run, tmp_path: Path) -> None:
    """Counts of 0 to 1000: raw less its background, the result by its scale. A voxel is drawn as a block of pixels."""
    out = tmp_path / "figure.png"
    draw_figure(run.results.folder, out, z=4, contrast=(0, 1000))
    grey = matplotlib.image.imread(out)[..., 0]
    inside = grey[grey.shape[0] * 2 // 5 : grey.shape[0] * 4 // 5]
    halves = {"raw": inside[:, : grey.shape[1] // 2], "result": inside[:, grey.shape[1] // 2 :]}
    for kind, (dark, scale) in {"raw": (5, 1), "result": (0, 2)}.items():
        counts = (run.volumes[kind, 0, 0][4].astype(float) - dark) / scale
        expected = np.append(np.clip(counts / 1000, 0, 1), 1)  # and the white margin
        distance = np.abs(halves[kind][..., None].astype(float) - np.unique(expected.round(3))).min(axis=-1)
        assert np.quantile(distance, 0.98) < 1 / 255, "but for the margin's soft edge, and the scale bar"


def test_raw_planes_of_a_stage_scan_are_shown_as_its_result(tmp_path: Path) -> None:
    scan = {"scan": SCAN, "geometry": "deskewed", "pixel": 0.1}
    run = make(tmp_path, scan)
    raw = run.volumes["raw", 0, 0].astype(np.float32)
    volume = OutputVolume(raw, OutputGeometry("deskewed", make_scan(**SCAN, pixel=0.1), raw.shape))[:, :]
    for z, expected in ((3, volume[3]), (None, volume.max(axis=0))):
        planes = {kind: read_plane(run.results, kind, FIRST, 0, z) for kind in ("raw", "result")}
        measured = ~np.isnan(planes["raw"])
        np.testing.assert_array_equal(planes["raw"][measured], expected[measured])
        assert not expected[~measured].any(), "what was never measured is NaN, and nothing else"
        np.testing.assert_array_equal(np.isnan(planes["result"]), ~measured)
    assert (~measured).sum() < measured.sum()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channel": "red"}, f"no channel red; the run has {FIRST}, {SECOND}"),
        ({"timepoint": 2}, "no volume 2 of .*the run has 2 timepoints"),
        ({"timepoint": -1}, "no volume -1"),
        ({"channel": SECOND, "timepoint": 1}, f"no volume 1 of {SECOND}: its files are missing"),
        ({"z": 6}, "no plane 6; the result has 6"),
        ({"x": (5, 31)}, "5 to 31 is no part of the 30 voxels along x"),
        ({"y": (5, 5)}, "5 to 5 is no part"),
        ({"contrast": (10, 5)}, "--contrast: black, 10, must be less than white, 5"),
        ({"contrast": (5, 5)}, "--contrast"),
        ({"contrast": (0, float("nan"))}, "--contrast"),
        ({"contrast": (0, float("inf"))}, "--contrast"),
        ({"out": Path("figure.gif")}, "its name ends in none of .pdf, .svg, .png"),
    ],
)
def test_what_there_is_not_is_named(run: Run, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        draw_figure(run.results.folder, **{"out": tmp_path / "figure.png", **options})
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_is_black_and_white(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figure.png"
    assert cli.main(["figure", str(run.results.folder), "--out", str(out), "--contrast", "0", "51234.4"]) == 0
    output = capsys.readouterr().out
    assert f"{out}: {FIRST}, timepoint 0, maximum along z\n" in output
    assert output.count("0 counts above background are black, 51,234 are white") == 2
