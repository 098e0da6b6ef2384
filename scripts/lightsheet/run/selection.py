"""`input.select`: which timepoints and channels of an acquisition are used, and which part of each volume."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from lightsheet.acquisition import Acquisition, Part
from lightsheet.run.suggestions import suggest
from lightsheet.sources import Region
from lightsheet.system import InputError, join_first

KEY = "config key input.select"

MOST_TIMEPOINTS = 10
"""Timepoints that a sentence names one by one."""


def select_volumes(acquisition: Acquisition, selection: Mapping[str, Any], *, is_growing: bool = False) -> Acquisition:
    """Select timepoints and channels of an acquisition; the same if all are.

    A volume keeps the timepoint that it has in the whole acquisition, and with it its record: so that another
    selection, wider or with another step, finds what is done.

    Parameters
    ----------
    acquisition : Acquisition
    selection : mapping, `input.select` of the configuration
    is_growing : bool, whether timepoints that are not there are left for later runs (`input.settle`)

    Raises
    ------
    InputError
        If there is no such timepoint or channel, nothing is selected, or nothing was recorded of it.
    """
    channels, timepoints = acquisition.channels, list(range(acquisition.timepoints))
    if "channels" in selection:
        channels = _choose_channels(selection["channels"], acquisition.channels)
    if "timepoints" in selection:
        timepoints, awaited = _choose_timepoints(selection["timepoints"], acquisition.timepoints, is_growing)
        acquisition = replace(acquisition, awaited_timepoints=awaited)
    if channels == acquisition.channels and len(timepoints) == acquisition.timepoints:
        return acquisition
    numbers = frozenset(timepoints)
    volumes = tuple(v for v in acquisition.volumes if v.channel in channels and v.timepoint in numbers)
    for channel in channels:
        if not any(volume.tiles for volume in volumes if volume.channel == channel):
            raise InputError(f"{KEY}: of {channel}, nothing was recorded at the selected timepoints; select others")
    paths = {piece.path for volume in volumes for piece in volume.pieces}
    names = dict.fromkeys(piece.path for volume in acquisition.volumes for piece in volume.pieces)
    other_names = tuple(path.relative_to(acquisition.folder).as_posix() for path in names if path not in paths)
    seconds = acquisition.seconds and tuple(acquisition.seconds[t] for t in timepoints)
    return replace(
        acquisition,
        channels=channels,
        wavelengths={channel: acquisition.wavelengths[channel] for channel in channels},
        timepoints=len(timepoints),
        seconds=None if seconds and set(seconds) == {None} else seconds,
        volumes=volumes,
        part=Part(
            tuple(timepoints), acquisition.timepoints, acquisition.channels, other_names, acquisition.page_counts
        ),
    )


def _choose_channels(request: str | Sequence[str], channels: Sequence[str]) -> tuple[str, ...]:
    names = [request] if isinstance(request, str) else request
    if not names:
        raise InputError(f"{KEY}.channels: no channel is selected; those of the acquisition are {', '.join(channels)}")
    for name in names:
        if name not in channels:
            raise InputError(
                f"{KEY}.channels: the acquisition has no channel {name!r}{suggest(name, channels)}; its channels are "
                f"{', '.join(channels)}"
            )
    return tuple(channel for channel in channels if channel in names)


def _choose_timepoints(request: int | str | Sequence[int | str], count: int, is_growing: bool) -> tuple[list[int], str]:
    """Return the selected timepoints, and in words those that a growing acquisition does not have yet."""
    parts = [request] if isinstance(request, int | str) else request
    if not parts:
        raise InputError(f"{KEY}.timepoints: no timepoint is selected; the acquisition has 0 to {count - 1}")
    text, key = ",".join(map(str, parts)), f"{KEY}.timepoints"
    if not is_growing:
        return parse_timepoints(text, count, key, "the acquisition"), ""
    timepoints, later = set[int](), list[str]()
    for part, numbers in _parse_ranges(text, count, key):
        if not numbers:
            raise InputError(f"{key}: {part} names no timepoint")
        present = range(numbers.start, min(numbers.stop, count), numbers.step)
        timepoints.update(present)
        later += [_write_range(numbers[len(present) :])] if numbers[-1] >= count else []
    names = ", ".join(dict.fromkeys(later))
    awaited = f"timepoint{'' if names.isdecimal() else 's'} {names}" if later else ""
    if not timepoints:
        raise InputError(f"{key}: not there yet, or not settled: {awaited}; run again later")
    return sorted(timepoints), awaited


def _write_range(numbers: range) -> str:
    """Write timepoints as `5`, `5 to 9` or `5 to 9 by 2`."""
    step = f" by {numbers.step}" if numbers.step > 1 else ""
    return str(numbers[0]) if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}{step}"


def parse_timepoints(text: str, count: int, key: str = "--timepoints", whole: str = "this run") -> list[int]:
    """Read timepoints below `count`: numbers and ranges START:END or START:END:STEP, END left out, as `0:10:2,15`.

    Parameters
    ----------
    text : str, what is to be read
    count : int, timepoints that there are
    key, whole : str, where the text stands, and what has the timepoints, for sentences

    Raises
    ------
    InputError
        If it cannot be understood, or a part of it names no timepoint, or one that is not there.
    """
    timepoints: set[int] = set()
    for part, numbers in _parse_ranges(text, count, key):
        if not numbers or numbers[-1] >= count:
            raise InputError(f"{key}: {part} is not among the timepoints 0 to {count - 1} of {whole}")
        timepoints.update(numbers)
    return sorted(timepoints)


def _parse_ranges(text: str, count: int, key: str) -> Iterator[tuple[str, range]]:
    """Yield the parts of a text, as `parse_timepoints` reads it, with their timepoints, there or not."""
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,18})|(\d{0,18}):(\d{0,18})(?::([1-9]\d{0,17}))?", part.strip())
        if not match:
            raise InputError(f"{key}: {part!r} is neither a number nor START:END or START:END:STEP")
        single, start, end, step = match.groups()
        first = int(single or start or 0)
        yield part, range(first, first + 1 if single else int(end or max(count, first + 1)), int(step or 1))


def choose_spans(key: str, request: Mapping[str, Any], shape: Sequence[int]) -> list[list[int]]:
    """Return start and stop along (z, y, x) of a part of a volume of this shape, the whole axis unless it is requested.

    InputError, which names the key, if there are no such voxels.
    """
    spans = []
    for axis, size in zip("zyx", shape, strict=True):
        start, stop = request.get(axis, [0, size])
        if not 0 <= start < stop <= size:
            raise InputError(
                f"config key {key}.{axis}: {[start, stop]} is no part of a volume, which has {size} voxels along "
                f"{axis}; give a start of 0 or more, and a larger stop of at most {size}"
            )
        spans.append([start, stop])
    return spans


def choose_region(selection: Mapping[str, Any], shape: Sequence[int]) -> Region | None:
    """Return the part of each volume of this shape (z, y, x) that is selected; None if it is all of it."""
    spans = choose_spans("input.select", selection, shape)
    if spans == [[0, size] for size in shape]:
        return None
    if spans[0][1] - spans[0][0] == 1:
        raise InputError(f"{KEY}.z: {spans[0]} is a single plane, and a volume is a stack; select two planes or more")
    return [[start, stop, size] for (start, stop), size in zip(spans, shape, strict=True)]


def _write_timepoints(timepoints: Sequence[int]) -> str:
    """Write timepoints as `0 to 98`, `0 to 98 by 2`, or one by one where their steps differ."""
    first, *_, last = *timepoints, timepoints[-1]
    steps = {after - earlier for earlier, after in pairwise(timepoints)}
    if len(timepoints) < 3 or len(steps) > 1:
        return join_first(timepoints, MOST_TIMEPOINTS)
    return _write_range(range(first, last + 1, steps.pop()))


def describe_share(acquisition: Acquisition, region: Region | None) -> str:
    """Say which part of an acquisition is selected, and what share of it that is; empty if it is all of it."""
    words, share = [], 1.0
    if part := acquisition.part:
        if acquisition.timepoints < part.whole_timepoints:
            text = _write_timepoints(part.timepoints)
            words.append(f"{acquisition.timepoints} of {part.whole_timepoints} timepoints ({text}, from 0)")
        if further_channels := [channel for channel in part.whole_channels if channel not in acquisition.channels]:
            count = f"{len(acquisition.channels)} of {len(part.whole_channels)} channels"
            words.append(f"{count} (without {', '.join(further_channels)})")
        whole = part.whole_timepoints * len(part.whole_channels)
        share = acquisition.timepoints * len(acquisition.channels) / whole
    if region:
        words += [
            f"{axis} {start} to {stop} of {size}"
            for axis, (start, stop, size) in zip("zyx", region, strict=True)
            if stop - start < size
        ]
        share *= math.prod((stop - start) / size for start, stop, size in region)
    return f"{', '.join(words)}: {100 * share:.3g} % of the acquisition" if words else ""
