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

from lightsheet.acquisition.model import Acquisition, Piece, Tile, Volume
from lightsheet.acquisition.names import name_channel
from lightsheet.acquisition.page_order import PageLayout, _count_pages, _follow, _listed, _name, _parse_axes, _trust
from lightsheet.sources import FileMetadata, read_metadata
from lightsheet.system import InputError


def unfold_hyperstack(
    acquisition: Acquisition, axes: str = "auto", tile: Tile | None = None, found: FileMetadata | None = None
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
    found = found or read_metadata(tile.pieces[0].path)
    layout = _follow(given, found, tile, axes) if given else _trust(found, tile)
    timepoints = layout.sizes["T"] if layout else 1
    if timepoints < found.own.get("T", 1):  # what the metadata takes for timepoints are planes
        found = found._replace(interval=None, times=())
    if layout and timepoints * layout.sizes["C"] > 1:
        acquisition = _unfold(acquisition, layout, found)
    return _timed(acquisition, found)


def _unfold(acquisition: Acquisition, layout: PageLayout, found: FileMetadata) -> Acquisition:
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


def _name_channels(acquisition: Acquisition, count: int, found: FileMetadata) -> dict[tuple[str, int], str]:
    """Name each channel of the names and index in the file."""
    if count == 1:
        return {(channel, 0): channel for channel in acquisition.channels}
    inner = [name_channel({"channel": int(n) if re.fullmatch("[0-9]+", n) else n}) for n in found.channels]
    if len(inner) != count or len(set(inner)) < count:
        inner = [f"ch{index}" for index in range(count)]
    alone = acquisition.channels == ("ch0",)  # what names without a channel are given
    return {
        (channel, index): name if alone else f"{channel}_{name}"
        for channel in acquisition.channels
        for index, name in enumerate(inner)
    }


def _split(
    volume: Volume, layout: PageLayout, names: Mapping[tuple[str, int], str], found: FileMetadata
) -> Iterator[Volume]:
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


def _pages(layout: PageLayout, t: int, c: int) -> range:
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


def _page_counts(tile: Tile, layout: PageLayout) -> list[int]:
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


def _later(seconds: float | None, t: int, layout: PageLayout, found: FileMetadata) -> float | None:
    """Seconds at the t-th timepoint of a file that begins at `seconds`."""
    times = _times(found, layout.sizes["T"])
    return None if seconds is None or times is None else seconds + times[t]


def _timed(acquisition: Acquisition, found: FileMetadata) -> Acquisition:
    """Add the seconds where only the metadata knows them."""
    times = _times(found, acquisition.timepoints)
    if acquisition.seconds is not None or times is None or acquisition.timepoints == 1:
        return acquisition
    volumes = tuple(replace(volume, seconds=times[volume.timepoint]) for volume in acquisition.volumes)
    return replace(acquisition, seconds=times, volumes=volumes)


def _times(found: FileMetadata, count: int) -> tuple[float, ...] | None:
    """Seconds from the first of so many timepoints to each: as recorded, or else as set."""
    if len(found.times) == count:
        return found.times
    if found.interval is None and count > 1:
        return None
    return tuple(t * (found.interval or 0.0) for t in range(count))
