"""Axes of the charts, placed in a square of 100 x 100, y downwards, that a plain SVG stretches to any width.

Labels are no part of the SVG, or they would be stretched with it: the page puts them beside it, at these percentages.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

Point = tuple[float, float]
Tick = tuple[float, str]  # a place on an axis, in percent, and what is written there
Curve = Sequence[float | None]
Seconds = Sequence[float] | None

CLOCK = ((1, "s", (1, 2, 5, 10, 15, 30)), (60, "min", (1, 2, 5, 10, 15, 30)), (3600, "h", (1, 2, 3, 6, 12)))
"""Units of time in seconds, and round numbers of each; days follow."""

MAX_X_STEPS, MAX_Y_STEPS = 6, 3
REACH, OUTLIER_REACH = 0.02, 2
"""An axis shows at least 1 +- `REACH` times its middle, and outliers as far away as this times the others' range."""


class Axis(NamedTuple):
    """A vertical axis, from `low` at the bottom to `high`."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return how far down a value stands, in percent; one beyond the axis stands at its end."""
        inside = min(max(value, self.low), self.high)
        return round(100 * (self.high - inside) / (self.high - self.low), 2)


def choose_axis(values: Sequence[float], outliers: Sequence[float] = (), from_zero: bool = False) -> Axis:
    """Choose a vertical axis that shows `values`, and `outliers` as far as they do not squeeze the others.

    It begins at 0 if `from_zero`, for positive values. Rounding does not fill it, nor look like an event.
    """
    middle = (min(values) + max(values)) / 2
    extremes = [*values, middle * (1 - REACH), middle * (1 + REACH), 0.0 if from_zero else middle]
    low, high = min(extremes), max(extremes)
    span = (high - low) or abs(high) or 1.0
    near_outliers = [min(max(value, low - OUTLIER_REACH * span), high + OUTLIER_REACH * span) for value in outliers]
    low, high = min([low, *near_outliers]), max([high, *near_outliers])
    margin = 0.08 * ((high - low) or span)
    return Axis(low if from_zero else low - margin, high + margin)


def choose_value_ticks(axis: Axis, factor: float = 1.0) -> list[Tick]:
    """Choose round values along a vertical axis; labels are the values times `factor`, such as 100 for percent."""
    low, high = axis.low * factor, axis.high * factor
    step = _round_up((high - low) / MAX_Y_STEPS)
    digits = max(0, -math.floor(math.log10(step)))
    values = [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [(axis.place(value / factor), f"{value:,.{digits}f}") for value in values]


def choose_time_ticks(timepoints: int, seconds: Seconds) -> list[Tick]:
    """Choose round times, or timepoints where no time is known, along the horizontal axis."""
    end = (seconds[-1] if seconds else timepoints - 1) or 1
    step_size = end / MAX_X_STEPS
    clock = ((n, unit, f" {name}") for unit, name, numbers in CLOCK for n in numbers if n * unit >= step_size > 1)
    longer = (_round_up(step_size / 86400), 86400, " d") if step_size > 1 else (_round_up(step_size), 1, " s")
    step, unit, name = next(clock, longer) if seconds else (max(1, _round_up(step_size)), 1, "")
    values = [n * step for n in range(math.floor(end / unit / step) + 1)]
    return [(round(100 * v * unit / end, 2), f"{v:g}{name}" if v else "0" if seconds else "t 0") for v in values]


def _round_up(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= 0.999 * value)


def cut_segments(positions: Sequence[float], curve: Curve, axis: Axis) -> list[list[Point]]:
    """Return the points (x, y) in percent, of each piece of a curve, which is cut where values are None."""
    points = [None if value is None else (x, axis.place(value)) for x, value in zip(positions, curve, strict=True)]
    return [[p for p in run if p] for is_known, run in groupby(points, lambda point: point is not None) if is_known]
