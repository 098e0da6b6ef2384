"""The pieces of a tile: files of its planes, or arrays and what is selected of them, stacked along z."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.sources.tiff_stack import count_pages, open_stack
from lightsheet.sources.zarr_stat import PieceStat, stat_selection
from lightsheet.sources.zarr_view import Part, is_selection
from lightsheet.sources.zarr_volume import ZarrVolume, open_selection
from lightsheet.system import BandSource, InputError, count_joint_rows, stat_file

PageRange = Sequence[Any] | None
"""What a piece takes of its path: of a TIFF start, stop and step of a range of its pages, and how many it has, if
known; None for all of them. Of a Zarr array a `Selection`, such as [3, 0, "z", "y", "x"]."""

Tiles = Sequence[tuple[Sequence[int], Sequence[tuple[str, PageRange]]]]
"""Per tile its position (z, y, x) in the grid, and its pieces, stacked along z: a file and its pages, or an array and
what is selected of it."""

Region = Sequence[Sequence[int]]
"""A part of a volume: per axis (z, y, x) where it starts, where it stops, and how many voxels the whole volume has."""


def list_pieces(tiles: Tiles) -> list[tuple[str, PageRange]]:
    """Return the pieces of all tiles, in order."""
    return [piece for _, pieces in tiles for piece in pieces]


@contextmanager
def open_pieces(pieces: Sequence[tuple[str, PageRange]], part: Part | None = None) -> Iterator[BandSource]:
    """Open the pieces of a tile, stacked along z, to read a part of it, or all.

    InputError if they cannot be read, have another number of pages, or were not written where they are read.
    """
    if is_selection(pieces[0][1]):
        with ExitStack() as arrays:
            volumes = [arrays.enter_context(open_selection(Path(path), selection or ())) for path, selection in pieces]
            for volume, piece_part in zip(volumes, split_part([v.shape[0] for v in volumes], part), strict=True):
                volume.refuse_holes(piece_part)
            yield Pile(volumes)
        return
    for path, pages in pieces:
        # A file of several volumes: where it has other pages than they take, they lie elsewhere in it.
        if pages is not None and len(pages) > 3 and (count := count_pages(Path(path))) != pages[3]:
            raise InputError(
                f"{path}: it has {count} pages, but {pages[3]} are expected, as in most files of the "
                "acquisition; copy it again, or put it in input.ignore"
            )
    with open_stack([(Path(path), range(*pages[:3]) if pages else None) for path, pages in pieces]) as stack:
        yield stack


def split_part(depths: Sequence[int], part: Part | None) -> list[Part | None]:
    """Return what a part of a tile is of each of its pieces, by their planes; None, which is all, for None."""
    if part is None:
        return [None for _ in depths]
    z, y, x = part
    firsts = [sum(depths[:number]) for number in range(len(depths))]
    planes = [slice(max(z.start - a, 0), min(z.stop - a, n)) for a, n in zip(firsts, depths, strict=True)]
    return [(span, y, x) for span in planes]


class Pile:
    """Volumes of one shape in y and x as a `BandSource`, stacked along z."""

    def __init__(self, parts: Sequence[ZarrVolume]) -> None:
        first = parts[0]
        for part in parts[1:]:
            if (part.shape[1:], part.dtype) != (first.shape[1:], first.dtype):
                raise InputError(f"the pieces of a tile are {first.shape} {first.dtype} and {part.shape} {part.dtype}")
        self.shape = (sum(part.shape[0] for part in parts), *first.shape[1:])
        self.dtype, self.rows = first.dtype, max(map(count_joint_rows, parts))
        self._parts = parts

    def __getitem__(self, rows: tuple[slice, slice], /) -> np.ndarray:
        return self.read_part((*rows, slice(None)))

    def read_part(self, part: Part) -> np.ndarray:
        """Read voxels (z, y, x), and nothing else."""
        if len(self._parts) == 1:
            return self._parts[0].read_part(part)
        start, stop, _ = part[0].indices(self.shape[0])
        pieces = split_part([volume.shape[0] for volume in self._parts], (slice(start, stop), *part[1:]))
        pairs = zip(self._parts, pieces, strict=True)
        return np.concatenate([volume.read_part(p) for volume, p in pairs if p and p[0].start < p[0].stop])


def stat_source(path: str | Path, pages: PageRange) -> PieceStat:
    """Return what tells whether a piece has changed, without reading pixels.

    Parameters
    ----------
    path : str or Path, the file, or a Zarr array
    pages : PageRange, of a Zarr array: the files of these chunks are looked at, one by one

    Raises
    ------
    InputError
        If the file, or the metadata of the array, cannot be read.
    """
    if pages is not None and is_selection(pages):
        return stat_selection(Path(path), pages)
    stat = stat_file(Path(path))
    return PieceStat(stat.st_size, stat.st_mtime_ns)


def format_pages(pages: PageRange) -> str:
    """Write what a piece takes of its path as one word, for tables: `all`, `0:30:3:60`, `3:0:z:y:x`."""
    return "all" if pages is None else ":".join(map(str, pages))


def parse_pages(text: str) -> PageRange:
    """Read what `format_pages` has written."""
    if text == "all":
        return None
    return tuple(int(part) if part.isdecimal() else part for part in text.split(":"))
