"""Rows of pixels out of the pages of one TIFF file: read as they lie in the file, or decoded in threads.

Damage to compressed pixels is seen for certain where the codec keeps a checksum: zlib and LZMA do. In LZW, PackBits and
Zstandard (whose checksum `tifffile` and libtiff leave out) it is seen only where too few or too many bytes come out; in
uncompressed pixels, never.
"""

import math
import os
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from lightsheet.sources.tiff_kind import Compression
from lightsheet.sources.tiff_pages import Pages, explain_damage
from lightsheet.system import InputError

Volume = np.ndarray[tuple[int, int, int], np.dtype[Any]]
Plane = np.ndarray[tuple[int, int], np.dtype[Any]]

DECODERS: dict[int, str] = {
    Compression.LZW: "lzw_decode",
    Compression.ZLIB: "deflate_decode",
    Compression.OLD_ZLIB: "deflate_decode",
    Compression.PACKBITS: "packbits_decode",
    Compression.LZMA: "lzma_decode",
    Compression.ZSTD: "zstd_decode",
    Compression.OLD_ZSTD: "zstd_decode",
}
"""Of imagecodecs, which is imported where a file is compressed: uncompressed ones do without its 45 MB."""


def read_rows(rows: range, apply: Callable[..., Iterable[Any]], pages: Pages, numbers: range, pixels: Volume) -> None:
    """Read the same rows of some pages of a file; of uncompressed pages nothing else is read.

    `apply` is `map`, or that of a pool of threads, which then decode a page each; `pixels`, (z, y, x), contiguous and
    in native byte order, is filled.
    """
    with explain_damage(pages.path):
        handle = os.open(pages.path, os.O_RDONLY)
        try:
            stat = os.fstat(handle)
            if (stat.st_size, stat.st_mtime_ns) != pages.stamp:
                raise InputError(f"{pages.path}: it changed while it was read; run again when it is written whole")
            if pages.is_plain:
                _read_plain(handle, pages, numbers, rows, pixels)
            else:
                list(apply(partial(_read_blocks, handle, pages, rows), numbers, pixels))
        finally:
            os.close(handle)


def _read_plain(handle: int, pages: Pages, numbers: range, rows: range, pixels: Volume) -> None:
    """Read rows as they lie in the file; those of pages that lie one behind the other at once."""
    row = pages.kind.shape[1] * pages.kind.dtype.itemsize
    size = len(rows) * row
    places = pages.offsets[numbers, 0] + rows.start * row
    gaps = np.flatnonzero(np.diff(places) != size) + 1
    content = memoryview(pixels).cast("B")
    for first, last in zip([0, *gaps], [*gaps, len(places)], strict=True):
        rest, place = content[first * size : last * size], int(places[first])
        while rest:  # Linux reads 2 GB at most at a time
            count = os.preadv(handle, [rest], place)
            if count == 0:
                raise ValueError("it became shorter while it was read")
            rest, place = rest[count:], place + count
    if not pages.kind.dtype.isnative:
        pixels.byteswap(inplace=True)


def _read_blocks(handle: int, pages: Pages, rows: range, number: int, plane: Plane) -> None:
    """Decode the strips or tiles of a page that hold some of its rows."""
    height, width = pages.kind.block
    block_columns = math.ceil(pages.kind.shape[1] / width)
    for index in range(rows.start // height * block_columns, math.ceil(rows.stop / height) * block_columns):
        block = _decode_block(handle, pages, number, index)
        top, left = index // block_columns * height, index % block_columns * width
        first, last = max(top, rows.start), min(top + height, rows.stop)
        target = plane[first - rows.start : last - rows.start, left : left + width]
        target[:] = block[first - top : last - top, : target.shape[1]]


def _decode_block(handle: int, pages: Pages, number: int, index: int) -> Plane:
    """Decode a strip or tile."""
    kind, count = pages.kind, int(pages.counts[number, index])
    rows, columns = kind.block
    if not kind.is_tiled:
        rows = min(rows, kind.shape[0] - index * rows)
    size = rows * columns * kind.dtype.itemsize
    content: bytes | bytearray | memoryview = os.pread(handle, count, int(pages.offsets[number, index]))
    if kind.compression != Compression.NONE:
        content = _find_codec(DECODERS[kind.compression])(content, out=size + 1)  # one more, to see if there is more
    if len(content) != size:
        raise ValueError(f"page {number}: {len(content)} bytes instead of {size}")
    if kind.predictor == 3:
        floats = np.frombuffer(content, kind.dtype.newbyteorder("=")).reshape(rows, columns)
        return np.asarray(_find_codec("floatpred_decode")(floats, axis=-1))
    block = np.frombuffer(content, kind.dtype).reshape(rows, columns)
    if kind.predictor == 2:
        integers = block.astype(kind.dtype.newbyteorder("="), copy=False).view(f"u{kind.dtype.itemsize}")
        return np.asarray(_find_codec("delta_decode")(integers, axis=-1)).view(kind.dtype.newbyteorder("="))
    return block


def _find_codec(name: str) -> Callable[..., Any]:
    codec: Callable[..., Any] = getattr(import_module("imagecodecs"), name)
    return codec
