"""Charts of the report: each measure over time, a lane for each channel, with tooltips and outliers marked."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from lightsheet.viewing.axes import Axis, Curve, Point, Seconds, choose_axis, choose_value_ticks, cut_segments
from lightsheet.viewing.measures import MEASURES, Measure, format_measure, format_moment
from lightsheet.viewing.outliers import Trend

MAX_COLUMNS = 600
"""More timepoints share columns."""


def draw_charts(trends: Mapping[str, Sequence[Trend]], seconds: Seconds) -> list[dict[str, Any]]:
    """Place what the page draws of each of `MEASURES`; there are no lanes where values are unknown, or all 0."""
    charts = []
    for measure, *of_measure in zip(MEASURES, *trends.values(), strict=True):
        values = [value for trend in of_measure for value in trend.values]
        lanes = [_draw_lane(*pair, measure, seconds) for pair in zip(trends, of_measure, strict=True) if any(values)]
        charts.append({"measure": measure, "lanes": lanes, "known": bool(values)})
    return charts


def _draw_lane(channel: str, trend: Trend, measure: Measure, seconds: Seconds) -> dict[str, Any]:
    """Place one channel's curves, and the columns, a timepoint or several, that tell their values when pointed at."""
    timepoints = range(len(next(iter(trend.curves.values()))))
    times, width = seconds or timepoints, -(-len(timepoints) // MAX_COLUMNS)
    positions = [round(100 * time / (times[-1] or 1), 2) for time in times]
    columns = [timepoints[start : start + width] for start in timepoints[::width]]
    edges = [0.0, *((positions[a[-1]] + positions[b[0]]) / 2 for a, b in pairwise(columns)), 100.0]
    outliers = [value for value, _ in trend.outliers.values()]
    axis = choose_axis(trend.ordinary or outliers or [0.0], outliers, measure.from_zero)
    return {
        "channel": channel,
        "curves": [_draw_curve(curve, columns, positions, axis) for curve in trend.curves.values()],
        "marks": [(positions[t], axis.place(value)) for t, (value, _) in trend.outliers.items()],
        "ticks": choose_value_ticks(axis, 100 if measure.unit == "%" else 1),
        "columns": [
            (left, right - left, *_describe_column(column, measure, trend, seconds))
            for column, (left, right) in zip(columns, pairwise(edges), strict=True)
        ],
    }


def _draw_curve(curve: Curve, columns: Sequence[range], positions: Sequence[float], axis: Axis) -> list[list[Point]]:
    """Place a curve: of each column the least value, the greatest, and the first gap."""
    timepoints: list[int] = []
    for column in columns:
        gaps = [t for t in column if curve[t] is None]
        values = sorted({*column}.difference(gaps), key=lambda t: curve[t] or 0.0)
        timepoints += sorted({*gaps[:1], *values[:1], *values[-1:]})
    return cut_segments([positions[t] for t in timepoints], [curve[t] for t in timepoints], axis)


def _describe_column(column: range, measure: Measure, trend: Trend, seconds: Seconds) -> tuple[str, int | None]:
    """Write when a column is and its values, from the least to the greatest, and tell its first outlier, if any."""
    ends = sorted({column[0], column[-1]})
    moments = f", {' to '.join(format_moment(seconds[t]) for t in ends)}" if seconds else ""
    texts = []
    for label, curve in trend.curves.items():
        if values := [value for t in column if (value := curve[t]) is not None]:
            limits = dict.fromkeys(format_measure(value, measure.unit) for value in (min(values), max(values)))
            texts.append(f"{label} {' to '.join(limits)}".strip())
    text = f"timepoint {'–'.join(map(str, ends))}{moments}\n{', '.join(texts) or 'no value'}"
    outlier = next((t for t in column if t in trend.outliers), None)
    if outlier is not None:
        usual = format_measure(trend.outliers[outlier][1], measure.unit)
        text += f"\noutlier at timepoint {outlier}: usually {usual}; click for its record"
    return text, outlier
