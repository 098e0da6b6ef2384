"""Panels: each measure of a run over time, a lane for each channel, with tooltips and outliers marked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightsheet.store import Results
from lightsheet.viewing.charts import (
    choose_axis,
    choose_time_ticks,
    choose_value_ticks,
    cut_segments,
    place_bands,
    place_timepoints,
)
from lightsheet.viewing.measures import MEASURES, Measure, Scale, format_measure, format_moment
from lightsheet.viewing.run_table import TimeAxis, VolumeRecords
from lightsheet.viewing.trends import Trend, follow_measure

REACH = 0.02
"""An axis that does not begin at 0 shows at least 1 +- this times the value in its middle."""

DOTS = 60
"""Of at most so many timepoints each is drawn as a dot."""

NOTHING = "It could not be measured in these volumes, or the version that made them did not record it."

Trends = Mapping[str, Sequence[Trend]]
"""Per channel the trend of each of `MEASURES`."""


def follow_measures(volumes: Mapping[str, Sequence[VolumeRecords]], scale: Scale) -> dict[str, list[Trend]]:
    """Follow every measure through every channel: `Trends`."""
    return {c: [follow_measure(measure, own, scale) for measure in MEASURES] for c, own in volumes.items()}


def place_curves(results: Results, every: Trends, time: TimeAxis) -> list[dict[str, Any]]:
    """Place what the page draws.

    Parameters
    ----------
    results : Results
        The run.
    every : mapping
        What `follow` returned.
    time : Time
        The time axis.

    Returns
    -------
    list of dict
        Per measure `title`, `what`, `labels` of its curves, and `lanes`; instead of the lanes a `remark`, where the
        records hold nothing or only zeros.
    """
    return [
        _panel(results, measure, {channel: own[place] for channel, own in every.items()}, time)
        for place, measure in enumerate(MEASURES)
    ]


def _panel(results: Results, measure: Measure, own: Mapping[str, Trend], time: TimeAxis) -> dict[str, Any]:
    values = [value for one in own.values() for value in one.values]
    remark = "0 in every volume." if values else NOTHING
    lanes = [_lane(results, channel, measure, one, time) for channel, one in own.items()] if any(values) else []
    return {
        "title": measure.title,
        "what": measure.what,
        "labels": list(measure.curves),
        "lanes": lanes,
        "remark": "" if lanes else remark,
    }


def _lane(results: Results, channel: str, measure: Measure, one: Trend, time: TimeAxis) -> dict[str, Any]:
    """Place one channel's curves."""
    timepoints = len(next(iter(one.curves.values())))
    across = place_timepoints(timepoints, time.seconds)
    odd = [value for value, _ in one.outliers.values()]
    scale = choose_axis(one.ordinary or odd or [0.0], odd, measure.from_zero, REACH)
    curves = [cut_segments(across, curve, scale) for curve in one.curves.values()]
    return {
        "channel": channel,
        "curves": curves,
        "dots": [[p for run in curve if timepoints <= DOTS or len(run) == 1 for p in run] for curve in curves],
        "marks": [(across[t], scale.place(value)) for t, (value, _) in one.outliers.items()],
        "columns": [
            {
                "x": left,
                "width": width,
                "title": _tooltip(channel, t, measure, one, time),
                "href": link_record(results, channel, t) if t in one.outliers else None,
            }
            for t, (left, width) in enumerate(place_bands(across))
        ],
        "ticks": choose_value_ticks(scale, 100 if measure.unit == "%" else 1),
        "unit": measure.unit,
        "times": choose_time_ticks(timepoints, time.seconds),
    }


def _tooltip(channel: str, timepoint: int, measure: Measure, one: Trend, time: TimeAxis) -> str:
    """Say what a curve shows at a timepoint."""
    when = f", {format_moment(time.seconds[timepoint])}" if time.seconds else ""
    found = {label: curve[timepoint] for label, curve in one.curves.items()}
    said = ", ".join(
        f"{label} {format_measure(v, measure.unit)}".strip() for label, v in found.items() if v is not None
    )
    text = f"{channel}\ntimepoint {timepoint}{when}\n{said or 'no value'}"
    if timepoint in one.outliers:
        text += f"\noutlier: usually {format_measure(one.outliers[timepoint][1], measure.unit)}; click for its record"
    return text


def list_outliers(results: Results, every: Trends, timepoints_per_job: int | None) -> list[dict[str, Any]]:
    """List the volumes that are marked.

    Parameters
    ----------
    results : Results
        The run.
    every : mapping
        What `follow` returned.
    timepoints_per_job : int or None
        What decides which log speaks of a timepoint, if known.

    Returns
    -------
    list of dict
        Per volume `channel`, `timepoint`, what was `found`, a link to its `record`, and one to its `log`, None if that
        is not there.
    """
    listed = []
    for channel, own in every.items():
        for timepoint in {t for one in own for t in one.outliers}:
            listed.append(
                {
                    "channel": channel,
                    "timepoint": timepoint,
                    "found": _unusual(own, timepoint),
                    "record": link_record(results, channel, timepoint),
                    "log": _log_link(results, timepoint, timepoints_per_job),
                }
            )
    return sorted(listed, key=lambda row: (row["timepoint"], list(every).index(row["channel"])))


def _unusual(own: Sequence[Trend], timepoint: int) -> list[dict[str, str]]:
    """Say what is unusual of a volume."""
    marked = [(m, one.outliers[timepoint]) for m, one in zip(MEASURES, own, strict=True) if timepoint in one.outliers]
    return [
        {"measure": m.title, "value": format_measure(value, m.unit), "usual": format_measure(expected, m.unit)}
        for m, (value, expected) in marked
    ]


def link_record(results: Results, channel: str, timepoint: int) -> str:
    """Return where the record of a deconvolved volume is, as seen from the results folder; not yet quoted."""
    return results.record("result", channel, timepoint).relative_to(results.folder).as_posix()


def _log_link(results: Results, timepoint: int, timepoints_per_job: int | None) -> str | None:
    if not timepoints_per_job:
        return None
    start = timepoint - timepoint % timepoints_per_job
    place = Path("logs") / f"deconvolve.t{start:04d}.log"
    return place.as_posix() if (results.folder / place).exists() else None
