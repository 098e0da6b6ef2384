"""Trends: each measure of a channel over time, and which volumes are unlike the others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from lightsheet.viewing.measures import MEASURES, Measure, Scale, format_measure
from lightsheet.viewing.run_table import VolumeRecords

SIGMAS = 5
"""An outlier is further from what is usual than so many robust standard deviations."""

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, of a normal distribution."""

NEIGHBOURS = 9
"""Where a measure drifts, what is usual at a timepoint is found from so many around it."""

FEWEST = 5
"""Of fewer values none is said to be unusual."""


class Trend(NamedTuple):
    """One measure of one channel over time.

    Parameters
    ----------
    curves : dict
        By label the value at each timepoint, None where there is none.
    outliers : dict
        By timepoint the value of the first curve, and what would have been usual, where these are unlike.
    """

    curves: dict[str, list[float | None]]
    outliers: dict[int, tuple[float, float]]

    @property
    def values(self) -> list[float]:
        """All that there are."""
        return [value for curve in self.curves.values() for value in curve if value is not None]

    @property
    def ordinary(self) -> list[float]:
        """Those at timepoints that are no outliers."""
        return [v for c in self.curves.values() for t, v in enumerate(c) if v is not None and t not in self.outliers]


def follow_measure(measure: Measure, volumes: Sequence[VolumeRecords], scale: Scale) -> Trend:
    """Follow a measure through a channel.

    Parameters
    ----------
    measure : Measure
        One of `MEASURES`.
    volumes : sequence of Volume
        Of the channel, one a timepoint.
    scale : Scale
        Of its volumes.
    """
    curves = {label: [find(volume, scale) for volume in volumes] for label, find in measure.curves.items()}
    if measure.drifts:
        curves = {label: _relative(curve) for label, curve in curves.items()}
    first = next(iter(curves.values()))
    return Trend(curves, find_outliers(first, find_usual(first, measure.drifts), measure.floor, measure.least))


def _relative(curve: Sequence[float | None]) -> list[float | None]:
    """Divide by the first value that is there and not 0."""
    first = next((value for value in curve if value), None)
    return [None if value is None or first is None else value / first for value in curve]


def find_usual(curve: Sequence[float | None], drifts: bool) -> list[float | None]:
    """Return what to expect at each timepoint that has a value.

    That is the median of all; or if the curve drifts, where the Theil-Sen line through `NEIGHBOURS` around it passes.
    """
    there = np.array([t for t, value in enumerate(curve) if value is not None])
    values = np.array([value for value in curve if value is not None])
    expected: list[float | None] = [None] * len(curve)
    for place, t in enumerate(there):
        if drifts and len(there) > 1:
            start = min(max(0, place - NEIGHBOURS // 2), max(0, len(there) - NEIGHBOURS))
            near = slice(start, start + NEIGHBOURS)
            slope, intercept, *_ = stats.theilslopes(values[near], there[near])
            expected[t] = float(intercept + slope * t)
        else:
            expected[t] = float(np.median(values))
    return expected


def find_outliers(
    curve: Sequence[float | None], expected: Sequence[float | None], floor: float, least: float = 0.0
) -> dict[int, tuple[float, float]]:
    """Find the values that are unlike the others.

    Parameters
    ----------
    curve, expected : sequence of float or None
        The value at each timepoint, and what is usual there.
    floor, least : float
        A value that is nearer than this share of what is usual, or nearer than this, is no outlier: rounding and small
        changes of a quiet curve are not.

    Returns
    -------
    dict
        By timepoint both, where they are further apart than these and than `SIGMAS` robust standard deviations (1.4826
        times the median of all distances).
    """
    pairs = {t: (a, b) for t, (a, b) in enumerate(zip(curve, expected, strict=True)) if a is not None and b is not None}
    if len(pairs) < FEWEST:
        return {}
    spread = SIGMAS * MAD_TO_SIGMA * float(np.median([abs(a - b) for a, b in pairs.values()]))
    return {t: (a, b) for t, (a, b) in pairs.items() if abs(a - b) > max(spread, least, floor * abs(b))}


def choose_strongest(trends: Sequence[Trend], count: int) -> list[int]:
    """Choose the timepoints that are outliers in most measures, at most `count`, in order of time."""
    found: dict[int, int] = {}
    for t in (t for one in trends for t in one.outliers):
        found[t] = found.get(t, 0) + 1
    return sorted(sorted(found, key=lambda t: (-found[t], t))[:count])


def describe_outlier_rule() -> str:
    """Say which values are called outliers."""
    return (
        f"A volume is marked where a value lies more than {SIGMAS} robust standard deviations (1.4826 × the median "
        f"absolute deviation) from the median of its channel – for bleaching, from a line through the {NEIGHBOURS} "
        "timepoints around it – and also further than a floor, below which nothing is unusual: "
        + "; ".join(_floor(measure) for measure in MEASURES)
        + f". Of resolution the raw curve is judged; fewer than {FEWEST} values are not."
    ).replace(" %", "\N{NO-BREAK SPACE}%")


def _floor(measure: Measure) -> str:
    parts = [f"{100 * measure.floor:g} % of the median"] if measure.floor else []
    parts += [format_measure(measure.least, measure.unit)] if measure.least else []
    return f"{measure.title.lower()} {' and '.join(parts)}"
