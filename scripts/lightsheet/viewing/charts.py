"""Charts: where a curve, its axes and its tooltips stand in a plain SVG that any width stretches.

Everything is placed in a square of 100 x 100, y downwards. Labels are no part of the SVG, or they would be stretched
with it: the page puts them beside it, at these percentages.
"""

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

Curve = Sequence[float | None]
Point = tuple[float, float]

TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
"""Round numbers of seconds; days follow."""

TIME_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
X_TICKS, Y_TICKS = 6, 3
"""At most so many steps between ticks."""

BEYOND = 2
"""A value that lies further outside of the others than so many times their range is drawn at the edge."""


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
    ordinary: Sequence[float], odd: Sequence[float] = (), from_zero: bool = False, reach: float = 0.0
) -> Axis:
    """Choose a vertical axis.

    Parameters
    ----------
    ordinary, odd : sequence of float
        Values to be shown, and those that must not squeeze them.
    from_zero : bool
        Whether the axis begins at 0, the values being positive.
    reach : float
        The axis shows at least 1 +- this times the middle value, so that rounding does not look like an event.
    """
    low, high = min(ordinary), max(ordinary)
    middle = (low + high) / 2
    low, high = min(low, middle - reach * abs(middle)), max(high, middle + reach * abs(middle))
    low = min(low, 0.0) if from_zero else low
    span = (high - low) or abs(high) or 1.0
    low, high = (
        min([low, *(max(v, low - BEYOND * span) for v in odd)]),
        max([high, *(min(v, high + BEYOND * span) for v in odd)]),
    )
    margin = 0.08 * ((high - low) or span)
    return Axis(low if from_zero else low - margin, high + margin)


def place_timepoints(timepoints: int, seconds: Sequence[float] | None) -> list[float]:
    """Place timepoints from left to right, by their time where it is known, in percent."""
    at = seconds or list(range(timepoints))
    return [round(100 * value / at[-1], 2) for value in at] if at[-1] else [50.0] * timepoints


def cut_segments(across: Sequence[float], curve: Curve, scale: Axis) -> list[list[Point]]:
    """Cut a curve into the points of each unbroken piece: None breaks it."""
    points = [None if v is None else (x, scale.place(v)) for x, v in zip(across, curve, strict=True)]
    return [[p for p in run if p] for known, run in groupby(points, lambda point: point is not None) if known]


def place_bands(across: Sequence[float]) -> list[Point]:
    """Return left edge and width of what belongs to each timepoint: halfway to its neighbours."""
    middles = [(a + b) / 2 for a, b in pairwise(across)]
    edges = [0.0, *middles, 100.0]
    return [(round(a, 2), round(b - a, 2)) for a, b in pairwise(edges)]


def choose_value_ticks(scale: Axis, factor: float = 1.0) -> list[Tick]:
    """Choose round values along a vertical axis.

    Parameters
    ----------
    scale : Axis
        What it shows.
    factor : float
        Labels are the values times this, such as 100 for percent.
    """
    step = _round_step((scale.high - scale.low) * factor / Y_TICKS)
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(scale.low * factor / step), math.floor(scale.high * factor / step)
    values = [n * step for n in range(first, last + 1)]
    return [Tick(scale.place(value / factor), f"{value:,.{digits}f}") for value in values]


def _round_step(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= 0.999 * least)


def choose_time_ticks(timepoints: int, seconds: Sequence[float] | None) -> list[Tick]:
    """Choose round times, or timepoints where no time is known, along the horizontal axis."""
    end = seconds[-1] if seconds else timepoints - 1
    if not end:
        return [Tick(50.0, "timepoint 0")]
    if not seconds:
        step = max(1, round(_round_step(end / X_TICKS)))
        return [Tick(round(100 * t / end, 2), f"{'t ' if not t else ''}{t}") for t in range(0, timepoints, step)]
    whole = [*TIME_STEPS, *(86400 * days for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))]
    spacing = next((s for s in whole if s >= end / X_TICKS), whole[-1]) if end > X_TICKS else _round_step(end / X_TICKS)
    unit, name = next(((u, n) for u, n in TIME_UNITS if spacing >= u and spacing % u == 0), (1, "s"))
    marks = [spacing * n for n in range(math.floor(end / spacing) + 1)]
    return [Tick(round(100 * at / end, 2), f"{at / unit:g} {name}" if at else "0") for at in marks]
