"""Where the strips or tiles of a TIFF's pages lie, refused where they cannot be those of its pixels."""

import math
import re

import numpy as np

from lightsheet.sources.tiff_ifd import CutOffError, Directory, Integers
from lightsheet.sources.tiff_kind import STRIPS, TILES, Compression, Kind

MAX_RATIO = 1 << 16
"""No compression makes so many bytes of one (Zstandard comes to 32,768): a page that claims more is damaged."""

DESCRIPTION, METAMORPH_PLANES = 270, 33629
"""Numbers of tags."""

DESCRIPTION_BYTES = 1 << 16
"""How much of a description is read; OME-XML can be longer, and says nothing that is needed here."""


def locate_blocks(page: Directory, kind: Kind) -> tuple[Integers, Integers]:
    """Read offsets and byte counts of a page's strips or tiles; the counts must be those of its pixels."""
    (length, width), (rows, columns) = kind.shape, kind.block
    blocks_y, blocks_x = math.ceil(length / rows), math.ceil(width / columns)
    row = columns * kind.dtype.itemsize
    last = rows if kind.is_tiled else length - (blocks_y - 1) * rows
    offset_code, count_code = TILES if kind.is_tiled else STRIPS
    offsets = page.read_numbers(offset_code, blocks_y * blocks_x)
    if kind.compression == Compression.NONE:
        sizes = np.full(blocks_y * blocks_x, rows * row)
        sizes[-1] = last * row
        counts = page.read_numbers(count_code, blocks_y * blocks_x) if count_code in page.tags else np.zeros_like(sizes)
        if not counts.any():  # some programs write 0, or none: uncompressed pixels say by themselves how many they are
            return offsets, sizes
        is_wrong = not np.array_equal(counts, sizes)
    else:
        counts = page.read_numbers(count_code, blocks_y * blocks_x)
        is_wrong = int(counts.min()) * MAX_RATIO < last * row
    if is_wrong:
        raise ValueError(f"it has {counts.min()} to {counts.max()} bytes where {rows} rows of {row} belong")
    return offsets, counts


def check_places(offsets: Integers, counts: Integers, headers: Integers, size: int) -> None:
    """Refuse pixels that lie beyond the end of the file, or where other pixels or headers lie."""
    order = np.argsort(offsets, kind="stable")
    starts, ends = offsets[order], (offsets + counts)[order]
    if ends.max() > size:
        raise CutOffError(f"it has {size} bytes, its pixels end at {ends.max()}")
    before = np.searchsorted(starts, headers[:, 1]) - 1  # the last block that begins before a header ends
    if np.any(starts[1:] < ends[:-1]) or np.any((before >= 0) & (ends[before] > headers[:, 0])):
        raise ValueError("two of its parts lie in one place")


def count_planes(page: Directory) -> int:
    """Tell how many planes the only page of a file stands for."""
    counts = {1, page.tags.get(METAMORPH_PLANES, (0, 1))[1]}
    text = page.read_text(DESCRIPTION, DESCRIPTION_BYTES)
    if text.startswith("ImageJ="):
        sizes = {key: int(n) for key, n in re.findall(r"^(images|channels|slices|frames)=(\d{1,9})\s*$", text, re.M)}
        counts |= {sizes.pop("images", 1), math.prod(sizes.values())}
    elif header := re.match(r'\{"shape": \[([\d, ]+), \d+, \d+\].*"truncated": true', text):
        counts.add(math.prod(map(int, header[1].split(", "))))
    if len(counts) > 2:
        raise ValueError(f"it says that it has {' and '.join(map(str, sorted(counts - {1})))} planes")
    return max(counts)


def unfold_planes(kind: Kind, offsets: Integers, counts: Integers, planes: int, size: int) -> tuple[Integers, Integers]:
    """Turn one page that stands for many planes, one behind the other, into as many pages."""
    if planes == 1:
        return offsets, counts
    if kind.compression != Compression.NONE or kind.is_tiled:
        raise ValueError(f"it says that it has {planes} planes, and has one page")
    step = math.prod(kind.shape) * kind.dtype.itemsize
    if planes * step > size:
        raise CutOffError(f"it has {size} bytes, its {planes} planes need {planes * step}")
    return offsets + step * np.arange(planes)[:, None], np.repeat(counts, planes, axis=0)
