"""Files that hold several channels or timepoints, unfolded into volumes that are ranges of their pages.

Names tell which files belong to a volume; only the metadata of a typical file, or the user, tells what a file's pages
are. A tile that is one file is taken to have as many pages, unopened: ingest refuses it if that is not so.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

from lightsheet.acquisition.model import Acquisition, Piece, Tile, Volume
from lightsheet.acquisition.names import convert_number, name_channel
from lightsheet.acquisition.page_order import PageLayout, count_tile_pages, find_layout, format_sizes, name_tile
from lightsheet.sources import FileMetadata, count_pages, explain_difference, list_facts, read_metadata
from lightsheet.system import InputError


def unfold_hyperstack(
    acquisition: Acquisition, axes: str = "auto", tile: Tile | None = None, metadata: FileMetadata | None = None
) -> Acquisition:
    """Make a volume of each channel and timepoint that lie in the same files of an acquisition.

    Parameters
    ----------
    acquisition : Acquisition
        From `discover`: each of its volumes is all that its files hold.
    axes : str
        "auto": as the metadata says, or, where it says nothing, all pages are planes of one volume. Else the order of
        the pages, slowest first, such as "ZYX" (all pages are planes) or "TZCYX". Numbers after the letters
        ("TZ50C2YX") stand for what the metadata does not tell; one of them can be left out. "ZCYX" needs none either
        where a tile is many files that each say that they are a single plane.
    tile : Tile, optional
        A typical one, else the first. Of the others, only those of several files are opened, to count their pages.
    metadata : FileMetadata, optional
        That of the tile's files, if it has been read.

    Returns
    -------
    Acquisition
        The same if its files hold one volume each. Else with T timepoints for each that it had, and C channels: those
        of the names, each followed by the file's channels in the order of the file. Where the names carry no times, the
        seconds are those of the timepoints in the metadata, or else multiples of its interval.

    Raises
    ------
    InputError
        If `axes` cannot be understood, the metadata contradicts the number of pages or does not tell enough, or a tile
        of several files has more or fewer pages than that.
    """
    tile = tile or next(tile for volume in acquisition.volumes for tile in volume.tiles)
    metadata = metadata or read_metadata(*(piece.path for piece in tile.pieces))
    layout = find_layout(axes, metadata, tile)
    if axes == "auto":
        _refuse_other_facts(acquisition, metadata, tile)
    timepoints = layout.sizes["T"] if layout else 1
    if timepoints < metadata.file_sizes.get("T", 1):  # what the metadata takes for timepoints are planes
        metadata = metadata._replace(interval=None, times=())
    if metadata.is_listed and acquisition.timepoints * timepoints < metadata.sizes["T"] and axes == "auto":
        remark = (
            f"{metadata.source} describes {metadata.sizes['T']} timepoints, of which "
            f"{acquisition.timepoints * timepoints} are in the folder."
        )
        acquisition = replace(acquisition, remarks=(*acquisition.remarks, remark))
    if layout and timepoints * layout.sizes["C"] > 1:
        source = "input.axes" if axes != "auto" else metadata.source
        acquisition = _unfold(acquisition, layout, metadata, source)
    seconds = _find_seconds(metadata, acquisition.timepoints)
    if acquisition.seconds is not None or None in seconds or acquisition.timepoints == 1:
        return acquisition
    volumes = tuple(replace(volume, seconds=seconds[volume.timepoint]) for volume in acquisition.volumes)
    return replace(acquisition, seconds=seconds, volumes=volumes)


def _refuse_other_facts(acquisition: Acquisition, metadata: FileMetadata, typical: Tile) -> None:
    """Refuse files as long as the typical one whose metadata differ from its own; here only the first and the last.

    Ingest checks the others when it reads them, and refuses files that are damaged or of another length.
    """
    paths = [piece.path for piece in typical.pieces]
    pages = len(paths) == 1 and count_pages(paths[0])
    facts = list_facts(metadata, paths, None, is_auto=True)
    volumes = [volume for volume in acquisition.volumes if volume.tiles]
    firsts = {volume.channel: volume.tiles[0] for volume in reversed(volumes)}
    for tile in (*firsts.values(), volumes[-1].tiles[-1]):
        path = tile.pieces[0].path
        candidate = read_metadata(*(piece.path for piece in tile.pieces)) if tile != typical else metadata
        is_other_kind = candidate.is_damaged or (pages and count_pages(path) != pages)
        if not is_other_kind and (difference := explain_difference(facts, candidate)):
            raise InputError(f"{path}: {difference}")


def _unfold(acquisition: Acquisition, layout: PageLayout, metadata: FileMetadata, source: str) -> Acquisition:
    """Replace each volume by the T x C volumes in its files; `source` names what says so."""
    timepoints, channels = layout.sizes["T"], layout.sizes["C"]
    names, remark = name_channels(acquisition, channels, metadata)
    rank = {name: index for index, name in enumerate(names.values())}
    offsets = _find_seconds(metadata, timepoints)
    volumes = [new for old in acquisition.volumes for new in _split_volume(old, layout, names, offsets)]
    wavelengths = metadata.wavelengths if len(metadata.wavelengths) == channels else (None,) * channels
    seconds = tuple(_add(start, offset) for start in acquisition.seconds or () for offset in offsets)
    return replace(
        acquisition,
        channels=tuple(names.values()),
        wavelengths={name: wavelengths[c] or acquisition.wavelengths[old] for (old, c), name in names.items()},
        timepoints=acquisition.timepoints * timepoints,
        seconds=None if set(seconds) <= {None} else seconds,
        volumes=tuple(sorted(volumes, key=lambda volume: (volume.timepoint, rank[volume.channel]))),
        remarks=(
            *acquisition.remarks,
            f"The pages of each file are {layout.axes}: {format_sizes(layout.sizes)}, as {source} says.",
            *remark,
        ),
    )


def name_channels(
    acquisition: Acquisition, count: int, metadata: FileMetadata
) -> tuple[dict[tuple[str, int], str], list[str]]:
    """Name each channel of the file names and index in the file; a remark says if the metadata's names are no use."""
    if count == 1:
        return {(channel, 0): channel for channel in acquisition.channels}, []
    remark = []
    inner = [name_channel({"channel": convert_number(name)}) for name in metadata.channels]
    if len(inner) != count or len(set(inner)) < count:
        if any(metadata.channels):
            names = ", ".join(map(repr, metadata.channels))
            fault = f"not {count} names" if len(inner) != count else "which would not be told apart as names of folders"
            remark = [f"{metadata.source} calls its channels {names}, {fault}: they are called ch0 to ch{count - 1}."]
        inner = [f"ch{index}" for index in range(count)]
    is_unnamed = acquisition.channels == ("ch0",)  # by `name_channel`, where the file names carry no channel
    return {
        (channel, index): name if is_unnamed else f"{channel}_{name}"
        for channel in acquisition.channels
        for index, name in enumerate(inner)
    }, remark


def _split_volume(
    volume: Volume, layout: PageLayout, names: Mapping[tuple[str, int], str], offsets: tuple[float | None, ...]
) -> Iterator[Volume]:
    """Yield the volumes that lie in the files of one; `offsets` are the seconds from its first timepoint to each."""
    counts = [_count_expected_pages(tile, layout) for tile in volume.tiles]
    for (t, offset), c in product(enumerate(offsets), range(layout.sizes["C"])):
        pages = layout.locate_planes(t, c)
        yield replace(
            volume,
            channel=names[volume.channel, c],
            timepoint=volume.timepoint * len(offsets) + t,
            seconds=_add(volume.seconds, offset),
            tiles=tuple(
                replace(tile, pieces=_share_pages(pages, tile, numbers))
                for tile, numbers in zip(volume.tiles, counts, strict=True)
            ),
        )


def _count_expected_pages(tile: Tile, layout: PageLayout) -> list[int]:
    """Tell how many pages each file of a tile has; where it is one file, all: ingest refuses it if it has not."""
    expected = math.prod(layout.sizes.values())
    if len(tile.pieces) == 1:
        return [expected]
    counts = count_tile_pages(tile)
    if sum(counts) != expected:
        raise InputError(
            f"{name_tile(tile)} has {sum(counts)} pages, but {expected} are expected "
            f"({format_sizes(layout.sizes)}); copy it again, or leave it out with input.ignore"
        )
    return counts


def _share_pages(pages: range, tile: Tile, counts: list[int]) -> tuple[Piece, ...]:
    """Give each file of a tile, whose pages follow each other, its share of a range of them."""
    pieces = []
    begin = 0
    for piece, count in zip(tile.pieces, counts, strict=True):
        share = pages[bisect_left(pages, begin) : bisect_left(pages, begin + count)]
        if share:
            pieces.append(Piece(piece.path, range(share[0] - begin, share[-1] - begin + 1, pages.step)))
        begin += count
    return tuple(pieces)


def _find_seconds(metadata: FileMetadata, count: int) -> tuple[float | None, ...]:
    """Find the seconds from the first of so many timepoints to each: as recorded, or else as set, or else None."""
    if len(metadata.times) == count:
        return metadata.times
    if metadata.interval is None and count > 1:
        return (None,) * count
    return tuple(t * (metadata.interval or 0.0) for t in range(count))


def _add(start: float | None, offset: float | None) -> float | None:
    return None if start is None or offset is None else start + offset
