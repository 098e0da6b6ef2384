"""The seconds at which timepoints and volumes were recorded, from the clocks in file names; and their steps."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from lightsheet.acquisition.time_axis import CLOCKS, VolumeFiles


class Times(NamedTuple):
    """Seconds since the first timepoint whose time is known, None where unknown or where no clock is of use.

    `volumes` has those whose names carry the clock, by number on the time axis and channel.
    """

    timepoints: tuple[float | None, ...] | None
    volumes: dict[tuple[int, str], float]
    remarks: list[str]


def find_times(volumes: VolumeFiles, numbers: Sequence[int]) -> Times:
    """Find when timepoints, `numbers` on the time axis, and volumes begin, by the clock that knows the most of them."""
    files = [file for sites in volumes.values() for file in sites.values()]
    if not any(clock in file.numbers for clock in CLOCKS for file in files):
        return Times(None, {}, [])
    # The relative clock stands at 0 where every timepoint was started as an acquisition of its own.
    clocks = {clock: _find_starts(volumes, clock) for clock in CLOCKS}
    clock, starts = max(clocks.items(), key=lambda item: len(_find_earliest(item[1])))
    earliest = _find_earliest(starts)
    if len(earliest) < min(2, len({number for number, _ in volumes})):
        return Times(None, {}, ["The times in the names are incomplete or do not increase: no seconds are known."])
    zero = min(earliest.values())
    seconds = tuple((earliest[number] - zero) / 1000 if number in earliest else None for number in numbers)
    missing = sum(clock not in file.numbers for file in files)
    remarks = [f"{missing} of {len(files)} file names carry no time."] if missing else []
    if is_irregular(seconds):
        usual = find_interval(seconds) or 0.0
        timepoint, step = max(measure_steps(seconds), key=lambda pair: abs(pair[1] - usual))
        steps = f"{step:.3f} s from timepoint {timepoint} to {timepoint + 1}, where the median is {usual:.3f} s"
        remarks.append(f"Time is irregular: {steps}.")
    return Times(seconds, {volume: (start - zero) / 1000 for volume, start in starts.items()}, remarks)


def _find_starts(volumes: VolumeFiles, clock: str) -> dict[tuple[int, str], int]:
    """Find a clock's earliest time in each volume whose names carry it."""
    return {
        volume: min(times)
        for volume, sites in volumes.items()
        if (times := [file.numbers[clock] for file in sites.values() if clock in file.numbers])
    }


def _find_earliest(starts: dict[tuple[int, str], int]) -> dict[int, int]:
    """Find the earliest time of each timepoint; of none, if one is not after that of the timepoint before."""
    earliest: dict[int, int] = {}
    for (number, _), start in sorted(starts.items()):
        earliest[number] = min(start, earliest.get(number, start))
    times = list(earliest.values())
    return earliest if times == sorted(set(times)) else {}


def measure_steps(seconds: Sequence[float | None]) -> list[tuple[int, float]]:
    """Measure the steps of the time axis from the seconds of each timepoint, None where they are not known.

    Each is a timepoint, and the seconds to the next whose time is known, divided by how many steps away that is.
    """
    times = [(timepoint, time) for timepoint, time in enumerate(seconds) if time is not None]
    return [(t, (next_time - time) / (next_t - t)) for (t, time), (next_t, next_time) in pairwise(times)]


def find_interval(seconds: Sequence[float | None]) -> float | None:
    """Return the median of `measure_steps`, in seconds; None where no two times are known."""
    steps = [step for _, step in measure_steps(seconds)]
    return median(steps) if steps else None


def is_irregular(seconds: Sequence[float | None]) -> bool:
    """Tell whether a step differs from the median by more than 5 %, so that the median misleads."""
    usual = find_interval(seconds) or 0.0
    return any(abs(step - usual) > 0.05 * usual for _, step in measure_steps(seconds))
