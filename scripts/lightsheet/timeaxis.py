"""The time axis: which number of a file's name counts timepoints, whether one is missing, and the seconds.

Like `acquisition`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from lightsheet.errors import InputError
from lightsheet.names import Fields, channel_name

Position = tuple[int, int, int]

_COUNTERS = ("iter_0", "iter_1", "timepoint_suffix", "stack", "timepoint")  # the slowest first
_CLOCKS = ("milliseconds", "milliseconds_absolute")
_IRREGULAR = 0.05  # of the median interval


class File(NamedTuple):
    """A file and what its name says: `wavelength` in nm, `site` the tile (z, y, x) as the name counts it."""

    path: Path
    channel: str
    wavelength: int | None
    prefix: str
    site: Position
    numbers: dict[str, int]


Volumes = dict[tuple[int, str], dict[Position, File]]  # by number on the time axis, and channel


def read_fields(path: Path, fields: Fields) -> File:
    """Gather what the time axis and the tile grid need of a name.

    Parameters
    ----------
    path : Path
        The file; it is not opened.
    fields : dict
        What its name says, from `parse_name`.

    Returns
    -------
    File
        With a tile of 0 along each axis that the name does not give.
    """
    numbers = {field: value for field, value in fields.items() if isinstance(value, int)}
    loop = fields.get("iter")
    if isinstance(loop, tuple):
        numbers |= {f"iter_{index}": value for index, value in enumerate(loop)}
    site = (numbers.get("z", 0), numbers.get("y", 0), numbers.get("x", 0))
    wavelength = numbers.get("wavelength_nm")
    return File(path, channel_name(fields), wavelength, str(fields.get("prefix", "")), site, numbers)


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
        The files by number on the time axis and channel, then by tile. The number is made of the fewest counters
        that tell the files of one channel and tile apart, the fastest first; where no counter varies and all
        names begin alike, it is the rank by a clock that does, from 0.

    Raises
    ------
    InputError
        If two files are the same tile of one volume.
    """
    volumes: Volumes = defaultdict(dict)
    for file, number in zip(files, _time_numbers(files), strict=True):
        other = volumes[number, file.channel].setdefault(file.site, file)
        if other is not file:
            raise InputError(
                f"{folder}: two files are timepoint {number} of {file.channel}: {other.path.name} and "
                f"{file.path.name}; if two acquisitions share the folder, leave one out with input.ignore, or "
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
    """Count the files of each channel and tile in the order of their times."""
    counted: dict[tuple[str, Position], int] = defaultdict(int)
    ranks = [0] * len(files)
    for index in sorted(range(len(files)), key=times.__getitem__):
        key = files[index].channel, files[index].site
        ranks[index] = counted[key]
        counted[key] += 1
    return ranks


def refuse_gaps(folder: Path, volumes: Volumes, channels: Iterable[str]) -> None:
    """See that every channel has every timepoint.

    Parameters
    ----------
    folder : Path
        What the error names.
    volumes : dict
        The files by number on the time axis and channel, then by tile.
    channels : iterable of str
        All channels, in the order in which the error speaks of them.

    Raises
    ------
    InputError
        If a channel lacks a number between the first and the last of all channels.
    """
    present: dict[str, set[int]] = defaultdict(set)
    for number, channel in volumes:
        present[channel].add(number)
    first, last = min(map(min, present.values())), max(map(max, present.values()))
    lacking = {c: gaps for c in channels if (gaps := _gaps(present[c], first, last))}
    if not lacking:
        return
    complete = set.intersection(*present.values())
    if stray := [c for c in lacking if len(present[c]) == 1]:
        alone = [next(iter(volumes[min(present[c]), c].values())) for c in stray]
        rest = "or leave " + ", ".join(file.path.name for file in alone) + " out"
    elif complete and not _gaps(complete, min(complete), max(complete)):
        rest = "or leave the other files of those timepoints out"
    else:
        rest = "or leave the files on one side of the gap out"
    what = "; ".join(f"{channel} lacks timepoint {_ranges(gaps)}" for channel, gaps in lacking.items())
    raise InputError(
        f"{folder}: {what} (of {first} to {last}); copy what is missing into the folder, {rest} (input.ignore)"
    )


def _gaps(present: set[int], first: int, last: int) -> list[tuple[int, int]]:
    """List the runs (from, to) of numbers between first and last that are not present."""
    edges = [first - 1, *sorted(present), last + 1]
    return [(before + 1, after - 1) for before, after in pairwise(edges) if after - before > 1]


def _ranges(gaps: list[tuple[int, int]], shown: int = 5) -> str:
    text = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in gaps[:shown])
    more = sum(high - low + 1 for low, high in gaps[shown:])
    return f"{text} and {more} more" if more else text


def find_seconds(
    volumes: Volumes, numbers: list[int]
) -> tuple[tuple[float, ...] | None, dict[tuple[int, str], float], list[str]]:
    """Find the seconds of each timepoint and of each volume, by the first clock that runs forward.

    Parameters
    ----------
    volumes : dict
        The files by number on the time axis and channel, then by tile.
    numbers : list of int
        The numbers on the time axis, increasing.

    Returns
    -------
    seconds : tuple of float, or None
        From the first timepoint to each, in seconds; None where no clock is in names of every timepoint and
        increases from each to the next.
    since_start : dict
        Seconds from the first timepoint to each volume whose names carry that clock, by number and channel.
    remarks : list of str
        Sentences on missing, useless and irregular times for the person who runs it.
    """
    files = [file for tiles in volumes.values() for file in tiles.values()]
    for clock in _CLOCKS:
        starts: dict[tuple[int, str], int] = {}
        earliest: dict[int, int] = {}
        for (number, channel), tiles in volumes.items():
            if times := [file.numbers[clock] for file in tiles.values() if clock in file.numbers]:
                starts[number, channel] = min(times)
                earliest[number] = min(earliest.get(number, times[0]), *times)
        # The relative clock stands at 0 where every timepoint was started as an acquisition of its own.
        if len(earliest) == len(numbers) and all(earliest[a] < earliest[b] for a, b in pairwise(numbers)):
            zero = earliest[numbers[0]]
            seconds = tuple((earliest[number] - zero) / 1000 for number in numbers)
            since_start = {volume: (start - zero) / 1000 for volume, start in starts.items()}
            untimed = sum(clock not in file.numbers for file in files)
            return seconds, since_start, _remarks_on_times(seconds, untimed, len(files))
    if any(clock in file.numbers for clock in _CLOCKS for file in files):
        return None, {}, ["The times in the names are incomplete or do not increase: no seconds are known."]
    return None, {}, []


def _remarks_on_times(seconds: tuple[float, ...], untimed: int, count: int) -> list[str]:
    remarks = []
    if untimed:
        remarks.append(f"{untimed} of {count} file names carry no time.")
    intervals = [after - before for before, after in pairwise(seconds)]
    usual = median(intervals) if intervals else 0.0
    if any(abs(interval - usual) > _IRREGULAR * usual for interval in intervals):
        worst = max(range(len(intervals)), key=lambda index: abs(intervals[index] - usual))
        remarks.append(
            f"Time is irregular: {intervals[worst]:.3f} s from timepoint {worst} to {worst + 1}, "
            f"where the median is {usual:.3f} s."
        )
    return remarks
