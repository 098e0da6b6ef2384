"""What an acquisition is made of: volumes, their tiles, and the pieces of files that make a tile."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lightsheet.acquisition.listing import Reasons
from lightsheet.acquisition.seconds import find_interval
from lightsheet.acquisition.settling import count_reasons

if TYPE_CHECKING:  # who only lists a folder imports nothing heavy
    from lightsheet.sources import PageRange, Tiles

Position = tuple[int, int, int]
Key = tuple[str, int]  # channel and timepoint of a volume


class Piece(NamedTuple):
    """A file, or some of its pages (from 0), None for all of them; or a Zarr array and what is selected of it."""

    path: Path
    pages: range | tuple[int | str, ...] | None = None


def list_stack_pieces(pieces: Sequence[Piece]) -> list[tuple[Path, range | None]]:
    """Return the pieces of TIFFs as `open_stack` takes them."""
    return [(piece.path, piece.pages if isinstance(piece.pages, range) else None) for piece in pieces]


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
    def key(self) -> Key:
        """Its channel and its timepoint."""
        return self.channel, self.timepoint

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of all tiles."""
        return tuple(piece for tile in self.tiles for piece in tile.pieces)


class Part(NamedTuple):
    """What of an acquisition is selected."""

    timepoints: tuple[int, ...]  # on the time axis of the whole acquisition, which has so many:
    whole_timepoints: int
    whole_channels: tuple[str, ...]
    other_names: tuple[str, ...]  # TIFFs, relative to the folder, of which no volume is selected
    page_counts: Mapping[Path, int]  # as `Acquisition.page_counts`, of all volumes


@dataclass(frozen=True)
class Acquisition:
    """A folder of TIFF stacks, understood.

    Channels are in natural order, `wavelengths` in nm, `timepoints` their number, `grid` the number of tiles along
    (z, y, x), `seconds` since the first timepoint for each (None where unknown), `volumes` by timepoint, then channel.
    `excluded_files` holds (file name, why) of every TIFF that is not used, `waiting_files` of every TIFF that is left
    for the next run, `awaited_timepoints` are in words those that are selected but not there yet, `remarks` sentences
    for the person who runs it. `tile_numbers` are what the names have for each place along (z, y, x) of the grid;
    `has_planes` if they say of each file that it is a single plane. Where a `part` of the folder is selected, all this
    is of that alone, and volumes have the timepoints that they have in the whole. `stores` are the names of Zarr
    stores, used or excluded, none where the files are TIFFs; `colours`, RRGGBB, those of channels that the stores name.
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
    awaited_timepoints: str = field(default="", compare=False, repr=False)
    tile_numbers: tuple[tuple[int, ...], ...] = field(default=(), compare=False, repr=False)
    has_planes: bool = field(default=False, compare=False, repr=False)
    part: Part | None = None
    stores: tuple[str, ...] = field(default=(), compare=False, repr=False)
    colours: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def time_axis(self) -> Sequence[int]:
        """The timepoint of the volumes at each place on the time axis."""
        return self.part.timepoints if self.part else range(self.timepoints)

    @cached_property
    def page_counts(self) -> Mapping[Path, int]:
        """How many pages each file has whose pages are shared out among volumes."""
        return self.part.page_counts if self.part else count_pages(self.volumes)

    @property
    def interval(self) -> float | None:
        """Median seconds from one timepoint to the next; None where no two times are known."""
        return find_interval(self.seconds or ())

    @property
    def holes(self) -> tuple[Key, ...]:
        """Channel and timepoint of each volume that is missing."""
        return tuple(volume.key for volume in self.volumes if not volume.tiles)

    @property
    def tiff_names(self) -> tuple[str, ...]:
        """The TIFFs, relative to the folder, used or not, from which `discover` makes this acquisition again.

        Of Zarr stores their names: `unfold_stores` opens them.
        """
        if self.stores:
            return self.stores
        paths = dict.fromkeys(piece.path for volume in self.volumes for piece in volume.pieces)
        excluded_names = (name for name, _ in self.excluded_files)
        part_names = self.part.other_names if self.part else ()
        return (*(path.relative_to(self.folder).as_posix() for path in paths), *part_names, *excluded_names)

    def list_tiles(self, volume: Volume) -> "Tiles":
        """Return the tiles of a volume as `open_mosaic` takes them, none of a missing one."""
        return [
            (tile.position, [(str(piece.path), self._describe_pages(piece)) for piece in tile.pieces])
            for tile in volume.tiles
        ]

    def _describe_pages(self, piece: Piece) -> "PageRange":
        if isinstance(piece.pages, range):
            return piece.pages.start, piece.pages.stop, piece.pages.step, self.page_counts[piece.path]
        return piece.pages and list(piece.pages)

    @property
    def waiting_remark(self) -> str | None:
        """Sentences on what is left for the next run; None if nothing is."""
        sentences = []
        if self.waiting_files:
            count = "1 file is" if len(self.waiting_files) == 1 else f"{len(self.waiting_files)} files are"
            reasons = count_reasons(reason for _, reason in self.waiting_files)
            sentences.append(f"{count} left for the next run: {reasons}.")
        if self.awaited_timepoints:
            sentences.append(f"Selected, but not there yet, or not settled: {self.awaited_timepoints}.")
        return " ".join(sentences) or None


def count_pages(volumes: Iterable[Volume]) -> Mapping[Path, int]:
    """Count the pages that volumes take of each file, but for files that are taken whole."""
    counts: Counter[Path] = Counter()
    for piece in (piece for volume in volumes for piece in volume.pieces):
        counts[piece.path] += len(piece.pages) if isinstance(piece.pages, range) else 0
    return counts
