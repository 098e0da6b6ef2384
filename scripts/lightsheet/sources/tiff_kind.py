"""How the pages of a TIFF are stored: shape, dtype, compression, strips or tiles."""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from lightsheet.sources.tiff_ifd import Directory
from lightsheet.system import InputError


class Compression(IntEnum):
    """The compressions that are read here, by their number in a TIFF's tag."""

    NONE, LZW, ZLIB, OLD_ZLIB, PACKBITS, LZMA, ZSTD, OLD_ZSTD = 1, 5, 8, 32946, 32773, 34925, 50000, 34926


SAMPLE_FORMATS = {1: "u", 2: "i", 3: "f", 4: "u"}  # 4 is "undefined", which some cameras write
GREY = (0, 1, 3)  # white is 0, black is 0, or a colour map
SAMPLE_BITS = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
SAMPLES, ROWS_PER_STRIP, PREDICTOR, SAMPLE_FORMAT, DEPTH = 277, 278, 317, 339, 32997
TILE_WIDTH, TILE_LENGTH = 322, 323
STRIPS, TILES = (273, 279), (324, 325)
"""Numbers of tags: strips and tiles each have a list of offsets and one of byte counts."""


class Kind(NamedTuple):
    """What all pages of a file must have in common.

    `dtype` is in the file's byte order; `block` is the rows and columns of a tile or strip, of which the last strip of
    a page may have fewer rows.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    compression: int
    predictor: int
    is_tiled: bool
    block: tuple[int, int]


def find_kind(page: Directory) -> Kind:
    """Read how a page is stored, and refuse what is not stored as planes of numbers."""
    dtype = _find_dtype(page)
    compression, predictor = page.read_number(COMPRESSION, Compression.NONE), page.read_number(PREDICTOR, 1)
    if compression not in list(Compression):
        raise _advise_export(page, f"its compression ({compression}) is not read here", "with zlib, LZW or without")
    if predictor not in ((1,) if compression == Compression.NONE else (1, 2, 3) if dtype.kind == "f" else (1, 2)):
        raise ValueError(f"predictor {predictor} does not go with compression {compression} and {dtype}")
    shape = page.read_number(LENGTH), page.read_number(WIDTH)
    is_tiled = TILES[0] in page.tags
    if is_tiled == (STRIPS[0] in page.tags):
        raise ValueError("its pixels are in tiles and in strips, or in neither")
    if is_tiled:
        block = page.read_number(TILE_LENGTH), page.read_number(TILE_WIDTH)
    else:
        block = min(page.read_number(ROWS_PER_STRIP, shape[0]), shape[0]), shape[1]
    if 0 in shape + block:
        raise ValueError(f"its pages are {shape}, in blocks of {block}")
    return Kind(shape, dtype, compression, predictor, is_tiled, block)


def _find_dtype(page: Directory) -> np.dtype[Any]:
    if page.read_number(SAMPLES, 1) != 1 or page.read_number(PHOTOMETRIC, 1) not in GREY:
        raise _advise_export(page, "its pages have several values a pixel", "as single-channel planes")
    if page.read_number(DEPTH, 1) != 1 or page.read_number(FILL_ORDER, 1) != 1:
        raise _advise_export(page, "its pages are volumes, or their bits are reversed", "as planes")
    letter, bits = SAMPLE_FORMATS.get(page.read_number(SAMPLE_FORMAT, 1), ""), page.read_number(BITS, 1)
    if bits not in SAMPLE_BITS.get(letter, ()):
        raise _advise_export(page, "its voxels are of no type that NumPy has", "as 8, 16 or 32 bit planes")
    return np.dtype(f"{page.source.form.order}{letter}{bits // 8}")


def _advise_export(page: Directory, reason: str, remedy: str) -> InputError:
    return InputError(f"{page.source.path}: {reason}; export it {remedy}")
