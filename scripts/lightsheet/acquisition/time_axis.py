"""The time axis: which number of a file's name counts timepoints, and the seconds.

Like `acquisition.discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from lightsheet.errors import InputError
from lightsheet.names import Fields, channel_name

Site = tuple[int, int, int, int]

_COUNTERS = ("iter_0", "iter_1", "timepoint_suffix", "stack", "timepoint")  # the slowest first
_CLOCKS = ("milliseconds", "milliseconds_absolute")
_IRREGULAR = 0.05  # of the median interval


class File(NamedTuple):
    """A file, relative to the folder, and what its name says.

    `wavelength` is in nm; `site` is the tile (z, y, x), then the plane or the part of it, as the name counts them.
    """

    name: str
    channel: str
    wavelength: int | None
    prefix: str
    position: int | str | None
    site: Site
    numbers: dict[str, int]


Volumes = dict[tuple[int, str], dict[Site, File]]  # by number on the time axis, and channel


def read_fields(name: str, fields: Fields) -> File:
    """Gather what the time axis and the tile grid need of a name.

    Parameters
    ----------
    name : str
        The file's, relative to the folder.
    fields : dict
        What it says, from `parse_name`.

    Returns
    -------
    File
        With 0 along each axis that the name does not give.
    """
    numbers = {field: value for field, value in fields.items() if isinstance(value, int)}
    loop = fields.get("iter")
    if isinstance(loop, tuple):
        numbers |= {f"iter_{index}": value for index, value in enumerate(loop)}
    return File(
        name=name,
        channel=channel_name(fields),
        wavelength=numbers.get("wavelength_nm"),
        prefix=str(fields.get("prefix", "")),
        position=position if isinstance(position := fields.get("position"), str) else numbers.get("position"),
        site=(
            numbers.get("z", 0),
            numbers.get("y", 0),
            numbers.get("x", 0),
            numbers.get("plane", numbers.get("part", 0)),
        ),
        numbers=numbers,
    )


def group(folder: Path, files: list[File]) -> Volumes:
    """Put the files of an acquisition on its time axis.

    Parameters
    ----------
    folder : Path
        What the error names.
    files : list of File
        At least one.

    Returns
    -------
    dict
        The files by number on the time axis and channel, then by site. The number is made of the fewest counters
        that tell the files of one channel and site apart, the fastest first; where no counter varies and all
        names begin alike, it is the rank by a clock that does, from 0.

    Raises
    ------
    InputError
        If two files are the same site of one volume.
    """
    volumes: Volumes = defaultdict(dict)
    for file, number in zip(files, _time_numbers(files), strict=True):
        other = volumes[number, file.channel].setdefault(file.site, file)
        if other is not file:
            raise InputError(
                f"{folder}: two files are timepoint {number} of {file.channel}: {other.name} and "
                f"{file.name}; if two acquisitions share the folder, leave one out with input.ignore, or "
                "write a template for the other (input.pattern)"
            )
    return dict(volumes)


def varying_counters(files: list[File]) -> list[str]:
    """Name the counters of time that are not the same in all files.

    Parameters
    ----------
    files : list of File
        Those of one acquisition.

    Returns
    -------
    list of str
        Keys of `File.numbers`, the slowest first.
    """
    return [name for name in _COUNTERS if len({file.numbers.get(name, 0) for file in files}) > 1]


def _time_numbers(files: list[File]) -> list[int]:
    """Give each file its number on the time axis, chosen alike for all of them."""
    varying = varying_counters(files)
    for count in range(1, len(varying) + 1):
        for chosen in combinations(reversed(varying), count):
            numbers = _count_jointly(files, [name for name in varying if name in chosen])
            if _tells_apart(files, numbers):
                return numbers
    if not varying and len({file.prefix for file in files}) == 1:
        for clock in reversed(_CLOCKS):
            times = [file.numbers.get(clock, 0) for file in files]
            if _tells_apart(files, times):
                return _ranks(files, times)
    return _count_jointly(files, varying)


def _count_jointly(files: list[File], names: list[str]) -> list[int]:
    """Join several counters, the slowest first, like the digits of one number."""
    numbers = [0] * len(files)
    for name in names:
        values = [file.numbers.get(name, 0) for file in files]
        # The first counts as in the names, so that an error can speak of the timepoint that a person sees.
        low, size = (min(values), max(values) - min(values) + 1) if name != names[0] else (0, 1)
        numbers = [number * size + value - low for number, value in zip(numbers, values, strict=True)]
    return numbers


def _tells_apart(files: list[File], numbers: list[int]) -> bool:
    keys = {(file.channel, file.site, number) for file, number in zip(files, numbers, strict=True)}
    return len(keys) == len(files)


def _ranks(files: list[File], times: list[int]) -> list[int]:
    """Count the files of each channel and site in the order of their times."""
    counted: dict[tuple[str, Site], int] = defaultdict(int)
    ranks = [0] * len(files)
    for index in sorted(range(len(files)), key=times.__getitem__):
        key = files[index].channel, files[index].site
        ranks[index] = counted[key]
        counted[key] += 1
    return ranks


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
    if not any(clock in file.numbers for clock in _CLOCKS for file in files):
        return None, {}, []
    # The relative clock stands at 0 where every timepoint was started as an acquisition of its own.
    clock = max(_CLOCKS, key=lambda clock: len(_earliest(_starts(volumes, clock))))
    starts = _starts(volumes, clock)
    earliest = _earliest(starts)
    if len(earliest) < min(2, len({number for number, _ in volumes})):
        return None, {}, ["The times in the names are incomplete or do not increase: no seconds are known."]
    zero = min(earliest.values())
    seconds = tuple((earliest[number] - zero) / 1000 if number in earliest else None for number in numbers)
    since_start = {volume: (start - zero) / 1000 for volume, start in starts.items()}
    untimed = sum(clock not in file.numbers for file in files)
    return seconds, since_start, _remarks_on_times(seconds, untimed, len(files))


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


def steps(seconds: Sequence[float | None]) -> list[tuple[int, float]]:
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


def interval(seconds: Sequence[float | None]) -> float | None:
    """Return the median of the `steps`; None where no two times are known."""
    measured = [step for _, step in steps(seconds)]
    return median(measured) if measured else None


def is_irregular(seconds: Sequence[float | None]) -> bool:
    """Tell whether a step differs so much from the median that this misleads."""
    usual = interval(seconds) or 0.0
    return any(abs(step - usual) > _IRREGULAR * usual for _, step in steps(seconds))


def _remarks_on_times(seconds: Sequence[float | None], untimed: int, count: int) -> list[str]:
    remarks = []
    if untimed:
        remarks.append(f"{untimed} of {count} file names carry no time.")
    if is_irregular(seconds):
        usual = interval(seconds) or 0.0
        timepoint, step = max(steps(seconds), key=lambda measured: abs(measured[1] - usual))
        remarks.append(
            f"Time is irregular: {step:.3f} s from timepoint {timepoint} to {timepoint + 1}, "
            f"where the median is {usual:.3f} s."
        )
    return remarks
