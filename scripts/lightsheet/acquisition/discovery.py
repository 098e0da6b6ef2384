"""From file names to volumes: which files are which channel, timepoint and tile.

`discover` runs whenever the Snakefile is parsed, so it lists folders and at most looks at the sizes and times of files:
it opens none, and nothing heavy is imported. `open` does both.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lightsheet import gaps, listing, settling, timeaxis
from lightsheet.errors import InputError
from lightsheet.listing import Reasons, natural
from lightsheet.names import parse_name
from lightsheet.timeaxis import File, Site

if TYPE_CHECKING:
    import dask.array
    import numpy as np

__all__ = ["Acquisition", "Piece", "Tile", "Volume", "discover", "open", "parse_name"]

Position = tuple[int, int, int]


class Piece(NamedTuple):
    """A file, or some of its pages (from 0); None for all of them."""

    path: Path
    pages: range | None = None


@dataclass(frozen=True)
class Tile:
    """Its (z, y, x) index in the tile grid, from 0, and the pieces that make it when stacked along z, in order."""

    position: Position
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Volume:
    """One timepoint of one channel; no tiles: it is missing, a hole.

    `seconds` since the acquisition's first volume, None where unknown.
    """

    channel: str
    timepoint: int
    seconds: float | None
    tiles: tuple[Tile, ...]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of all tiles."""
        return tuple(piece for tile in self.tiles for piece in tile.pieces)


@dataclass(frozen=True)
class Acquisition:
    """A folder of TIFF stacks, understood.

    Channels are in natural order, `wavelengths` in nm, `timepoints` their number, `grid` the number of tiles
    along (z, y, x), `seconds` since the first timepoint for each (None where unknown), `volumes` by timepoint,
    then channel. `left_out` holds (file name, why) of every TIFF not used, `waiting` of every TIFF left for the
    next run, `remarks` sentences for the person who runs it.
    """

    folder: Path
    channels: tuple[str, ...]
    wavelengths: dict[str, int | None]
    timepoints: int
    grid: Position
    seconds: tuple[float | None, ...] | None
    volumes: tuple[Volume, ...]
    left_out: Reasons
    remarks: tuple[str, ...]
    waiting: Reasons = field(default=(), compare=False, repr=False)

    @property
    def interval(self) -> float | None:
        """Median seconds from one timepoint to the next; None where no two times are known."""
        return timeaxis.interval(self.seconds or ())

    @property
    def missing(self) -> tuple[tuple[str, int], ...]:
        """Channel and timepoint of each hole."""
        return tuple((volume.channel, volume.timepoint) for volume in self.volumes if not volume.tiles)

    @property
    def names_seen(self) -> tuple[str, ...]:
        """The TIFFs, relative to the folder, in or left out, from which `discover` makes this acquisition again."""
        paths = dict.fromkeys(piece.path for volume in self.volumes for piece in volume.pieces)
        return (*(path.relative_to(self.folder).as_posix() for path in paths), *(name for name, _ in self.left_out))

    @property
    def waiting_remark(self) -> str | None:
        """A sentence on what is left for the next run; None if nothing is."""
        return settling.remark_on_waiting(self.waiting) if self.waiting else None


def discover(
    folder: Path | str,
    pattern: str = "lattice",
    ignore: Sequence[str] = (),
    *,
    missing: str = "error",
    settle: float = 0,
    before: Collection[str] = (),
    names: Sequence[str] | None = None,
) -> Acquisition:
    """Find the volumes of a folder.

    Parameters
    ----------
    folder : Path or str
        Listed with as many subfolders inside one another as the pattern has.
    pattern : str
        A preset or a template, as for `parse_name`.
    ignore : sequence of str
        Names to leave out, such as ``"*_decon.tif"`` (see `fnmatch`).
    missing : str
        "error", or "fill": a timepoint that a channel lacks becomes a volume without tiles.
    settle : float
        Seconds, above 0 while a microscope still writes: files modified later, and with them the timepoints from
        theirs on, are left for the next run, and so are the last timepoints if something of them has yet to come.
    before : collection of str
        `Acquisition.names_seen` of an earlier run, from which settling takes nothing away: where a file modified later
        is for a hole among its timepoints, only that volume is left for the next run.
    names : sequence of str, optional
        The folder's TIFFs, as `Acquisition.names_seen` gave them: the disk is not looked at.

    Returns
    -------
    Acquisition
        Complete but for its holes: every channel has every timepoint, and every volume all of its tiles, each of
        one file, or of one per plane or part. The time axis is the number that varies among the files of one
        channel and tile and tells them apart: a template's timepoint, stackNNNN, NNNNt, Iter, or several of them
        together; where no number varies, the order in time.

    Raises
    ------
    InputError
        If there is no such folder, nothing in it fits or has settled, a file of the earlier run would be left, the
        files are of several stage positions without a place in a grid, a timepoint, a tile or a plane is missing, or
        two files are one volume.
    """
    folder = Path(folder)
    found = listing.list_tiffs(folder, pattern) if names is None else names
    files, left_out = listing.read_names(folder, found, pattern, ignore)
    waiting = {}
    if settle and names is None:
        waiting = settling.find_waiting(folder, files, settle, frozenset(before))
    files = [file for file in files if file.name not in waiting]
    return _arrange(folder, files, missing, left_out, tuple(waiting.items()))


def _arrange(
    folder: Path,
    files: list[File],
    missing: str,
    left_out: Reasons,
    waiting: Reasons,
) -> Acquisition:
    volumes = timeaxis.group(folder, files)
    wavelengths = {file.channel: file.wavelength for file in files}
    channels = tuple(sorted(wavelengths, key=natural))
    numbers, holes = gaps.check_timepoints(folder, volumes, channels, missing)
    gaps.refuse_partial_volumes(folder, volumes)
    seconds, since_start, irregular = timeaxis.find_seconds(volumes, numbers)
    sites = gaps.all_sites(files)
    ranks = [{value: rank for rank, value in enumerate(values)} for values in sites[:3]]
    return Acquisition(
        folder=folder,
        channels=channels,
        wavelengths={channel: wavelengths[channel] for channel in channels},
        timepoints=len(numbers),
        grid=(len(sites[0]), len(sites[1]), len(sites[2])),
        seconds=seconds,
        volumes=tuple(
            Volume(
                channel,
                timepoint,
                since_start.get((number, channel)),
                _tiles(folder, volumes.get((number, channel), {}), ranks),
            )
            for timepoint, number in enumerate(numbers)
            for channel in channels
        ),
        left_out=left_out,
        remarks=(*_remarks_on_names(files, len(numbers)), *holes, *irregular),
        waiting=waiting,
    )


def _tiles(folder: Path, files: dict[Site, File], ranks: list[dict[int, int]]) -> tuple[Tile, ...]:
    pieces: dict[Position, list[Piece]] = defaultdict(list)
    for z, y, x, number in sorted(files):
        pieces[ranks[0][z], ranks[1][y], ranks[2][x]].append(Piece(folder / files[z, y, x, number].name))
    return tuple(Tile(position, tuple(stack)) for position, stack in pieces.items())


def _remarks_on_names(files: list[File], timepoints: int) -> list[str]:
    remarks = []
    if len(prefixes := sorted({file.prefix for file in files}, key=natural)) > 1:
        remarks.append(f"The file names begin in {len(prefixes)} ways: {', '.join(map(repr, prefixes[:3]))}.")
    if timepoints > 1 and not timeaxis.varying_counters(files):
        remarks.append("Only the times in the names tell the timepoints apart.")
    return remarks


def open(folder: Path | str, pattern: str = "lattice", ignore: Sequence[str] = ()) -> "dask.array.Array":
    """See an acquisition as one lazy array; a file is read only when its part of it is computed.

    Parameters
    ----------
    folder, pattern, ignore
        As for `discover`.

    Returns
    -------
    dask.array.Array
        (c, t, z, y, x), one chunk a tile, tiles edge to edge; the first tile's dtype.

    Raises
    ------
    InputError
        As `discover` and `hyperstack.unfold`; upon computing, if a tile's shape or dtype is not the first one's.
    """
    import dask.array as da
    from dask.delayed import delayed

    from lightsheet import hyperstack, tiff

    acquisition = hyperstack.unfold(discover(folder, pattern, ignore))
    with tiff.open_stack(acquisition.volumes[0].tiles[0].pieces) as stack:
        shape, dtype = stack.shape, stack.dtype
    read = delayed(_read_block, pure=True)
    blocks: dict[tuple[int, ...], Any] = {}
    for volume in acquisition.volumes:
        place = acquisition.channels.index(volume.channel), volume.timepoint
        for tile in volume.tiles:
            pixels = read(tile.pieces, shape, dtype)
            blocks[*place, *tile.position] = da.from_delayed(pixels, (1, 1, *shape), dtype)  # type: ignore[no-untyped-call]
    extent = (len(acquisition.channels), acquisition.timepoints, *acquisition.grid)
    array: dask.array.Array = da.block(_nest(blocks, extent))  # type: ignore[no-untyped-call]
    return array


def _nest(blocks: dict[tuple[int, ...], Any], extent: tuple[int, ...], index: tuple[int, ...] = ()) -> Any:
    """Arrange blocks as lists of lists, one depth an axis."""
    if len(index) == len(extent):
        return blocks[index]
    return [_nest(blocks, extent, (*index, i)) for i in range(extent[len(index)])]


def _read_block(pieces: Sequence[Piece], shape: tuple[int, ...], dtype: "np.dtype[Any]") -> "np.ndarray[Any, Any]":
    from lightsheet import tiff

    with tiff.open_stack(pieces) as stack:
        if stack.shape != shape or stack.dtype != dtype:
            first = f"the first tile of the acquisition {shape} {dtype}"
            raise InputError(f"{pieces[0].path}: is {stack.shape} {stack.dtype}, {first}")
        return stack[:, :][None, None]
