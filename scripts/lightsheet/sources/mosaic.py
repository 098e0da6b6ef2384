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


Region = Sequence[Sequence[int]]
"""A part of a volume: per axis (z, y, x) where it starts, where it stops, and how many voxels the whole volume has."""


def list_pieces(tiles: Tiles) -> list[tuple[str, PageRange]]:
    """Return the pieces of all tiles, in order."""
    return [piece for _, pieces in tiles for piece in pieces]


class Mosaic:
    """Tiles of one shape and dtype as a `BandSource`, by position (z, y, x) in a grid, or a part of them.

    They fill the grid, or all of it that the `part` (slices along z, y and x) meets. Of the others nothing is read.
    """

    def __init__(self, tiles: Mapping[tuple[int, ...], BandSource], part: Sequence[slice] | None = None) -> None:
        first = next(iter(tiles.values()))
        grid = np.max(list(tiles), axis=0) + 1
        whole = [int(n * count) for n, count in zip(first.shape, grid, strict=True)]
        self._part = [slice(0, n) for n in whole] if part is None else list(part)
        self.shape = tuple(span.stop - span.start for span in self._part)
        self.dtype, self.size = first.dtype, prod(self.shape)
        self.rows = max(count_joint_rows(tile) for tile in tiles.values())
        self.is_direct = len(tiles) == 1 and getattr(first, "is_direct", False)
        self._tiles, self._size = tiles, first.shape

    def __getitem__(self, rows: tuple[slice, slice], /) -> np.ndarray:
        """Read some planes and rows of every tile that has them."""
        region = [_shift(span.indices(n), p.start) for span, n, p in zip(rows, self.shape, self._part, strict=False)]
        region.append(self._part[2])
        if len(self._tiles) == 1:
            ((position, tile),) = self._tiles.items()
            return _cut(tile, _meet(position, self._size, region)[0])
        band = np.empty([span.stop - span.start for span in region], self.dtype)
        for position, tile in self._tiles.items():
            part, place = _meet(position, self._size, region)
            if all(span.start < span.stop for span in part):
                band[tuple(place)] = _cut(tile, part)
        return band

    def digest_tile(self, position: tuple[int, ...]) -> str:
        """Return the BLAKE3 digest of what the part has of a tile: its pixels (z, y, x), C and native order."""
        digest, tile = blake3(), self._tiles.get(position)
        z, y, x = _meet(position, self._size, self._part)[0]
        if tile is None:
            return digest.hexdigest()
        for plane in range(z.start, z.stop):
            digest.update(_cut(tile, [slice(plane, plane + 1), y, x]).tobytes())
        return digest.hexdigest()


def _meet(position: tuple[int, ...], size: Sequence[int], region: Sequence[slice]) -> tuple[list[slice], list[slice]]:
    """Return what a region and a tile have in common, counted from the tile's first voxel and the region's."""
    lows = [max(span.start, i * n) for span, i, n in zip(region, position, size, strict=True)]
    highs = [min(span.stop, (i + 1) * n) for span, i, n in zip(region, position, size, strict=True)]
    part = [slice(a - i * n, b - i * n) for a, b, i, n in zip(lows, highs, position, size, strict=True)]
    place = [slice(a - span.start, b - span.start) for a, b, span in zip(lows, highs, region, strict=True)]
    return part, place


def _shift(indices: tuple[int, int, int], offset: int) -> slice:
    start, stop, _ = indices
    return slice(start + offset, max(start, stop) + offset)


def _cut(tile: BandSource, spans: Sequence[slice]) -> np.ndarray:
    """Read some planes and rows of a tile, and keep some columns: all of them without a copy."""
    z, y, x = spans
    return np.ascontiguousarray(tile[z, y][:, :, x])


def select_tiles(tiles: Tiles, region: Region | None) -> Tiles:
    """Return the tiles of a volume that a region meets: all if there is none."""
    if region is None:
        return tiles
    sizes = _measure_tile(tiles, [size for _, _, size in region])
    return [
        (position, pieces)
        for position, pieces in tiles
        if all(
            start < (i + 1) * n and i * n < stop for (start, stop, _), i, n in zip(region, position, sizes, strict=True)
        )
    ]


@contextmanager
def open_mosaic(tiles: Tiles, shape: Sequence[int], dtype: str, region: Region | None = None) -> Iterator[Mosaic]:
    """Open the files of a volume for the time of a block.

    Parameters
    ----------
    tiles : Tiles, where the pixels are
    shape : sequence of int, (z, y, x) of the volume, all tiles together; with a `region`, of that
    dtype : str, of its pixels
    region : Region, optional, the part of the volume that is read; what lies beyond it is not

    Yields
    ------
    Mosaic (z, y, x), read by bands

    Raises
    ------
    InputError
        If a file cannot be read or has another number of pages, or a tile another shape or dtype.
    """
    expected = _measure_tile(tiles, [size for _, _, size in region] if region else shape)
    stacks: dict[tuple[int, ...], Any] = {}
    with ExitStack() as files:
        for position, pieces in select_tiles(tiles, region):
            stack = files.enter_context(_open_pieces(pieces))
            if stack.shape != expected or stack.dtype != dtype:
                raise InputError(
                    f"{pieces[0][0]}: it is {stack.shape} {stack.dtype}, but most volumes of the acquisition are "
                    f"{expected} {dtype} (z, y, x); replace it, or put it in input.ignore"
                )
            stacks[tuple(position)] = stack
        yield Mosaic(stacks, [slice(start, stop) for start, stop, _ in region] if region else None)


def _measure_tile(tiles: Tiles, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of each tile of a whole volume."""
    grid = np.max([position for position, _ in tiles], axis=0) + 1
    return tuple(int(n // count) for n, count in zip(shape, grid, strict=True))


def digest_sources(tiles: Tiles, shape: Sequence[int], dtype: str, region: Region | None = None) -> list[str]:
    """Return the digest of each piece of a volume: see `digest_source`.

    Of a `region` alone nothing else is read: the digest of a piece is then that of its tile's pixels there (z, y, x),
    in C and native order. Arguments and errors as for `open_mosaic`.
    """
    if region is None:
        return [digest_source(*piece) for piece in list_pieces(tiles)]
    with open_mosaic(tiles, shape, dtype, region) as volume:
        return [digest for at, pieces in tiles for digest in [volume.digest_tile(tuple(at))] * len(pieces)]


def digest_pixels(volume: np.ndarray, tiles: Tiles, region: Region | None = None) -> list[str] | None:
    """Return what `digest_sources` does, from pixels (z, y, x) that are in memory; None if they do not tell.

    They do not where a digest is of a whole file, and where a tile has several pieces.
    """
    pieces = list_pieces(tiles)
    if region is None and (len(pieces) > len(tiles) or any(pages is None for _, pages in pieces)):
        return None
    spans = region or [(0, n, n) for n in volume.shape]
    size = _measure_tile(tiles, [whole for _, _, whole in spans])
    part, digests = [slice(start, stop) for start, stop, _ in spans], []
    for position, stack in tiles:
        digest = blake3()
        z, y, x = _meet(tuple(position), size, part)[1]
        for plane in volume[max(z.start, 0) : max(z.stop, 0)] if z.start < z.stop else ():
            digest.update(plane[_clip(y), _clip(x)].tobytes())
        digests += [digest.hexdigest()] * len(stack)
    return digests


def _clip(span: slice) -> slice:
    """Return an empty span for one that stops before it starts, which a negative end would not be."""
    return slice(span.start, max(span.start, span.stop))


@contextmanager
def _open_pieces(pieces: Sequence[tuple[str, PageRange]]) -> Iterator[BandSource]:
    """Open the pieces of a tile, stacked along z."""
    if is_selection(pieces[0][1]):
        with ExitStack() as arrays:
            yield _Pile(
                [arrays.enter_context(open_selection(Path(path), selection or ())) for path, selection in pieces]
            )
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


def describe_volume(tiles: Tiles, region: Region | None = None) -> tuple[list[int], str]:
    """Return the shape (z, y, x) and the dtype of a volume, or of a part of it, from the headers of its first tile."""
    with _open_pieces(tiles[0][1]) as stack:
        grid = np.max([position for position, _ in tiles], axis=0) + 1
        whole = [int(n * count) for n, count in zip(stack.shape, grid, strict=True)]
        return [stop - start for start, stop, _ in region] if region else whole, stack.dtype.name


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
