"""Axes of the charts: what an axis shows, its ticks, and where a curve stands on it.

Everything is placed in a square of 100 x 100, y downwards, that a plain SVG stretches to any width. Labels are no part
of the SVG, or they would be stretched with it: the page puts them beside it, at these percentages.
"""

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

Point = tuple[float, float]

TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
"""Round numbers of seconds; days follow."""

TIME_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
MAX_X_STEPS, MAX_Y_STEPS = 6, 3

OUTLIER_REACH = 2
"""An outlier further outside of the other values than this times their range is drawn at the chart's edge."""


class Tick(NamedTuple):
    """A place on an axis, in percent, and what is written there."""

    place: float
    label: str


class Axis(NamedTuple):
    """A vertical axis, from `low` at the bottom to `high`."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return how far down a value stands, in percent; one beyond the axis stands at its end."""
        inside = min(max(value, self.low), self.high)
        return round(100 * (self.high - inside) / (self.high - self.low), 2)


def choose_axis(
    values: Sequence[float], outliers: Sequence[float] = (), from_zero: bool = False, reach: float = 0.0
) -> Axis:
    """Choose a vertical axis.

    Parameters
    ----------
    values : sequence of float, all of which the axis shows
    outliers : sequence of float, values beside them, shown only as far as they do not squeeze the others
    from_zero : bool, begin at 0; the values are positive
    reach : float, show at least 1 +- `reach` times the middle value, so that rounding does not look like an event
    """
    low, high = min(values), max(values)
    middle = (low + high) / 2
    low, high = min(low, middle - reach * abs(middle)), max(high, middle + reach * abs(middle))
    low = min(low, 0.0) if from_zero else low
    span = (high - low) or abs(high) or 1.0
    clipped = [min(max(value, low - OUTLIER_REACH * span), high + OUTLIER_REACH * span) for value in outliers]
    low, high = min([low, *clipped]), max([high, *clipped])
    margin = 0.08 * ((high - low) or span)
    return Axis(low if from_zero else low - margin, high + margin)


def choose_value_ticks(axis: Axis, factor: float = 1.0) -> list[Tick]:
    """Choose round values along a vertical axis; labels are the values times `factor`, such as 100 for percent."""
    step = _round_up((axis.high - axis.low) * factor / MAX_Y_STEPS)
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(axis.low * factor / step), math.floor(axis.high * factor / step)
    values = [n * step for n in range(first, last + 1)]
    return [Tick(axis.place(value / factor), f"{value:,.{digits}f}") for value in values]


def choose_time_ticks(timepoints: int, seconds: Sequence[float] | None) -> list[Tick]:
    """Choose round times, or timepoints where no time is known, along the horizontal axis."""
    end = seconds[-1] if seconds else timepoints - 1
    if not end:
        return [Tick(50.0, "timepoint 0")]
    if not seconds:
        step = max(1, round(_round_up(end / MAX_X_STEPS)))
        return [Tick(round(100 * t / end, 2), f"{'t ' if not t else ''}{t}") for t in range(0, timepoints, step)]
    steps = [*TIME_STEPS, *(86400 * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))]
    least = end / MAX_X_STEPS
    spacing = next((step for step in steps if step >= least), steps[-1]) if least > 1 else _round_up(least)
    unit, name = next(((u, n) for u, n in TIME_UNITS if spacing >= u and spacing % u == 0), (1, "s"))
    times = [spacing * n for n in range(math.floor(end / spacing) + 1)]
    return [Tick(round(100 * time / end, 2), f"{time / unit:g} {name}" if time else "0") for time in times]


def _round_up(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= 0.999 * least)


def place_timepoints(timepoints: int, seconds: Sequence[float] | None) -> list[float]:
    """Place timepoints from left to right, by their time where it is known, in percent."""
    times = seconds or list(range(timepoints))
    return [round(100 * time / times[-1], 2) for time in times] if times[-1] else [50.0] * timepoints


def place_bands(across: Sequence[float]) -> list[Point]:
    """Return left edge and width of what belongs to each timepoint: halfway to its neighbours."""
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(across)), 100.0]
    return [(round(a, 2), round(b - a, 2)) for a, b in pairwise(edges)]


def cut_segments(across: Sequence[float], curve: Sequence[float | None], axis: Axis) -> list[list[Point]]:
    """Place a curve, cut where values are None.

    Parameters
    ----------
    across : sequence of float, how far to the right each value stands, in percent
    curve : sequence of float or None, the values
    axis : Axis, the vertical axis

    Returns
    -------
    list of list of (float, float), the points (x, y) of each piece, in percent
    """
    points = [None if value is None else (x, axis.place(value)) for x, value in zip(across, curve, strict=True)]
    return [[p for p in run if p] for known, run in groupby(points, lambda point: point is not None) if known]
