"""Tiles edge to edge as one volume, read by bands: what the shard writer asks for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from lightsheet.sources.tiff_stack import count_pages, open_stack
from lightsheet.sources.zarr_volume import PieceStat, is_selection, open_selection, stat_selection
from lightsheet.system import BandSource, InputError, count_joint_rows, digest_blake3, name_unreadable, stat_file

PageRange = Sequence[Any] | None
"""What a piece takes of its path: of a TIFF start, stop and step of a range of its pages, and how many it has, if
known; None for all of them. Of a Zarr array a `Selection`, such as [3, 0, "z", "y", "x"]."""

Tiles = Sequence[tuple[Sequence[int], Sequence[tuple[str, PageRange]]]]
"""Per tile its position (z, y, x) in the grid, and its pieces, stacked along z: a file and its pages, or an array and
what is selected of it."""


def list_pieces(tiles: Tiles) -> list[tuple[str, PageRange]]:
    """Return the pieces of all tiles, in order."""
    return [piece for _, pieces in tiles for piece in pieces]


class Mosaic:
    """Tiles of one shape and dtype as a `BandSource`, by position (z, y, x) in a grid that they fill."""

    def __init__(self, tiles: Mapping[tuple[int, ...], BandSource]) -> None:
        first = next(iter(tiles.values()))
        grid = np.max(list(tiles), axis=0) + 1
        self.shape = tuple(int(n * count) for n, count in zip(first.shape, grid, strict=True))
        self.dtype, self.size = first.dtype, prod(self.shape)
        self.rows = max(count_joint_rows(tile) for tile in tiles.values())
        self.is_direct = len(tiles) == 1 and getattr(first, "is_direct", False)
        self._tiles, self._size = tiles, first.shape

    def __getitem__(self, rows: tuple[slice, slice], /) -> np.ndarray:
        """Read some planes and rows of every tile that has them."""
        if len(self._tiles) == 1:
            return next(iter(self._tiles.values()))[rows]
        (z, end, _), (top, bottom, _) = (s.indices(n) for s, n in zip(rows, self.shape, strict=False))
        depth, height, width = self._size
        band = np.empty((end - z, bottom - top, self.shape[2]), self.dtype)
        for (i, j, k), tile in self._tiles.items():
            first, last = max(z, i * depth), min(end, (i + 1) * depth)
            low, high = max(top, j * height), min(bottom, (j + 1) * height)
            if first < last and low < high:
                part = tile[first - i * depth : last - i * depth, low - j * height : high - j * height]
                band[first - z : last - z, low - top : high - top, k * width : (k + 1) * width] = part
        return band


@contextmanager
def open_mosaic(tiles: Tiles, shape: Sequence[int], dtype: str) -> Iterator[Mosaic]:
    """Open the files of a volume for the time of a block.

    Parameters
    ----------
    tiles : Tiles, where the pixels are
    shape : sequence of int, (z, y, x) of the volume, all tiles together
    dtype : str, of its pixels

    Yields
    ------
    Mosaic (z, y, x), read by bands

    Raises
    ------
    InputError
        If a file cannot be read or has another number of pages, or a tile another shape or dtype.
    """
    grid = np.max([position for position, _ in tiles], axis=0) + 1
    expected = tuple(int(n // count) for n, count in zip(shape, grid, strict=True))
    stacks: dict[tuple[int, ...], Any] = {}
    with ExitStack() as files:
        for position, pieces in tiles:
            stack = files.enter_context(_open_pieces(pieces))
            if stack.shape != expected or stack.dtype != dtype:
                raise InputError(
                    f"{pieces[0][0]}: it is {stack.shape} {stack.dtype}, but most volumes of the acquisition are "
                    f"{expected} {dtype} (z, y, x); replace it, or put it in input.ignore"
                )
            stacks[tuple(position)] = stack
        yield Mosaic(stacks)


@contextmanager
def _open_pieces(pieces: Sequence[tuple[str, PageRange]]) -> Iterator[BandSource]:
    """Open the pieces of a tile, stacked along z."""
    if is_selection(pieces[0][1]):
        with ExitStack() as arrays:
            yield _Pile([arrays.enter_context(open_selection(Path(path), what or ())) for path, what in pieces])
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


class _Pile:
    """Volumes of one shape in y and x as a `BandSource`, stacked along z."""

    def __init__(self, parts: Sequence[BandSource]) -> None:
        first = parts[0]
        for part in parts[1:]:
            if (part.shape[1:], part.dtype) != (first.shape[1:], first.dtype):
                raise InputError(f"the pieces of a tile are {first.shape} {first.dtype} and {part.shape} {part.dtype}")
        self.shape = (sum(part.shape[0] for part in parts), *first.shape[1:])
        self.dtype, self.rows = first.dtype, max(map(count_joint_rows, parts))
        self._parts = parts

    def __getitem__(self, rows: tuple[slice, slice], /) -> np.ndarray:
        if len(self._parts) == 1:
            return self._parts[0][rows]
        start, stop, _ = rows[0].indices(self.shape[0])
        bands, first = [], 0
        for part in self._parts:
            low, high = max(start - first, 0), min(stop - first, part.shape[0])
            if low < high:
                bands.append(part[low:high, rows[1]])
            first += part.shape[0]
        return np.concatenate(bands)


def digest_source(path: str | Path, pages: PageRange) -> str:
    """Return the BLAKE3 digest, in hexadecimal, of a file, or of the pixels of some of its pages, or of a Zarr array.

    That of pixels, (z, y, x) in C and native order, is the same however a Zarr is cut into chunks and encoded.

    Parameters
    ----------
    path : str or Path, the file, or a Zarr array
    pages : PageRange, of a file that volumes share, or of a Zarr array: the digest is then of these pixels

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if pages is None:
        with name_unreadable(path):
            return digest_blake3(Path(path))
    digest = blake3()
    with _open_pieces([(str(path), pages if is_selection(pages) else pages[:3])]) as stack:
        for z in range(stack.shape[0]):
            digest.update(stack[z : z + 1, :].tobytes())
    return digest.hexdigest()


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
