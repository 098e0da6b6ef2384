"""What an acquisition is made of: volumes, their tiles, and the pieces of files that make a tile."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lightsheet.acquisition.listing import Reasons
from lightsheet.acquisition.seconds import find_interval
from lightsheet.acquisition.settling import count_reasons

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
    """One timepoint of one channel; a hole, if it has no tiles.

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

    Channels are in natural order, `wavelengths` in nm, `timepoints` their number, `grid` the number of tiles along
    (z, y, x), `seconds` since the first timepoint for each (None where unknown), `volumes` by timepoint, then channel.
    `excluded_files` holds (file name, why) of every TIFF that is not used, `waiting_files` of every TIFF that is left
    for the next run, `remarks` sentences for the person who runs it. `tile_numbers` are what the names have for each
    place along (z, y, x) of the grid; `has_planes` if they say of each file that it is a single plane.
    """

    folder: Path
    channels: tuple[str, ...]
    wavelengths: dict[str, int | None]
    timepoints: int
    grid: Position
    seconds: tuple[float | None, ...] | None
    volumes: tuple[Volume, ...]
    excluded_files: Reasons
    remarks: tuple[str, ...]
    waiting_files: Reasons = field(default=(), compare=False, repr=False)
    tile_numbers: tuple[tuple[int, ...], ...] = field(default=(), compare=False, repr=False)
    has_planes: bool = field(default=False, compare=False, repr=False)

    @property
    def interval(self) -> float | None:
        """Median seconds from one timepoint to the next; None where no two times are known."""
        return find_interval(self.seconds or ())

    @property
    def holes(self) -> tuple[tuple[str, int], ...]:
        """Channel and timepoint of each volume that is missing."""
        return tuple((volume.channel, volume.timepoint) for volume in self.volumes if not volume.tiles)

    @property
    def tiff_names(self) -> tuple[str, ...]:
        """The TIFFs, relative to the folder, used or excluded, from which `discover` makes this acquisition again."""
        paths = dict.fromkeys(piece.path for volume in self.volumes for piece in volume.pieces)
        excluded = (name for name, _ in self.excluded_files)
        return (*(path.relative_to(self.folder).as_posix() for path in paths), *excluded)

    @property
    def waiting_remark(self) -> str | None:
        """A sentence on what is left for the next run; None if nothing is."""
        if not self.waiting_files:
            return None
        count = "1 file is" if len(self.waiting_files) == 1 else f"{len(self.waiting_files)} files are"
        return f"{count} left for the next run: {count_reasons(why for _, why in self.waiting_files)}."
