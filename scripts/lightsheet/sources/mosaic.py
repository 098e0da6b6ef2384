"""Tiles edge to edge as one volume, read by bands: what the shard writer asks for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from lightsheet.sources.pieces import Pile, Region, Tiles, open_pieces, split_part
from lightsheet.sources.zarr_stat import PieceStat, stat_holes
from lightsheet.sources.zarr_view import open_view
from lightsheet.system import BandSource, InputError, count_joint_rows


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
            return _cut(tile, intersect(position, self._size, region)[0])
        band = np.empty([span.stop - span.start for span in region], self.dtype)
        for position, tile in self._tiles.items():
            part, place = intersect(position, self._size, region)
            if all(span.start < span.stop for span in part):
                band[tuple(place)] = _cut(tile, part)
        return band

    def digest_tile(self, position: tuple[int, ...]) -> str:
        """Return the BLAKE3 digest of what the part has of a tile: its pixels (z, y, x), C and native order."""
        digest, tile = blake3(), self._tiles.get(position)
        z, y, x = intersect(position, self._size, self._part)[0]
        if tile is None:
            return digest.hexdigest()
        for plane in range(z.start, z.stop):
            digest.update(_cut(tile, [slice(plane, plane + 1), y, x]).tobytes())
        return digest.hexdigest()


def intersect(
    position: tuple[int, ...], size: Sequence[int], region: Sequence[slice]
) -> tuple[list[slice], list[slice]]:
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
    """Read some planes and rows of a tile, and keep some columns: all of them without a copy.

    Of a Zarr array no other column is read: chunks that are not needed may be holes.
    """
    z, y, x = spans
    if isinstance(tile, Pile):
        return tile.read_part(spans)
    return np.ascontiguousarray(tile[z, y][:, :, x])


def select_tiles(tiles: Tiles, region: Region | None) -> Tiles:
    """Return the tiles of a volume that a region meets: all if there is none."""
    if region is None:
        return tiles
    sizes = measure_tile(tiles, [size for _, _, size in region])
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
    expected = measure_tile(tiles, [size for _, _, size in region] if region else shape)
    spans = [slice(start, stop) for start, stop, _ in region] if region else None
    stacks: dict[tuple[int, ...], Any] = {}
    with ExitStack() as files:
        for position, pieces in select_tiles(tiles, region):
            part = intersect(tuple(position), expected, spans)[0] if spans else None
            stack = files.enter_context(open_pieces(pieces, part))
            if stack.shape != expected or stack.dtype != dtype:
                raise InputError(
                    f"{pieces[0][0]}: it is {stack.shape} {stack.dtype}, but most volumes of the acquisition are "
                    f"{expected} {dtype} (z, y, x); replace it, or put it in input.ignore"
                )
            stacks[tuple(position)] = stack
        yield Mosaic(stacks, spans)


def stat_holes_of_region(tiles: Tiles, region: Region) -> list[PieceStat]:
    """Return what `stat_holes` does of each piece of a volume in Zarr arrays, where the region meets it."""
    size, spans = measure_tile(tiles, [whole for _, _, whole in region]), [slice(a, b) for a, b, _ in region]
    stats = []
    for position, pieces in tiles:
        part = intersect(tuple(position), size, spans)[0]
        depths = [open_view(Path(path), pages or ()).shape[0] for path, pages in pieces]
        parts = split_part(depths, part)
        stats += [stat_holes(Path(path), pages or (), p or ()) for (path, pages), p in zip(pieces, parts, strict=True)]
    return stats


def measure_tile(tiles: Tiles, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of each tile of a whole volume."""
    grid = np.max([position for position, _ in tiles], axis=0) + 1
    return tuple(int(n // count) for n, count in zip(shape, grid, strict=True))


def describe_volume(tiles: Tiles, region: Region | None = None) -> tuple[list[int], str]:
    """Return the shape (z, y, x) and the dtype of a volume, or of a part of it, from the headers of its first tile."""
    nothing = [slice(0, 0)] * 3  # is read, so that no hole counts
    with open_pieces(tiles[0][1], nothing) as stack:
        grid = np.max([position for position, _ in tiles], axis=0) + 1
        whole = [int(n * count) for n, count in zip(stack.shape, grid, strict=True)]
        return [stop - start for start, stop, _ in region] if region else whole, stack.dtype.name
