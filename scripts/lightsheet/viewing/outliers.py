"""Follows each measure of a channel over time, and finds the volumes that are unlike the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.run import find_block
from lightsheet.store import Results
from lightsheet.viewing.finished_run import VolumeRecords, link_record
from lightsheet.viewing.measures import MEASURES, Measure, format_measure

SIGMAS = 5
"""An outlier is further from the usual value than this many robust standard deviations."""

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, of a normal distribution."""

NEIGHBOURS = 9
"""Where a measure drifts, the usual value at a timepoint is found from this many timepoints around it."""

FEWEST_VALUES = 5
"""With fewer values there are no outliers."""


class Trend(NamedTuple):
    """One measure of one channel over time."""

    curves: dict[str, list[float | None]]  # by label, the value at each timepoint
    outliers: dict[int, tuple[float, float]]  # by timepoint, the first curve's value and the usual one

    @property
    def values(self) -> list[float]:
        """All values of all curves."""
        return [value for curve in self.curves.values() for value in curve if value is not None]

    @property
    def ordinary(self) -> list[float]:
        """Those at timepoints that are no outliers."""
        return [v for c in self.curves.values() for t, v in enumerate(c) if v is not None and t not in self.outliers]


def follow_measure(measure: Measure, volumes: Sequence[VolumeRecords], voxels: int, pixel: float) -> Trend:
    """Follow a measure through a channel, whose volumes have that many voxels, of `pixel` micrometre along x."""

    def convert(value: float | None) -> float | None:
        if value is None or measure.unit not in ("%", "µm"):
            return value
        return value / voxels if measure.unit == "%" else value * pixel

    curves = {label: [convert(read(volume)) for volume in volumes] for label, read in measure.curves.items()}
    if measure.drifts:
        curves = {label: _divide_by_first(curve) for label, curve in curves.items()}
    first = next(iter(curves.values()))
    usual = find_usual(first, measure.drifts)
    return Trend(curves, find_outliers(first, usual, measure.relative_floor, measure.absolute_floor))


def _divide_by_first(curve: Sequence[float | None]) -> list[float | None]:
    """Divide by the first value that is known and not 0."""
    first = next((value for value in curve if value), None)
    return [None if value is None or first is None else value / first for value in curve]


def find_usual(curve: Sequence[float | None], drifts: bool) -> list[float | None]:
    """Return the usual value at each timepoint that has a value.

    That is the median of all; or if the curve drifts, where the Theil-Sen line through `NEIGHBOURS` around it passes.
    """
    timepoints = np.array([t for t, value in enumerate(curve) if value is not None])
    values = np.array([value for value in curve if value is not None])
    usual: list[float | None] = [None] * len(curve)
    median = float(np.median(values)) if len(values) else None
    for index, t in enumerate(timepoints):
        if drifts and len(timepoints) > 1:
            start = min(max(0, index - NEIGHBOURS // 2), max(0, len(timepoints) - NEIGHBOURS))
            neighbours = slice(start, start + NEIGHBOURS)
            usual[t] = _draw_line(timepoints[neighbours], values[neighbours], t)
        else:
            usual[t] = median
    return usual


def _draw_line(timepoints: np.ndarray, values: np.ndarray, t: int) -> float:
    """Return where the Theil-Sen line passes at `t`; SciPy has it too, and takes half a second to import."""
    first, second = np.triu_indices(len(timepoints), 1)
    slope = np.median((values[second] - values[first]) / (timepoints[second] - timepoints[first]))
    return float(np.median(values) + slope * (t - np.median(timepoints)))


def find_outliers(
    curve: Sequence[float | None], usual: Sequence[float | None], relative_floor: float, absolute_floor: float = 0.0
) -> dict[int, tuple[float, float]]:
    """Return by timepoint the value and the usual one, where they are too far apart, as `describe_outlier_rule` says.

    The floors keep rounding and small changes of a quiet curve from being outliers.
    """
    pairs = {t: (a, b) for t, (a, b) in enumerate(zip(curve, usual, strict=True)) if a is not None and b is not None}
    if len(pairs) < FEWEST_VALUES:
        return {}
    limit = SIGMAS * MAD_TO_SIGMA * float(np.median([abs(a - b) for a, b in pairs.values()]))
    return {
        t: (a, b) for t, (a, b) in pairs.items() if abs(a - b) > max(limit, absolute_floor, relative_floor * abs(b))
    }


def describe_outlier_rule() -> str:
    """Say which values are called outliers."""
    floors = []
    for measure in MEASURES:
        absolute = f" and {format_measure(measure.absolute_floor, measure.unit)}" if measure.absolute_floor else ""
        floors.append(f"{measure.title.lower()} {100 * measure.relative_floor:g} % of the median{absolute}")
    return (
        f"A volume is marked where a value lies more than {SIGMAS} robust standard deviations (1.4826 × the median "
        f"absolute deviation) from the median of its channel – for bleaching, from a line through the {NEIGHBOURS} "
        "timepoints around it – and also further than a floor, below which nothing is unusual: "
        f"{'; '.join(floors)}. Of resolution the raw curve is judged; fewer than {FEWEST_VALUES} values are not."
    ).replace(" %", "\N{NO-BREAK SPACE}%")


def choose_strongest(trends: Sequence[Trend], count: int) -> list[int]:
    """Choose the timepoints that are outliers in most measures, at most `count`, in order of time."""
    measures = Counter(t for trend in trends for t in trend.outliers)
    return sorted(sorted(measures, key=lambda t: (-measures[t], t))[:count])


def list_outliers(
    results: Results,
    trends: Mapping[str, Sequence[Trend]],
    timepoints_per_job: int | str | None,
    numbers: Sequence[int],
) -> list[dict[str, Any]]:
    """List the outliers in order of time; `trends` are those of each channel, one for each of `MEASURES`.

    `numbers` are those of the timepoints in the acquisition.
    """
    timepoints = sorted({t for channel in trends for trend in trends[channel] for t in trend.outliers})
    return [
        {
            "channel": channel,
            "timepoint": timepoint,
            "measures": [
                {
                    "title": measure.title,
                    "value": format_measure(trend.outliers[timepoint][0], measure.unit),
                    "usual": format_measure(trend.outliers[timepoint][1], measure.unit),
                }
                for measure, trend in zip(MEASURES, trends[channel], strict=True)
                if timepoint in trend.outliers
            ],
            "record": link_record(results, channel, numbers[timepoint]),
            "log": _link_log(results, timepoint, timepoints_per_job),
        }
        for timepoint in timepoints
        for channel in trends
        if any(timepoint in trend.outliers for trend in trends[channel])
    ]


def _link_log(results: Results, timepoint: int, timepoints_per_job: int | str | None) -> str | None:
    """Return where the log of the job that made a timepoint is, from the results folder, if it exists."""
    if not timepoints_per_job:
        return None
    block = find_block(timepoint, timepoints_per_job if isinstance(timepoints_per_job, int) else None)
    log = Path("logs") / f"deconvolve.{block}.log"
    return log.as_posix() if (results.folder / log).exists() else None
