"""Files that hold several channels or timepoints, unfolded into volumes that are ranges of their pages.

Names tell which files belong to a volume; only the metadata of a typical file, or the user, tells what a file's pages
are. A tile that is one file is taken to have as many pages, unopened: ingest refuses it if that is not so.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from lightsheet import metadata, tiff
from lightsheet.acquisition import Acquisition, Piece, Tile, Volume
from lightsheet.errors import InputError
from lightsheet.metadata import Metadata
from lightsheet.names import channel_name

_AXES = re.compile(r"(?:[TCZ][0-9]*)+YX")


class Layout(NamedTuple):
    """How many of T, C and Z follow each other in a tile's pages; `axes` is their order, slowest first."""

    axes: str
    sizes: Mapping[str, int]


def unfold(
    acquisition: Acquisition, axes: str = "auto", tile: Tile | None = None, found: Metadata | None = None
) -> Acquisition:
    """Make a volume of each channel and timepoint that lie in the same files.

    Parameters
    ----------
    acquisition : Acquisition
        From `acquisition.discover`: each of its volumes is all that its files hold.
    axes : str
        "auto": as the tile's metadata says; where it says nothing, all pages are planes of one volume. Else
        the order of the pages, slowest first, such as "ZYX" (all pages are planes) or "TZCYX". Numbers after the
        letters ("TZ50C2YX") stand for what the metadata does not tell; one of them can be left out. "ZCYX" needs
        none either where a tile is many files that each say that they are a single plane.
    tile : Tile, optional
        The one to look at, like which all others are taken to be; else the first. Of the others, only those of
        several files are opened, to count their pages.
    found : Metadata, optional
        That of the tile's first file, if it has been read.

    Returns
    -------
    Acquisition
        The same if its files hold one volume each. Else with T timepoints for each that it had, and C channels:
        those of the names, each followed by the file's channels in the order of the file. Where the names carry
        no times, the seconds are those of the timepoints in the tile's metadata, or else multiples of its interval.

    Raises
    ------
    InputError
        If `axes` cannot be understood, the metadata contradicts the number of pages or does not tell enough, or
        a tile of several files has more or fewer pages than that.
    """
    given = _parse_axes(axes)
    tile = tile or next(tile for volume in acquisition.volumes for tile in volume.tiles)
    found = found or metadata.read(tile.pieces[0].path)
    layout = _follow(given, found, tile, axes) if given else _trust(found, tile)
    timepoints = layout.sizes["T"] if layout else 1
    if timepoints < found.own.get("T", 1):  # what the metadata takes for timepoints are planes
        found = found._replace(interval=None, times=())
    if layout and timepoints * layout.sizes["C"] > 1:
        acquisition = _unfold(acquisition, layout, found)
    return _timed(acquisition, found)


def _parse_axes(axes: str) -> dict[str, int | None]:
    """Letters but Y and X with their numbers, slowest first; nothing for "auto"."""
    if axes == "auto":
        return {}
    parts = re.findall("([TCZ])([0-9]*)", axes)
    given = {letter: int(number) if number else None for letter, number in parts}
    if not _AXES.fullmatch(axes) or len(given) < len(parts) or 0 in given.values():
        raise InputError(
            f"input.axes {axes!r}: write auto, or the order of the pages, slowest first: ZYX (all pages are planes), "
            "TZCYX, or with numbers, TZ50C2YX"
        )
    return given


def _follow(given: Mapping[str, int | None], found: Metadata, tile: Tile, axes: str) -> Layout | None:
    """Lay out the pages as the user says, with numbers from the metadata, or the one that the pages leave open."""
    if given == {"Z": None}:
        return None
    pages = sum(_count_pages(tile))
    unknown = [axis for axis, number in given.items() if number is None]
    if len(unknown) == 1:
        guesses = [{unknown[0]: pages // math.prod(number for number in given.values() if number)}]
    else:
        known = [found.sizes, found.own]
        if next(iter(given)) == "Z" and found.own == found.sizes and found.own.get("Z") == 1:  # each file is a plane
            known.append({**found.own, "Z": len(tile.pieces)})
        guesses = [{axis: told.get(axis, 0) for axis in unknown} for told in known]
    for guess in guesses:
        sizes = {axis: guess.get(axis) or given.get(axis, 1) or 0 for axis in "TCZ"}
        if math.prod(sizes.values()) == pages:
            return Layout("".join(axis for axis in "TCZ" if axis not in given) + "".join(given), sizes)
    raise InputError(
        f"{_name(tile)}: its {pages} pages are not whole volumes by input.axes {axes!r} and what its metadata says "
        f"({_listed(found.sizes)}); correct input.axes, with all numbers but one, as in TZ50C2YX"
    )


def _trust(found: Metadata, tile: Tile) -> Layout | None:
    """Lay out the pages as the metadata says; None if they are planes of one volume as far as it tells."""
    if found.damaged:
        tiff.count_pages(tile.pieces[0].path)  # has its own sentence on what is no TIFF at all
        raise InputError(
            f"{tile.pieces[0].path}: its metadata is damaged, so that what its pages are is unknown; set input.axes: "
            "ZYX if they are the planes of one volume, or their order if they are not"
        )
    if not found.sizes:
        return None
    sizes = _fit(found, sum(_count_pages(tile)), tile)
    if sizes["T"] * sizes["C"] > 1 and sizes["Z"] == 1:
        raise InputError(
            f"{found.source} says {_listed(sizes)}, volumes of a single plane; set input.axes: ZYX if its pages are "
            "the planes of one volume, or another order if they are not"
        )
    if sizes["T"] * sizes["C"] > 1 and not found.axes:
        raise InputError(
            f"{found.source} lists the pages in an order that is none of T, C and Z; export the files anew as TZCYX"
        )
    return Layout(found.axes, sizes)


def _fit(found: Metadata, pages: int, tile: Tile) -> Mapping[str, int]:
    """Choose what of the metadata a tile is: all, what its first file holds, or one timepoint or channel of it."""
    for sizes in (found.sizes, found.own):
        if sizes and math.prod(sizes.values()) == pages:
            return sizes
    if found.own and found.own["T"] == found.own["C"] == 1:
        return {"T": 1, "C": 1, "Z": pages}
    subsets = [{**found.sizes, **dict.fromkeys(axes, 1)} for axes in ("TC", "T", "C")]
    fitting = [sizes for sizes in subsets if math.prod(sizes.values()) == pages]
    if not fitting or any(sizes != fitting[0] for sizes in fitting):  # as many timepoints as channels: which is it?
        raise InputError(
            f"{_name(tile)} has {pages} pages, but {found.source} describes {math.prod(found.sizes.values())} "
            f"({_listed(found.sizes)}); copy what is missing, or say in input.axes what the pages are, "
            "such as ZYX (all are planes) or TZ50C2YX"
        )
    return fitting[0]


def _unfold(acquisition: Acquisition, layout: Layout, found: Metadata) -> Acquisition:
    """Replace each volume by the T x C volumes in its files."""
    names = _name_channels(acquisition, layout.sizes["C"], found)
    rank = {name: index for index, name in enumerate(names.values())}
    volumes = [new for old in acquisition.volumes for new in _split(old, layout, names, found)]
    wavelengths = found.wavelengths if len(found.wavelengths) == layout.sizes["C"] else (None,) * layout.sizes["C"]
    times = range(layout.sizes["T"])
    seconds = tuple(_later(start, t, layout, found) for start in acquisition.seconds or () for t in times)
    return replace(
        acquisition,
        channels=tuple(names.values()),
        wavelengths={name: wavelengths[c] or acquisition.wavelengths[old] for (old, c), name in names.items()},
        timepoints=acquisition.timepoints * len(times),
        seconds=None if set(seconds) <= {None} else seconds,
        volumes=tuple(sorted(volumes, key=lambda volume: (volume.timepoint, rank[volume.channel]))),
        remarks=(*acquisition.remarks, f"The pages of each file are {layout.axes}: {_listed(layout.sizes)}."),
    )


def _name_channels(acquisition: Acquisition, count: int, found: Metadata) -> dict[tuple[str, int], str]:
    """Name each channel of the names and index in the file."""
    if count == 1:
        return {(channel, 0): channel for channel in acquisition.channels}
    inner = [channel_name({"channel": int(n) if re.fullmatch("[0-9]+", n) else n}) for n in found.channels]
    if len(inner) != count or len(set(inner)) < count:
        inner = [f"ch{index}" for index in range(count)]
    alone = acquisition.channels == ("ch0",)  # what names without a channel are given
    return {
        (channel, index): name if alone else f"{channel}_{name}"
        for channel in acquisition.channels
        for index, name in enumerate(inner)
    }


def _split(volume: Volume, layout: Layout, names: Mapping[tuple[str, int], str], found: Metadata) -> Iterator[Volume]:
    """Yield the volumes that lie in the files of one."""
    times, channels = layout.sizes["T"], layout.sizes["C"]
    counts = [_page_counts(tile, layout) for tile in volume.tiles]
    for t, c in product(range(times), range(channels)):
        pages = _pages(layout, t, c)
        yield replace(
            volume,
            channel=names[volume.channel, c],
            timepoint=volume.timepoint * times + t,
            seconds=_later(volume.seconds, t, layout, found),
            tiles=tuple(
                replace(tile, pieces=_cut(pages, tile, counted))
                for tile, counted in zip(volume.tiles, counts, strict=True)
            ),
        )


def _pages(layout: Layout, t: int, c: int) -> range:
    """Where the planes of a volume stand among a tile's pages."""
    strides = {axis: math.prod(layout.sizes[a] for a in layout.axes[i + 1 :]) for i, axis in enumerate(layout.axes)}
    start = t * strides["T"] + c * strides["C"]
    return range(start, start + (layout.sizes["Z"] - 1) * strides["Z"] + 1, strides["Z"])


def _cut(pages: range, tile: Tile, counts: list[int]) -> tuple[Piece, ...]:
    """Give each file of a tile, whose pages follow each other, its share of a range of them."""
    pieces = []
    begin = 0
    for piece, count in zip(tile.pieces, counts, strict=True):
        inside = pages[bisect_left(pages, begin) : bisect_left(pages, begin + count)]
        if inside:
            pieces.append(Piece(piece.path, range(inside[0] - begin, inside[-1] - begin + 1, pages.step)))
        begin += count
    return tuple(pieces)


def _page_counts(tile: Tile, layout: Layout) -> list[int]:
    """Tell how many pages each file of a tile has; where it is one file, all: ingest refuses it if it has not."""
    expected = math.prod(layout.sizes.values())
    if len(tile.pieces) == 1:
        return [expected]
    counts = _count_pages(tile)
    if sum(counts) != expected:
        raise InputError(
            f"{_name(tile)} has {sum(counts)} pages, but {expected} are expected "
            f"({_listed(layout.sizes)}); copy it again, or leave it out with input.ignore"
        )
    return counts


def _count_pages(tile: Tile) -> list[int]:
    return [tiff.count_pages(piece.path) for piece in tile.pieces]


def _later(seconds: float | None, t: int, layout: Layout, found: Metadata) -> float | None:
    """Seconds at the t-th timepoint of a file that begins at `seconds`."""
    times = _times(found, layout.sizes["T"])
    return None if seconds is None or times is None else seconds + times[t]


def _timed(acquisition: Acquisition, found: Metadata) -> Acquisition:
    """Add the seconds where only the metadata knows them."""
    times = _times(found, acquisition.timepoints)
    if acquisition.seconds is not None or times is None or acquisition.timepoints == 1:
        return acquisition
    volumes = tuple(replace(volume, seconds=times[volume.timepoint]) for volume in acquisition.volumes)
    return replace(acquisition, seconds=times, volumes=volumes)


def _times(found: Metadata, count: int) -> tuple[float, ...] | None:
    """Seconds from the first of so many timepoints to each: as recorded, or else as set."""
    if len(found.times) == count:
        return found.times
    if found.interval is None and count > 1:
        return None
    return tuple(t * (found.interval or 0.0) for t in range(count))


def _name(tile: Tile) -> str:
    first, *others = tile.pieces
    return f"{first.path} with {len(others)} more" if others else str(first.path)


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis}={size}" for axis, size in sizes.items()) or "nothing"
