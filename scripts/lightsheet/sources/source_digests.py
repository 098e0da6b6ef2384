"""Digests of what a volume is read from: of whole files, or of the pixels that it takes of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from blake3 import blake3

from lightsheet.sources.mosaic import intersect, measure_tile, open_mosaic
from lightsheet.sources.pieces import PageRange, Region, Tiles, list_pieces, open_pieces
from lightsheet.sources.zarr_view import is_selection
from lightsheet.system import digest_blake3, name_unreadable


def digest_sources(tiles: Tiles, shape: Sequence[int], dtype: str, region: Region | None = None) -> list[str]:
    """Return the digest of each piece of a volume: see `digest_source`.

    Of a `region` alone nothing else is read: the digest of a piece is then that of its tile's pixels there (z, y, x),
    in C and native order. Arguments and errors as for `open_mosaic`.
    """
    if region is None:
        return [digest_source(*piece) for piece in list_pieces(tiles)]
    with open_mosaic(tiles, shape, dtype, region) as volume:
        return [digest for position, pieces in tiles for digest in [volume.digest_tile(tuple(position))] * len(pieces)]


def digest_pixels(volume: np.ndarray, tiles: Tiles, region: Region | None = None) -> list[str] | None:
    """Return what `digest_sources` does, from pixels (z, y, x) that are in memory; None if they do not tell.

    They do not where a digest is of a whole file, and where a tile has several pieces.
    """
    pieces = list_pieces(tiles)
    if region is None and (len(pieces) > len(tiles) or any(pages is None for _, pages in pieces)):
        return None
    spans = region or [(0, n, n) for n in volume.shape]
    size = measure_tile(tiles, [whole for _, _, whole in spans])
    part, digests = [slice(start, stop) for start, stop, _ in spans], []
    for position, stack in tiles:
        digest = blake3()
        z, y, x = intersect(tuple(position), size, part)[1]
        for plane in volume[max(z.start, 0) : max(z.stop, 0)] if z.start < z.stop else ():
            digest.update(plane[_clip(y), _clip(x)].tobytes())
        digests += [digest.hexdigest()] * len(stack)
    return digests


def _clip(span: slice) -> slice:
    """Return an empty span for one that stops before it starts, which a negative end would not be."""
    return slice(span.start, max(span.start, span.stop))


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
    with open_pieces([(str(path), pages if is_selection(pages) else pages[:3])]) as stack:
        for z in range(stack.shape[0]):
            digest.update(stack[z : z + 1, :].tobytes())
    return digest.hexdigest()
