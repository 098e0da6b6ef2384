"""The pages of a TIFF file: where the pixels of each lie and how they are stored, read strictly.

`tifffile` repairs what it can and logs the rest: a damaged tag is left out (and with it the predictor, say), a list of
strips is cut to fit, a broken link ends the file. That opens more files, but wrong pixels can pass. Here a page is as
the specification (TIFF 6.0, and its 64-bit form BigTIFF) has it, or the file is refused. It is also quicker.
"""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.sources.tiff_ifd import CutOffError, Directory, Integers, read_directories
from lightsheet.system import InputError


class Compression(IntEnum):
    """The compressions that are read here, by their number in a TIFF's tag."""

    NONE, LZW, ZLIB, OLD_ZLIB, PACKBITS, LZMA, ZSTD, OLD_ZSTD = 1, 5, 8, 32946, 32773, 34925, 50000, 34926


MAX_RATIO = 1 << 16
"""No compression makes so many bytes of one (Zstandard comes to 32,768): a page that claims more is damaged."""

SAMPLE_FORMATS = {1: "u", 2: "i", 3: "f", 4: "u"}  # 4 is "undefined", which some cameras write
GREY = (0, 1, 3)  # white is 0, black is 0, or a colour map
SAMPLE_BITS = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}

SUBFILE, PAGE_NUMBER = 254, 297
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, DESCRIPTION = 256, 257, 258, 259, 262, 266, 270
SAMPLES, ROWS_PER_STRIP, PREDICTOR, SAMPLE_FORMAT, DEPTH, METAMORPH_PLANES = 277, 278, 317, 339, 32997, 33629
TILE_WIDTH, TILE_LENGTH, STRIPS, TILES = 322, 323, (273, 279), (324, 325)
"""Strips and tiles each have a list of offsets and one of byte counts."""

DESCRIPTION_BYTES = 1 << 16
"""How much of a description is read; OME-XML can be longer, and says nothing that is needed here."""


class Kind(NamedTuple):
    """What all pages of a file must have in common.

    `dtype` is in the file's byte order; `block` is the rows and columns of a tile or strip, of which the last strip of
    a page may have fewer rows.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    compression: int
    predictor: int
    tiled: bool
    block: tuple[int, int]


@dataclass(frozen=True)
class Pages:
    """The pages of a TIFF file, in its order.

    `stamp` is the file's size in bytes and its time in ns when the headers were read; `offsets` and `counts`, (page,
    block), where each strip or tile begins in the file, and its bytes.
    """

    path: Path
    stamp: tuple[int, int]
    kind: Kind
    offsets: Integers
    counts: Integers

    def __len__(self) -> int:
        return len(self.offsets)

    @cached_property
    def is_plain(self) -> bool:
        """Whether the rows of each page lie uncompressed one behind the other."""
        ends = self.offsets[:, :-1] + self.counts[:, :-1]
        is_raw = self.kind.compression == Compression.NONE and not self.kind.tiled
        return is_raw and np.array_equal(ends, self.offsets[:, 1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the voxels, in native byte order."""
        return self.kind.dtype.newbyteorder("=")


def read_pages(path: Path) -> Pages:
    """Read the headers of a TIFF file; those of the last files are remembered.

    A stack that ImageJ (over 4 GB), MetaMorph or tifffile wrote as one page and a number of planes counts as the pages
    that it stands for. Damage that is not seen: in a file of one page, a predictor switched on or off, and bytes
    inserted before the pixels; an offset moved by no more bytes than lie unused beside its strip.
    """
    with explain_damage(path):
        stat = path.stat()
        return _read_headers(path, (stat.st_size, stat.st_mtime_ns))


@contextmanager
def explain_damage(path: Path) -> Iterator[None]:
    """Say in a sentence why a file cannot be read."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except CutOffError as error:
        raise InputError(f"{path}: the file is cut off ({error}); copy it again from the microscope") from error
    except (OSError, ValueError, RuntimeError) as error:  # the codecs' errors are RuntimeErrors
        remedy = "copy it again; if it was written so, open it in Fiji and save it as TIFF, or put it in input.ignore"
        raise InputError(f"{path}: cannot be read as TIFF ({error}); {remedy}") from error


@lru_cache(maxsize=16)  # a file of many volumes is read again for each of them
def _read_headers(path: Path, stamp: tuple[int, int]) -> Pages:
    handle = os.open(path, os.O_RDONLY)
    try:
        kind: Kind | None = None
        blocks: list[tuple[Integers, Integers]] = []
        roles: list[tuple[int, int]] = []
        for directory in read_directories(path, handle):
            page_kind = _find_kind(directory)
            kind = kind or page_kind
            if page_kind != kind:
                problem = "is compressed or cut into strips unlike page 0; save the file again, all pages alike"
                if (page_kind.shape, page_kind.dtype) != (kind.shape, kind.dtype):
                    kinds = f"is {page_kind.shape} {page_kind.dtype}, page 0 is {kind.shape} {kind.dtype}"
                    problem = f"{kinds}; a volume needs pages of one kind"
                raise InputError(f"{path}: page {len(blocks)} {problem}")
            blocks.append(_locate_blocks(directory, kind))
            roles.append(_read_role(directory))
        if kind is None:
            raise ValueError("it has no pages")
        offsets, counts = (np.stack(numbers) for numbers in zip(*blocks, strict=True))
        if len(blocks) == 1:
            offsets, counts = _unfold(kind, offsets, counts, _count_planes(directory), directory.source.size)
    finally:
        os.close(handle)
    _refuse_roles(path, roles)
    _check_places(offsets.ravel(), counts.ravel(), np.array(directory.source.headers), directory.source.size)
    return Pages(path, stamp, kind, offsets, counts)


def _read_role(page: Directory) -> tuple[int, int]:
    """Return whether a page is a smaller copy of another or a mask (bits 1 and 4), and its number; 0 if it has none."""
    kind, count, value = page.tags.get(PAGE_NUMBER, (0, 0, b""))
    number = int(np.frombuffer(value[:2], f"{page.source.form.order}u2")[0]) if (kind, count) == (3, 2) else 0
    return page.read_number(SUBFILE, 0) & 5, number


def _refuse_roles(path: Path, roles: list[tuple[int, int]]) -> None:
    """Refuse pages that are no planes, or in another order than that of their numbers, as tags of theirs say."""
    kinds, numbers = zip(*roles, strict=True)
    if len(set(kinds)) > 1:
        index = next(index for index, kind in enumerate(kinds) if kind)
        raise InputError(
            f"{path}: page {index} (from 0) is a smaller copy of another, or a mask (tag {SUBFILE}); save the "
            "planes alone"
        )
    if len(set(numbers)) == len(numbers) and any(after < before for before, after in pairwise(numbers)):
        raise InputError(
            f"{path}: its pages have the numbers {', '.join(map(str, numbers[:3]))} ... (tag {PAGE_NUMBER}); save them "
            "in their order"
        )


def _find_kind(page: Directory) -> Kind:
    """Read how a page is stored, and refuse what is not stored as planes of numbers."""
    dtype = _find_dtype(page)
    compression, predictor = page.read_number(COMPRESSION, Compression.NONE), page.read_number(PREDICTOR, 1)
    if compression not in list(Compression):
        raise _advise_export(page, f"its compression ({compression}) is not read here", "with zlib, LZW or without")
    if predictor not in ((1,) if compression == Compression.NONE else (1, 2, 3) if dtype.kind == "f" else (1, 2)):
        raise ValueError(f"predictor {predictor} does not go with compression {compression} and {dtype}")
    shape = page.read_number(LENGTH), page.read_number(WIDTH)
    tiled = TILES[0] in page.tags
    if tiled == (STRIPS[0] in page.tags):
        raise ValueError("its pixels are in tiles and in strips, or in neither")
    if tiled:
        block = page.read_number(TILE_LENGTH), page.read_number(TILE_WIDTH)
    else:
        block = min(page.read_number(ROWS_PER_STRIP, shape[0]), shape[0]), shape[1]
    if 0 in shape + block:
        raise ValueError(f"its pages are {shape}, in blocks of {block}")
    return Kind(shape, dtype, compression, predictor, tiled, block)


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


def _locate_blocks(page: Directory, kind: Kind) -> tuple[Integers, Integers]:
    """Read offsets and byte counts of a page's strips or tiles; the counts must be those of its pixels."""
    (length, width), (rows, columns) = kind.shape, kind.block
    down, across = math.ceil(length / rows), math.ceil(width / columns)
    row = columns * kind.dtype.itemsize
    last = rows if kind.tiled else length - (down - 1) * rows
    offset_code, count_code = TILES if kind.tiled else STRIPS
    offsets = page.read_numbers(offset_code, down * across)
    if kind.compression == Compression.NONE:
        sizes = np.full(down * across, rows * row)
        sizes[-1] = last * row
        counts = page.read_numbers(count_code, down * across) if count_code in page.tags else np.zeros_like(sizes)
        if not counts.any():  # some programs write 0, or none: uncompressed pixels say by themselves how many they are
            return offsets, sizes
        is_wrong = not np.array_equal(counts, sizes)
    else:
        counts = page.read_numbers(count_code, down * across)
        is_wrong = int(counts.min()) * MAX_RATIO < last * row
    if is_wrong:
        raise ValueError(f"it has {counts.min()} to {counts.max()} bytes where {rows} rows of {row} belong")
    return offsets, counts


def _check_places(offsets: Integers, counts: Integers, headers: Integers, size: int) -> None:
    """Refuse pixels that lie beyond the end of the file, or where other pixels or headers lie."""
    order = np.argsort(offsets, kind="stable")
    starts, ends = offsets[order], (offsets + counts)[order]
    if ends.max() > size:
        raise CutOffError(f"it has {size} bytes, its pixels end at {ends.max()}")
    before = np.searchsorted(starts, headers[:, 1]) - 1  # the last block that begins before a header ends
    if np.any(starts[1:] < ends[:-1]) or np.any((before >= 0) & (ends[before] > headers[:, 0])):
        raise ValueError("two of its parts lie in one place")


def _count_planes(page: Directory) -> int:
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


def _unfold(kind: Kind, offsets: Integers, counts: Integers, planes: int, size: int) -> tuple[Integers, Integers]:
    """Turn one page that stands for many planes, one behind the other, into as many pages."""
    if planes == 1:
        return offsets, counts
    if kind.compression != Compression.NONE or kind.tiled:
        raise ValueError(f"it says that it has {planes} planes, and has one page")
    step = math.prod(kind.shape) * kind.dtype.itemsize
    if planes * step > size:
        raise CutOffError(f"it has {size} bytes, its {planes} planes need {planes * step}")
    return offsets + step * np.arange(planes)[:, None], np.repeat(counts, planes, axis=0)
