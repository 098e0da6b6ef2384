"""Charts of the report: each measure over time, a lane for each channel, with tooltips and outliers marked."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.store import Results
from lightsheet.viewing.axes import (
    choose_axis,
    choose_time_ticks,
    choose_value_ticks,
    cut_segments,
    place_bands,
    place_timepoints,
)
from lightsheet.viewing.finished_run import TimeAxis, link_record
from lightsheet.viewing.measures import MEASURES, Measure, format_measure, format_moment
from lightsheet.viewing.outliers import Trend

REACH = 0.02
"""An axis that does not begin at 0 shows at least 1 +- this times the value in its middle."""

MAX_DOTS = 60
"""With more timepoints only those without a neighbour are drawn as a dot."""

NO_VALUES = "It could not be measured in these volumes, or the version that made them did not record it."


def draw_charts(
    results: Results, trends: Mapping[str, Sequence[Trend]], time: TimeAxis, numbers: Sequence[int]
) -> list[dict[str, Any]]:
    """Place what the page draws for each measure; `trends` are those of each channel, one for each of `MEASURES`.

    `numbers` are those of the timepoints in the acquisition.

    Instead of `lanes` there is a `remark` where the records hold nothing, or only zeros.
    """
    charts = []
    for number, measure in enumerate(MEASURES):
        by_channel = {channel: trends[channel][number] for channel in trends}
        values = [value for trend in by_channel.values() for value in trend.values]
        charts.append(
            {
                "title": measure.title,
                "description": measure.description,
                "labels": list(measure.curves),
                "lanes": [_draw_lane(results, c, measure, by_channel[c], time, numbers) for c in trends if any(values)],
                "remark": "0 in every volume." if values else NO_VALUES,
            }
        )
    return charts


def _draw_lane(
    results: Results, channel: str, measure: Measure, trend: Trend, time: TimeAxis, numbers: Sequence[int]
) -> dict[str, Any]:
    """Place one channel's curves."""
    timepoints = len(next(iter(trend.curves.values())))
    across = place_timepoints(timepoints, time.seconds)
    outliers = [value for value, _ in trend.outliers.values()]
    axis = choose_axis(trend.ordinary or outliers or [0.0], outliers, measure.from_zero, REACH)
    curves = [cut_segments(across, curve, axis) for curve in trend.curves.values()]
    return {
        "channel": channel,
        "curves": curves,
        "dots": [[p for run in curve if timepoints <= MAX_DOTS or len(run) == 1 for p in run] for curve in curves],
        "marks": [(across[t], axis.place(value)) for t, (value, _) in trend.outliers.items()],
        "columns": [
            {
                "x": left,
                "width": width,
                "title": _write_tooltip(channel, t, measure, trend, time),
                "href": link_record(results, channel, numbers[t]) if t in trend.outliers else None,
            }
            for t, (left, width) in enumerate(place_bands(across))
        ],
        "ticks": choose_value_ticks(axis, 100 if measure.unit == "%" else 1),
        "unit": measure.unit,
        "times": choose_time_ticks(timepoints, time.seconds),
    }


def _write_tooltip(channel: str, timepoint: int, measure: Measure, trend: Trend, time: TimeAxis) -> str:
    moment = f", {format_moment(time.seconds[timepoint])}" if time.seconds else ""
    values = {label: curve[timepoint] for label, curve in trend.curves.items()}
    texts = [f"{label} {format_measure(v, measure.unit)}".strip() for label, v in values.items() if v is not None]
    text = f"{channel}\ntimepoint {timepoint}{moment}\n{', '.join(texts) or 'no value'}"
    if timepoint in trend.outliers:
        _, usual = trend.outliers[timepoint]
        text += f"\noutlier: usually {format_measure(usual, measure.unit)}; click for its record"
    return text
