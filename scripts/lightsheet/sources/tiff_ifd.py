"""The directories of a TIFF file (IFD, TIFF 6.0 section 2): tags and the numbers in them, classic or BigTIFF.

A tag must have the type and the number of values that it is read with; nothing is guessed or repaired.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type of tag."""

UNSIGNED = {1, 3, 4, 13, 16, 18}
PRIVATE = 32768  # codes of tags from here on mean what their maker wants; some occur twice, as texts do
MAX_TAGS = 4096


class CutOffError(ValueError):
    """Something that the file should hold lies beyond its end."""


class Form(NamedTuple):
    """How numbers are written in one of the four forms of TIFF; `tag` is code, type, count, and value or its offset."""

    order: str
    tag_count: Struct
    tag: Struct
    offset: Struct


FORMS = {
    b"II*\0": Form("<", Struct("<H"), Struct("<HHL4s"), Struct("<L")),
    b"MM\0*": Form(">", Struct(">H"), Struct(">HHL4s"), Struct(">L")),
    b"II+\0\x08\0\0\0": Form("<", Struct("<Q"), Struct("<HHQ8s"), Struct("<Q")),
    b"MM\0+\0\x08\0\0": Form(">", Struct(">Q"), Struct(">HHQ8s"), Struct(">Q")),
}


class Source(NamedTuple):
    """An open file, its size in bytes, and the begin and end of each of its headers, which are no pixels."""

    path: Path
    handle: int
    size: int
    form: Form
    headers: list[tuple[int, int]]

    def read(self, offset: int, count: int) -> bytes:
        """Read `count` bytes."""
        if offset + count > self.size:
            raise CutOffError(f"it has {self.size} bytes, not {offset + count}")
        return os.pread(self.handle, count, offset)


class Directory(NamedTuple):
    """The tags of a page: type, count, and the bytes of the value, or of its offset if they would not fit."""

    source: Source
    tags: dict[int, tuple[int, int, bytes]]

    def read_number(self, code: int, default: int | None = None) -> int:
        """Return the value of a tag that is one unsigned integer."""
        if code not in self.tags and default is not None:
            return default
        return int.from_bytes(self._read_unsigned(code, 1), "little" if self.source.form.order == "<" else "big")

    def read_numbers(self, code: int, count: int) -> Integers:
        """Return the values of a tag that is `count` sizes or offsets, none beyond the end of the file."""
        content = self._read_unsigned(code, count)
        numbers = np.frombuffer(content, f"{self.source.form.order}u{len(content) // count}")
        if int(numbers.max()) > self.source.size:
            raise CutOffError(f"it has {self.source.size} bytes, tag {code} says {numbers.max()}")
        return numbers.astype(np.int64)

    def read_text(self, code: int, limit: int) -> str:
        """Return the first bytes of a tag that is text, at most `limit`; empty if there is none."""
        kind, count, value = self.tags.get(code, (0, 0, b""))
        if SIZES.get(kind) != 1:
            return ""
        return self._read_bytes(min(count, limit), value).decode(errors="replace").rstrip("\0")

    def _read_unsigned(self, code: int, count: int) -> bytes:
        kind, number, value = self.tags.get(code, (0, 0, b""))
        if kind not in UNSIGNED or number != count:
            raise ValueError(f"tag {code} has {number} values of type {kind}, not {count} unsigned integers")
        return self._read_bytes(SIZES[kind] * count, value)

    def _read_bytes(self, size: int, value: bytes) -> bytes:
        if size <= len(value):
            return value[:size]
        (offset,) = self.source.form.offset.unpack(value)
        return self.source.read(offset, size)


def read_directories(path: Path, handle: int) -> Iterator[Directory]:
    """Yield the tags of each page in the file's order; ValueError for what is no TIFF or is damaged."""
    start, size = os.pread(handle, 16, 0), os.fstat(handle).st_size
    offsets: set[int] = set()
    if not size:
        raise CutOffError("it is empty")
    magic = next((magic for magic in FORMS if start.startswith(magic)), None)
    if magic is None:
        raise ValueError(f"it begins with {start[:4]!r}")
    form = FORMS[magic]
    source = Source(path, handle, size, form, [(0, len(magic) + form.offset.size)])
    (offset,) = form.offset.unpack(source.read(len(magic), form.offset.size))
    while offset:
        if offset in offsets:
            raise ValueError(f"page {len(offsets)} is an earlier one again")
        offsets.add(offset)
        directory, offset = _read_directory(source, offset)
        yield directory


def _read_directory(source: Source, offset: int) -> tuple[Directory, int]:
    """Read the tags of a page, and the offset of the next one."""
    form = source.form
    (number,) = form.tag_count.unpack(source.read(offset, form.tag_count.size))
    if number > MAX_TAGS:
        raise ValueError(f"the page at byte {offset} has {number} tags")
    place = offset + form.tag_count.size
    table = source.read(place, number * form.tag.size + form.offset.size)
    source.headers.append((offset, place + len(table)))
    tags: dict[int, tuple[int, int, bytes]] = {}
    for code, kind, count, value in form.tag.iter_unpack(table[: -form.offset.size]):
        if tags.setdefault(code, (kind, count, value)) != (kind, count, value) and kind in UNSIGNED and code < PRIVATE:
            raise ValueError(f"the page at byte {offset} has tag {code} twice")
        size = SIZES.get(kind, 0) * count
        if size > len(value):
            (start,) = form.offset.unpack(value)
            source.headers.append((min(start, source.size), min(start + size, source.size)))
    return Directory(source, tags), form.offset.unpack(table[-form.offset.size :])[0]
