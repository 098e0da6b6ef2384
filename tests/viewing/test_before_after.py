import base64
import io
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from lightsheet.viewing import before_after, pictures
from tests.support.stored_run import BACKGROUND, DARK, ODD, PEAKS, make


def decode(picture: dict[str, Any], plane: str, kind: str) -> np.ndarray:
    """A picture as matplotlib (Pillow) reads it."""
    data = base64.b64decode(picture["planes"][plane][kind], validate=True)
    return matplotlib.image.imread(io.BytesIO(data), format="jpg")


def shown(picture: dict[str, Any], counts: float) -> float:
    """The grey level at which a page shows so many counts above background."""
    share = (counts - picture["low"]) / (picture["high"] - picture["low"])
    return 255 * min(max(share, 0), 1) ** before_after.GAMMA


@pytest.mark.parametrize("scale", [None, 4])
def test_both_are_shown_in_the_same_contrast(
    tmp_path: Path, scale: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(before_after, "WINDOW", (0, 100))
    results = make(tmp_path, timepoints=1, scale=scale)
    picture = before_after.draw_volume(results, ODD, 0, BACKGROUND, scale or 1)
    assert (picture["low"], picture["high"]) == (0, PEAKS["result"])
    for kind, dark, peak in (("raw", DARK - BACKGROUND, PEAKS["raw"] - BACKGROUND), ("result", 0, PEAKS["result"])):
        seen = decode(picture, "xy", kind)
        assert np.median(seen) == pytest.approx(shown(picture, dark), abs=1)
        assert seen[30, 10] == pytest.approx(shown(picture, peak), abs=12)  # JPEG, of one bright pixel


def test_three_planes_to_scale_with_a_true_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_after, "WINDOW", (0, 100))
    picture = before_after.draw_volume(make(tmp_path, timepoints=1), ODD, 0, BACKGROUND, 1)
    # 8 planes of 0.3 um over pixels of 0.1 um are 24; the bright voxel keeps its relative place.
    assert picture["size"] == (24, 40, 30)
    for plane, shape, place in (("xy", (40, 30), (30, 10)), ("xz", (24, 30), (7, 10)), ("yz", (40, 24), (30, 7))):
        for kind in ("raw", "result"):
            seen = decode(picture, plane, kind)
            assert seen.shape == shape
            assert np.unravel_index(seen.argmax(), shape) == place
    assert picture["bar"] == "1 µm"
    assert picture["bar_percent"] == pytest.approx(100 / 3)


def test_the_window_is_that_of_all_planes_of_both() -> None:
    planes = [np.full((4, 4), value, np.float32) for value in (1, 2, 3, 5, 7, 9)]
    every = [pictures.Projections(*planes[:3], 1.0), pictures.Projections(*planes[3:], 1.0)]
    low, high = before_after.choose_window(every)
    assert (low, high) == (1, 9)
    assert before_after.choose_window([pictures.Projections(*planes[:1] * 3, 1.0)]) == (1, 2)


def test_first_last_some_between_and_the_marked_are_chosen() -> None:
    assert before_after.choose_timepoints(range(200), [77, 140]) == [0, 50, 77, 100, 140, 149, 199]
    assert before_after.choose_timepoints([3, 4], []) == [3, 4]
    assert before_after.choose_timepoints([], []) == []
