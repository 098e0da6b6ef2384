"""TIFF files to rows of pixels: stacks of pages, read by page count and never by series.

Some programs write every plane as a series of its own, and `tifffile.imread` then returns the first plane without a
word; so every page of a file counts here, and all must be of one kind. `read_pages` says which damage to headers is
seen, `tiff_pixels` which damage to pixels.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.sources.tiff_pages import Pages, read_pages
from lightsheet.sources.tiff_pixels import Volume, read_rows
from lightsheet.system import InputError, count_cores


class Stack:
    """Pages of TIFF files as a `BandSource`, read from the files when it is sliced, from any thread.

    `stack[z, y]`, two slices without a step, is a new array (dz, dy, x) of these rows. Of uncompressed files only these
    rows are read; a compressed strip or tile is decoded whole, again in each call that touches it. It raises
    `InputError` if a file is damaged there, or has changed since the stack was opened. `rows` is the height of the
    strips or tiles that are decoded whole; 1 if all files are read row by row, and then `is_direct`.
    """

    def __init__(self, pieces: Sequence[tuple[Pages, range]], pool: ThreadPoolExecutor) -> None:
        self._pieces = pieces
        self._pool = pool
        self._ends = list(accumulate(len(numbers) for _, numbers in pieces))
        first, _ = pieces[0]
        self.shape = (self._ends[-1], *first.kind.shape)
        self.dtype = first.dtype
        self.rows = max(1 if piece.is_plain else piece.kind.block[0] for piece, _ in pieces)
        self.is_direct = all(piece.is_plain for piece, _ in pieces)

    def __getitem__(self, rows: tuple[slice, slice]) -> Volume:
        z, y = (range(*part.indices(size)) for part, size in zip(rows, self.shape[:2], strict=True))
        if z.step != 1 or y.step != 1:
            raise IndexError("a stack is sliced without steps")
        pixels: Volume = np.empty((len(z), len(y), self.shape[2]), self.dtype)
        parts = list(self._split_planes(z, pixels)) if y else []
        if len(parts) == 1:  # a thread takes a page at a time, or a file
            read_rows(y, self._pool.map, *parts[0])
        else:
            list(self._pool.map(lambda part: read_rows(y, map, *part), parts))
        return pixels

    def _split_planes(self, z: range, pixels: Volume) -> Iterator[tuple[Pages, range, Volume]]:
        """Yield the files, and which of their pages, that planes `z` come from, and where they go."""
        while z:
            index = bisect_right(self._ends, z.start)
            piece, numbers = self._pieces[index]
            first = len(numbers) - (self._ends[index] - z.start)
            numbers = numbers[first : first + len(z)]
            yield piece, numbers, pixels[: len(numbers)]
            z, pixels = z[len(numbers) :], pixels[len(numbers) :]


@contextmanager
def open_stack(pieces: Sequence[tuple[Path, range | None]]) -> Iterator[Stack]:
    """Open pages of TIFF files as one volume.

    Parameters
    ----------
    pieces : sequence of (Path, range or None), files and their pages (None: all), stacked along z in this order

    Yields
    ------
    Stack (z, y, x); a file is open only while it is read, so there may be thousands

    Raises
    ------
    InputError
        If a file cannot be read, lacks a page, or is of another shape or dtype than the first.
    """
    with ThreadPoolExecutor(count_cores()) as pool:
        yield Stack(_check_pieces(pieces), pool)


def describe_stack(path: Path) -> tuple[tuple[int, int, int], np.dtype[Any]]:
    """Read the shape (z, y, x) of a TIFF stack, in voxels, and its dtype, in native byte order, from the headers.

    Parameters
    ----------
    path : Path, a TIFF file

    Raises
    ------
    InputError
        If it is no TIFF, is cut off or damaged, or its pages differ in shape or dtype.
    """
    pages = read_pages(path)
    return (len(pages), *pages.kind.shape), pages.dtype


def count_pages(path: Path) -> int:
    """Count the planes of a TIFF file; raises as `describe_stack` does."""
    return len(read_pages(path))


def read_stack(path: Path) -> Volume:
    """Read a whole TIFF stack, (z, y, x), in native byte order; raises as `describe_stack` does.

    It may be classic or BigTIFF, of either byte order, in strips or tiles, compressed without loss or not.
    """
    with open_stack([(path, None)]) as stack:
        return stack[:, :]


def _check_pieces(pieces: Sequence[tuple[Path, range | None]]) -> list[tuple[Pages, range]]:
    """Read the headers of all files; they must be of one shape and dtype, and have the pages that are requested."""
    page_ranges: list[tuple[Pages, range]] = []
    for path, request in pieces:
        pages = read_pages(path)
        numbers = range(len(pages)) if request is None else request
        if not numbers or min(numbers) < 0 or max(numbers) >= len(pages):
            problem = "none is asked for"
            if numbers:
                problem = f"pages {numbers[0]} to {numbers[-1]} (from 0) are not among them"
            raise InputError(f"{path}: it has {len(pages)} pages, and {problem}; copy it again")
        first = page_ranges[0][0] if page_ranges else pages
        if (pages.kind.shape, pages.dtype) != (first.kind.shape, first.dtype):
            raise InputError(
                f"{path}: page {numbers[0]} is {pages.kind.shape} {pages.dtype}, but {first.path} is "
                f"{first.kind.shape} {first.dtype}; a volume needs pages of one kind"
            )
        page_ranges.append((pages, numbers))
    return page_ranges
