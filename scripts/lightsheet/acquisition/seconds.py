"""The seconds of each timepoint, from the clocks that file names carry."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from lightsheet.acquisition.time_axis import CLOCKS, Volumes

_IRREGULAR = 0.05  # of the median interval


def find_seconds(
    volumes: Volumes, numbers: Sequence[int]
) -> tuple[tuple[float | None, ...] | None, dict[tuple[int, str], float], list[str]]:
    """Find the seconds of each timepoint and of each volume, by the clock that knows the most of them.

    Parameters
    ----------
    volumes : dict
        The files by number on the time axis and channel, then by site.
    numbers : sequence of int
        The numbers on the time axis, increasing.

    Returns
    -------
    seconds : tuple of float or None, or None
        From the first timepoint whose time is known to each; None for one of which no file has a time, and at all
        where no clock is in the names of two timepoints and increases from each to the next.
    since_start : dict
        The same for each volume whose names carry that clock, by number and channel.
    remarks : list of str
        Sentences on missing, useless and irregular times for the person who runs it.
    """
    files = [file for sites in volumes.values() for file in sites.values()]
    if not any(clock in file.numbers for clock in CLOCKS for file in files):
        return None, {}, []
    # The relative clock stands at 0 where every timepoint was started as an acquisition of its own.
    clock = max(CLOCKS, key=lambda clock: len(_earliest(_starts(volumes, clock))))
    starts = _starts(volumes, clock)
    earliest = _earliest(starts)
    if len(earliest) < min(2, len({number for number, _ in volumes})):
        return None, {}, ["The times in the names are incomplete or do not increase: no seconds are known."]
    zero = min(earliest.values())
    seconds = tuple((earliest[number] - zero) / 1000 if number in earliest else None for number in numbers)
    since_start = {volume: (start - zero) / 1000 for volume, start in starts.items()}
    untimed = sum(clock not in file.numbers for file in files)
    return seconds, since_start, remark_on_times(seconds, untimed, len(files))


def _starts(volumes: Volumes, clock: str) -> dict[tuple[int, str], int]:
    """Read a clock's earliest time in each volume whose names carry it."""
    return {
        volume: min(times)
        for volume, sites in volumes.items()
        if (times := [file.numbers[clock] for file in sites.values() if clock in file.numbers])
    }


def _earliest(starts: dict[tuple[int, str], int]) -> dict[int, int]:
    """Find the earliest time of each timepoint; of none, if one is not after that of the timepoint before."""
    earliest: dict[int, int] = {}
    for (number, _), start in sorted(starts.items()):
        earliest[number] = min(start, earliest.get(number, start))
    return earliest if all(before < after for before, after in pairwise(earliest.values())) else {}


def measure_steps(seconds: Sequence[float | None]) -> list[tuple[int, float]]:
    """Measure the steps of the time axis, where times are known.

    Parameters
    ----------
    seconds : sequence of float or None
        Of each timepoint.

    Returns
    -------
    list of (int, float)
        A timepoint, and the seconds to the next: to the next whose time is known, divided by how many steps away
        that is.
    """
    known = [(timepoint, time) for timepoint, time in enumerate(seconds) if time is not None]
    return [(t, (later - time) / (next_t - t)) for (t, time), (next_t, later) in pairwise(known)]


def find_interval(seconds: Sequence[float | None]) -> float | None:
    """Return the median of the `steps`; None where no two times are known."""
    measured = [step for _, step in measure_steps(seconds)]
    return median(measured) if measured else None


def is_irregular(seconds: Sequence[float | None]) -> bool:
    """Tell whether a step differs so much from the median that this misleads."""
    usual = find_interval(seconds) or 0.0
    return any(abs(step - usual) > _IRREGULAR * usual for _, step in measure_steps(seconds))


def remark_on_times(seconds: Sequence[float | None], untimed: int, count: int) -> list[str]:
    """Say in sentences what is missing or irregular about times."""
    remarks = []
    if untimed:
        remarks.append(f"{untimed} of {count} file names carry no time.")
    if is_irregular(seconds):
        usual = find_interval(seconds) or 0.0
        timepoint, step = max(measure_steps(seconds), key=lambda measured: abs(measured[1] - usual))
        remarks.append(
            f"Time is irregular: {step:.3f} s from timepoint {timepoint} to {timepoint + 1}, "
            f"where the median is {usual:.3f} s."
        )
    return remarks
