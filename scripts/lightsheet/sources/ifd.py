"""The directories of a TIFF file (IFD, TIFF 6.0 section 2): tags and the numbers in them, classic or BigTIFF.

What a tag says must be there, of its type and number; nothing is guessed or repaired.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type of tag."""

UNSIGNED = {1, 3, 4, 13, 16, 18}
PRIVATE = 32768
"""From here on, codes of tags mean what their maker wants; some are there twice, like texts."""
MOST_TAGS = 4096


class CutOffError(ValueError):
    """Something that the file should hold lies beyond its end."""


class Form(NamedTuple):
    """How numbers are written in one of the four forms of TIFF."""

    order: str
    tags: struct.Struct
    """How many tags a directory has."""
    tag: struct.Struct
    """Code, type, count, and the value or its offset."""
    offset: struct.Struct


FORMS = {
    magic: Form(order, *(struct.Struct(order + numbers) for numbers in formats))
    for magic, order, *formats in (
        (b"II*\0", "<", "H", "HHL4s", "L"),
        (b"MM\0*", ">", "H", "HHL4s", "L"),
        (b"II+\0\x08\0\0\0", "<", "Q", "HHQ8s", "Q"),
        (b"MM\0+\0\x08\0\0", ">", "Q", "HHQ8s", "Q"),
    )
}


class Source(NamedTuple):
    """An open file."""

    path: Path
    handle: int
    size: int
    form: Form
    others: list[tuple[int, int]]
    """Begin and end of all that was found in the file and is not pixels."""

    def read(self, offset: int, count: int) -> bytes:
        """Read `count` bytes."""
        if offset + count > self.size:
            raise CutOffError(f"it has {self.size} bytes, not {offset + count}")
        return os.pread(self.handle, count, offset)


class Directory(NamedTuple):
    """The tags of a page: type, count, and the bytes of the value, or of its offset if they would not fit."""

    source: Source
    tags: dict[int, tuple[int, int, bytes]]

    def number(self, code: int, default: int | None = None) -> int:
        """Value of a tag that is one unsigned integer."""
        if code not in self.tags and default is not None:
            return default
        kind, count, value = self._unsigned(code, 1)
        return int.from_bytes(value[: SIZES[kind] * count], "little" if self.source.form.order == "<" else "big")

    def numbers(self, code: int, count: int) -> Integers:
        """Values of a tag that is `count` sizes or offsets, none beyond the end of the file."""
        kind, count, value = self._unsigned(code, count)
        numbers = np.frombuffer(self._bytes(kind, count, value), f"{self.source.form.order}u{SIZES[kind]}")
        if int(numbers.max()) > self.source.size:
            raise CutOffError(f"it has {self.source.size} bytes, tag {code} says {numbers.max()}")
        return numbers.astype(np.int64)

    def text(self, code: int, most: int) -> str:
        """Begin of the value of a tag that is text, `most` bytes of it; empty if there is none."""
        kind, count, value = self.tags.get(code, (0, 0, b""))
        if SIZES.get(kind) != 1:
            return ""
        if count > len(value):
            value = self._bytes(kind, min(count, most), value)
        return value[:count].decode(errors="replace").rstrip("\0")

    def _unsigned(self, code: int, count: int) -> tuple[int, int, bytes]:
        kind, found, value = self.tags.get(code, (0, 0, b""))
        if kind not in UNSIGNED or found != count:
            raise ValueError(f"tag {code} has {found} values of type {kind}, not {count} unsigned integers")
        return kind, found, value

    def _bytes(self, kind: int, count: int, value: bytes) -> bytes:
        size = SIZES[kind] * count
        if size <= len(value):
            return value[:size]
        (offset,) = self.source.form.offset.unpack(value)
        return self.source.read(offset, size)


def read_directories(path: Path, handle: int) -> Iterator[Directory]:
    """Go through the pages of a TIFF file in its own order.

    Parameters
    ----------
    path : Path
        The file's name, for messages.
    handle : int
        The open file.

    Yields
    ------
    Directory
        The tags of a page.

    Raises
    ------
    ValueError
        If it is no TIFF, its pages run in a circle or have a tag twice; `CutOffError` if the file is too short.
    """
    start, size = os.pread(handle, 16, 0), os.fstat(handle).st_size
    seen: set[int] = set()
    magic = next((magic for magic in FORMS if start.startswith(magic)), None)
    if magic is None:
        raise ValueError(f"it begins with {start[:4]!r}")
    form = FORMS[magic]
    header = len(magic) + form.offset.size
    source = Source(path, handle, size, form, [(0, header)])
    (offset,) = form.offset.unpack(source.read(len(magic), form.offset.size))
    while offset:
        if offset in seen:
            raise ValueError(f"page {len(seen)} is an earlier one again")
        seen.add(offset)
        directory, offset = _directory(source, offset)
        yield directory


def _directory(source: Source, offset: int) -> tuple[Directory, int]:
    """Read the tags of a page, and the offset of the next one."""
    form = source.form
    (number,) = form.tags.unpack(source.read(offset, form.tags.size))
    if number > MOST_TAGS:
        raise ValueError(f"the page at byte {offset} has {number} tags")
    place = offset + form.tags.size
    table = source.read(place, number * form.tag.size + form.offset.size)
    source.others.append((offset, place + len(table)))
    tags: dict[int, tuple[int, int, bytes]] = {}
    for code, kind, count, value in form.tag.iter_unpack(table[: -form.offset.size]):
        if tags.setdefault(code, (kind, count, value)) != (kind, count, value) and kind in UNSIGNED and code < PRIVATE:
            raise ValueError(f"the page at byte {offset} has tag {code} twice")
        size = SIZES.get(kind, 0) * count
        if size > len(value):
            (start,) = form.offset.unpack(value)
            source.others.append((min(start, source.size), min(start + size, source.size)))
    return Directory(source, tags), form.offset.unpack(table[-form.offset.size :])[0]
