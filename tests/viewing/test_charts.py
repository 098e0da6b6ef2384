"""Where the curves of the report stand, and what their columns tell."""

from collections.abc import Sequence
from typing import Any

import pytest

from lightsheet.viewing.charts import MAX_COLUMNS, draw_charts
from lightsheet.viewing.measures import MEASURES
from lightsheet.viewing.outliers import Trend

RESIDUAL = [measure.title for measure in MEASURES].index("Residual")


def draw(
    values: list[float | None], seconds: Sequence[float] | None = None, outliers: dict[int, float] | None = None
) -> Any:
    """Draw the residual of one channel; all other measures are 0."""
    empty = Trend({"": [0.0] * len(values)}, {})
    usual = 1.0
    trend = Trend({"": values}, {t: (value, usual) for t, value in (outliers or {}).items()})
    trends = [trend if n == RESIDUAL else empty for n in range(len(MEASURES))]
    (lane,) = draw_charts({"red": trends}, seconds)[RESIDUAL]["lanes"]
    return lane


def test_timepoints_stand_where_their_time_is() -> None:
    lane = draw([1.0] * 4, [0, 43.7, 87.5, 531.2])
    assert [x for x, _ in lane["curves"][0][0]] == [0, 8.23, 16.47, 100]
    assert [x for x, _ in draw([1.0] * 5)["curves"][0][0]] == [0, 25, 50, 75, 100]
    assert [x for x, _ in draw([1.0] * 2, [0.0, 0.0])["curves"][0][0]] == [0, 0]


def test_the_columns_of_all_timepoints_cover_the_width() -> None:
    columns = draw([1.0] * 3, [0, 1, 10])["columns"]
    assert [(left, width) for left, width, *_ in columns] == [(0, 5), (5, 50), (55, 45)]
    assert [title for *_, title, _ in columns][1] == "timepoint 1, 1 s\n1"


def test_many_timepoints_share_columns_that_hide_no_peak_and_no_gap() -> None:
    count = 20_000
    values: list[float | None] = [1.0 + (t % 2) / 10 for t in range(count)]
    values[4321] = 9.0
    values[15_000] = 0.25
    values[7000] = None
    lane = draw(values, [2.0 * t for t in range(count)], {4321: 9.0})
    columns, (curve,) = lane["columns"], lane["curves"]
    assert len(columns) <= MAX_COLUMNS
    assert sum(width for _, width, *_ in columns) == pytest.approx(100)
    assert sum(map(len, curve)) <= 3 * MAX_COLUMNS
    assert [len(lane["marks"]), len(curve)] == [1, 2], "an outlier, and a gap"
    heights = {round(x, 1): y for run in curve for x, y in run}
    assert min(heights, key=heights.__getitem__) == 21.6, "the peak"
    assert max(heights, key=heights.__getitem__) == 75, "the least"
    assert [outlier for *_, outlier in columns if outlier is not None] == [4321]
    (title,) = [title for *_, title, outlier in columns if outlier]
    first = 4321 // 34 * 34
    assert title == (
        f"timepoint {first}–{first + 33}, 2.4 h to 2.4 h\n1 to 9\n"
        "outlier at timepoint 4321: usually 1; click for its record"
    )
    assert "\n0.25 to 1.1" in columns[15_000 // 34][2]


def test_what_is_zero_or_unknown_has_no_lanes() -> None:
    trends = [Trend({"": [None if n else 0.0]}, {}) for n in range(len(MEASURES))]
    charts = draw_charts({"red": trends}, None)
    assert [chart["lanes"] for chart in charts] == [[] for _ in MEASURES]
    assert [chart["known"] for chart in charts] == [n == 0 for n in range(len(MEASURES))]
