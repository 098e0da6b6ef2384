import base64
import io
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from lightsheet.store import ngff, publish, volumes
from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.volumes import StoreLayout
from lightsheet.viewing import pictures, projections
from tests.support import published_run
from tests.support.families import parametrize
from tests.support.stage_scan import scan_points
from tests.support.stored_run import BACKGROUND, CODEC, DARK, PEAKS, SPECIAL, VOXEL, make


def publish_raw(results: Results, filled: np.ndarray, voxel_size: dict[str, float]) -> StoreLayout:
    """Publish the raw store of a channel `A` with one volume."""
    layout = StoreLayout.plan(filled.shape, voxel_size, "uint16", CODEC)
    work = results.work("raw", "A")
    volumes.write_volume(work, 0, filled, layout, 1)
    multiscales = ngff.describe_multiscales("a", "tzyx", layout.levels, voxel_size, None)
    attributes = {"version": ngff.NGFF_VERSION, "multiscales": multiscales}
    publish.publish_store(results.raw_store("A"), [(work, 0, (0,))], layout, (1,), {"ome": attributes})
    return layout


def test_a_large_volume_is_shown_from_a_coarser_level(tmp_path: Path) -> None:
    filled = np.zeros((6, 700, 40), np.uint16)
    filled[3, 333, 20] = 4000
    layout = publish_raw(Results(tmp_path), filled, VOXEL)
    xy, xz, yz, pixel = pictures.project_volume(Results(tmp_path), VolumeKey("raw", "A", 0))
    assert layout.levels[1].factor == (1, 2, 2)
    assert (xy.shape, xz.shape, yz.shape, pixel) == ((350, 20), (9, 20), (350, 9), 0.2)  # 6 x 0.3 um = 9 x 0.2 um
    assert np.unravel_index(xy.argmax(), xy.shape) == (166, 10)
    assert np.unravel_index(yz.argmax(), yz.shape) == (166, 5)  # 3.5 x 0.3 um = 5.25 x 0.2 um
    assert xy.max() == 1000  # the mean of 2 x 2 voxels


def test_a_volume_far_deeper_than_wide_is_still_a_picture_to_scale(tmp_path: Path) -> None:
    publish_raw(Results(tmp_path), np.ones((100, 40, 20), np.uint16), {"z": 3, "y": 0.1, "x": 0.2})
    xy, xz, yz, pixel = pictures.project_volume(Results(tmp_path), VolumeKey("raw", "A", 0))
    assert pixel == 300 / 512
    assert (xy.shape, xz.shape, yz.shape) == ((7, 7), (512, 7), (7, 512))  # 4 um = 6.8 pixels


@pytest.mark.parametrize(("width", "bar"), [(3, 1), (14.9, 2), (15, 5), (80, 20), (1, 0.2), (0.25, 0.05), (3000, 1000)])
def test_scale_bars_are_round_and_at_most_a_third(width: float, bar: float) -> None:
    assert pictures.choose_scale_bar(width) == pytest.approx(bar, rel=1e-12)


def decode(picture: dict[str, Any], plane: str, kind: str) -> np.ndarray:
    """A picture as matplotlib (Pillow) reads it."""
    data = base64.b64decode(picture["planes"][plane][kind], validate=True)
    return matplotlib.image.imread(io.BytesIO(data), format="jpg")


def grey_level(picture: dict[str, Any], counts: float) -> float:
    """The grey level at which a page shows so many counts above background."""
    share = (counts - picture["low"]) / (picture["high"] - picture["low"])
    return 255 * min(max(share, 0), 1) ** pictures.GAMMA


@pytest.mark.parametrize("scale", [None, 4])
def test_both_are_shown_in_the_same_contrast(
    tmp_path: Path, scale: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "WINDOW", (0, 100))
    results = make(tmp_path, timepoints=1, scale=scale)
    picture = pictures.draw_volume(results, SPECIAL, 0, BACKGROUND, scale or 1)
    assert (picture["low"], picture["high"]) == (0, PEAKS["result"])
    for kind, dark, peak in (("raw", DARK - BACKGROUND, PEAKS["raw"] - BACKGROUND), ("result", 0, PEAKS["result"])):
        image = decode(picture, "xy", kind)
        assert np.median(image) == pytest.approx(grey_level(picture, dark), abs=1)
        assert image[30, 10] == pytest.approx(grey_level(picture, peak), abs=12)  # JPEG, of one bright pixel


def test_three_planes_to_scale_with_a_true_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "WINDOW", (0, 100))
    picture = pictures.draw_volume(make(tmp_path, timepoints=1), SPECIAL, 0, BACKGROUND, 1)
    # 8 planes of 0.3 um over pixels of 0.1 um are 24; the bright voxel keeps its relative place.
    assert picture["size"] == (24, 40, 30)
    for plane, shape, place in (("xy", (40, 30), (30, 10)), ("xz", (24, 30), (7, 10)), ("yz", (40, 24), (30, 7))):
        for kind in ("raw", "result"):
            image = decode(picture, plane, kind)
            assert image.shape == shape
            assert np.unravel_index(image.argmax(), shape) == place
    assert picture["bar"] == "1 µm"
    assert picture["bar_percent"] == pytest.approx(100 / 3)


def test_the_window_is_that_of_all_planes_of_both() -> None:
    planes = [np.full((4, 4), value, np.float32) for value in (1, 2, 3, 5, 7, 9)]
    projections = [pictures.Projections(*planes[:3], 1.0), pictures.Projections(*planes[3:], 1.0)]
    low, high = pictures.choose_window(projections)
    assert (low, high) == (1, 9)
    assert pictures.choose_window([pictures.Projections(*planes[:1] * 3, 1.0)]) == (1, 2)
    nothing = np.full((2, 3), np.nan, np.float32)
    assert pictures.choose_window([pictures.Projections(nothing, nothing, nothing, 1.0)]) == (0, 1), "nor measured"


def test_first_last_some_between_and_the_marked_are_chosen() -> None:
    assert pictures.choose_timepoints(range(200), [77, 140]) == [0, 50, 77, 100, 140, 149, 199]
    assert pictures.choose_timepoints([3, 4], []) == [3, 4]
    assert pictures.choose_timepoints([], []) == []


@parametrize(
    ("kind", "direction", "axis", "long_side"),
    [("deskewed", -1, "y", 512), ("rotated", -1, "x", 50), ("rotated", 1, "x", 512), ("deskewed", 1, "x", 50)],
)
def test_a_stage_scan_is_shown_as_the_result_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, direction: int, axis: str, long_side: int
) -> None:
    """A spot has the same place in raw and result, on coarser levels too; what was never measured is black in both."""
    monkeypatch.setattr(projections, "LONG_SIDE", long_side)
    voxel, name = published_run.VOXEL, next(iter(published_run.CHANNELS))
    scan = {"angle": 31.5, "step": voxel["z"] / np.sin(np.radians(31.5)), "axis": axis, "direction": direction}
    shape = (24, 132, 130)
    spot = 3000 * scan_points(shape, [[11, 60, 70]], {**scan, "pixel": voxel[axis]}, width=3.0)
    settings = {"scan": scan, "pixel": voxel[axis], "geometry": kind}
    run = published_run.make(tmp_path, shape, fill=lambda kind, _: spot + BACKGROUND * (kind == "raw"), scan=settings)
    raw = projections.project_volume(run.results, VolumeKey("raw", name, 0), BACKGROUND)
    result = projections.project_volume(run.results, VolumeKey("result", name, 0))
    assert raw.pixel == result.pixel
    for first, second in zip(raw[:3], result[:3], strict=True):
        assert first.shape == second.shape
        if long_side == 512:
            np.testing.assert_array_equal(np.isnan(first), np.isnan(second))
        centres = []
        for image in (first, second):
            bright = np.where(image > np.nanmax(image) / 4, image, 0)
            centres.append([(index * bright).sum() / bright.sum() for index in np.indices(image.shape)])
        np.testing.assert_allclose(*centres, atol=0.1 if long_side == 512 else 0.6)  # of a level's coarse planes
    corner = "xz" if axis == "x" else "yz"
    assert np.isnan(getattr(raw, corner)).mean() > 0.2
    picture = pictures.draw_volume(run.results, name, 0, BACKGROUND, 1)
    for kind in ("raw", "result"):
        assert decode(picture, corner, kind)[np.isnan(getattr(raw, corner))].mean() < 2
