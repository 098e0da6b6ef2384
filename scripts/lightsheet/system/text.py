"""Durations, sizes and lists as a person says them."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any


def format_duration(seconds: float) -> str:
    """Format seconds as `40 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def format_size(count: float) -> str:
    """Format bytes as `316.1 MB` or `188.7 GB`, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def write_number(count: int, noun: str) -> str:
    """Write a number of things, such as `1 volume` or `3 volumes`.

    Parameters
    ----------
    count : int
    noun : str, of one of them, to which an s is added

    Returns
    -------
    str
    """
    return f"{count} {noun}{'s' * (count != 1)}"


def join_first(items: Sequence[Any], count: int) -> str:
    """Join the first `count` items and say how many are left out: `a, b and 7 more`."""
    rest = len(items) - count
    return ", ".join(map(str, items[:count])) + (f" and {rest} more" if rest > 0 else "")


def write_ranges(numbers: Sequence[int], dash: str = "\N{EN DASH}") -> str:
    """Write whole numbers in order as `3, 7–12`."""
    runs = [[n for _, n in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}{dash}{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
