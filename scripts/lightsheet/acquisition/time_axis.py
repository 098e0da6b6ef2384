"""The time axis: which number of a file's name counts timepoints.

Like `discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, count
from pathlib import Path
from typing import NamedTuple

from lightsheet.acquisition.names import Fields, Value, name_channel
from lightsheet.system import InputError

Site = tuple[int, int, int, int]  # tile (z, y, x), then the plane or the part of it, as the name counts them

_COUNTERS = ("iter_0", "iter_1", "timepoint_suffix", "stack", "timepoint")  # the slowest first
CLOCKS = ("milliseconds", "milliseconds_absolute")


class SourceFile(NamedTuple):
    """A file, its name relative to the folder, and what the name says; `wavelength` is in nm."""

    name: str
    channel: str
    wavelength: int | None
    prefix: str
    position: Value | None
    site: Site
    numbers: dict[str, int]


VolumeFiles = dict[tuple[int, str], dict[Site, SourceFile]]  # by number on the time axis, and channel


def gather_fields(name: str, fields: Fields) -> SourceFile:
    """Gather what the time axis and the tile grid need of a name: 0 along each axis that it does not give."""
    numbers = {field: value for field, value in fields.items() if isinstance(value, int)}
    loop = fields.get("iter")
    if isinstance(loop, tuple):
        numbers |= {f"iter_{index}": value for index, value in enumerate(loop)}
    plane = numbers.get("plane", numbers.get("part", 0))
    return SourceFile(
        name=name,
        channel=name_channel(fields),
        wavelength=numbers.get("wavelength_nm"),
        prefix=str(fields.get("prefix", "")),
        position=fields.get("position"),
        site=(numbers.get("z", 0), numbers.get("y", 0), numbers.get("x", 0), plane),
        numbers=numbers,
    )


def group_volumes(folder: Path, files: list[SourceFile]) -> VolumeFiles:
    """Put the files of an acquisition on its time axis, by number on it and channel, then by site."""
    volumes: VolumeFiles = defaultdict(dict)
    for file, number in zip(files, _choose_numbers(files), strict=True):
        rival = volumes[number, file.channel].setdefault(file.site, file)
        if rival is not file:
            raise InputError(
                f"{folder}: two files are timepoint {number} of {file.channel}: {rival.name} and "
                f"{file.name}; if two acquisitions share the folder, leave one out with input.ignore, or "
                "write a template for the other (input.pattern)"
            )
    return dict(volumes)


def find_varying_counters(files: list[SourceFile]) -> list[str]:
    """Name the counters of time that are not the same in all files, the slowest first."""
    return [name for name in _COUNTERS if len({file.numbers.get(name, 0) for file in files}) > 1]


def _choose_numbers(files: list[SourceFile]) -> list[int]:
    """Choose the fewest counters that tell the files of one channel and site apart, the fastest first, as numbers.

    Where no counter varies and all names begin alike, the number is the rank by a clock that varies, from 0.
    """
    varying = find_varying_counters(files)
    keys = [(file.channel, file.site) for file in files]
    for size in range(1, len(varying) + 1):
        for subset in combinations(reversed(varying), size):
            numbers = _join_counters(files, subset[::-1])
            if len(set(zip(keys, numbers, strict=True))) == len(files):
                return numbers
    if not varying and len({file.prefix for file in files}) == 1:
        for clock in reversed(CLOCKS):
            times = [file.numbers.get(clock, 0) for file in files]
            if len(set(zip(keys, times, strict=True))) == len(files):
                counters: dict[tuple[str, Site], Iterator[int]] = defaultdict(count)
                order = sorted(range(len(files)), key=times.__getitem__)
                ranks = {index: next(counters[keys[index]]) for index in order}
                return [ranks[index] for index in range(len(files))]
    return _join_counters(files, varying)


def _join_counters(files: list[SourceFile], names: Sequence[str]) -> list[int]:
    """Join several counters, the slowest first, like the digits of one number."""
    numbers = [0] * len(files)
    for name in names:
        values = [file.numbers.get(name, 0) for file in files]
        # The first counts as in the names, so that an error can speak of the timepoint that a person sees.
        low, size = (min(values), max(values) - min(values) + 1) if name != names[0] else (0, 1)
        numbers = [number * size + value - low for number, value in zip(numbers, values, strict=True)]
    return numbers


def list_sites(files: Iterable[SourceFile]) -> list[list[int]]:
    """List the values that occur along each of z, y, x and the pieces of a tile, increasing."""
    return [sorted(set(values)) for values in zip(*(file.site for file in files), strict=True)]
