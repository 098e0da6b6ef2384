"""The time axis: which number of a file's name counts timepoints, and the seconds.

Like `acquisition.discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from lightsheet.acquisition.names import Fields, name_channel
from lightsheet.system import InputError

Site = tuple[int, int, int, int]

_COUNTERS = ("iter_0", "iter_1", "timepoint_suffix", "stack", "timepoint")  # the slowest first
CLOCKS = ("milliseconds", "milliseconds_absolute")


class NamedFile(NamedTuple):
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


Volumes = dict[tuple[int, str], dict[Site, NamedFile]]  # by number on the time axis, and channel


def gather_fields(name: str, fields: Fields) -> NamedFile:
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
    return NamedFile(
        name=name,
        channel=name_channel(fields),
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


def group_volumes(folder: Path, files: list[NamedFile]) -> Volumes:
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


def find_varying_counters(files: list[NamedFile]) -> list[str]:
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


def _time_numbers(files: list[NamedFile]) -> list[int]:
    """Give each file its number on the time axis, chosen alike for all of them."""
    varying = find_varying_counters(files)
    for count in range(1, len(varying) + 1):
        for chosen in combinations(reversed(varying), count):
            numbers = _count_jointly(files, [name for name in varying if name in chosen])
            if _tells_apart(files, numbers):
                return numbers
    if not varying and len({file.prefix for file in files}) == 1:
        for clock in reversed(CLOCKS):
            times = [file.numbers.get(clock, 0) for file in files]
            if _tells_apart(files, times):
                return _ranks(files, times)
    return _count_jointly(files, varying)


def _count_jointly(files: list[NamedFile], names: list[str]) -> list[int]:
    """Join several counters, the slowest first, like the digits of one number."""
    numbers = [0] * len(files)
    for name in names:
        values = [file.numbers.get(name, 0) for file in files]
        # The first counts as in the names, so that an error can speak of the timepoint that a person sees.
        low, size = (min(values), max(values) - min(values) + 1) if name != names[0] else (0, 1)
        numbers = [number * size + value - low for number, value in zip(numbers, values, strict=True)]
    return numbers


def _tells_apart(files: list[NamedFile], numbers: list[int]) -> bool:
    keys = {(file.channel, file.site, number) for file, number in zip(files, numbers, strict=True)}
    return len(keys) == len(files)


def _ranks(files: list[NamedFile], times: list[int]) -> list[int]:
    """Count the files of each channel and site in the order of their times."""
    counted: dict[tuple[str, Site], int] = defaultdict(int)
    ranks = [0] * len(files)
    for index in sorted(range(len(files)), key=times.__getitem__):
        key = files[index].channel, files[index].site
        ranks[index] = counted[key]
        counted[key] += 1
    return ranks
