"""The pages of a TIFF file: where the pixels of each lie and how they are stored, read strictly.

`tifffile` repairs what it can and logs the rest: a damaged tag is left out (and with it the predictor, say), a list of
strips is cut to fit, a broken link ends the file. That opens more files, but wrong pixels can pass. Here a page is as
the specification (TIFF 6.0, and its 64-bit form BigTIFF) has it, or the file is refused. It is also quicker.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.sources.tiff_blocks import check_places, count_planes, locate_blocks, unfold_planes
from lightsheet.sources.tiff_ifd import CutOffError, Directory, Integers, read_directories
from lightsheet.sources.tiff_kind import Compression, Kind, find_kind
from lightsheet.system import InputError

SUBFILE, PAGE_NUMBER = 254, 297
"""Numbers of tags."""


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
        is_raw = self.kind.compression == Compression.NONE and not self.kind.is_tiled
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
            page_kind = find_kind(directory)
            kind = kind or page_kind
            if page_kind != kind:
                raise InputError(f"{path}: page {len(blocks)} {_explain_difference(page_kind, kind)}")
            blocks.append(locate_blocks(directory, kind))
            roles.append(_read_role(directory))
        if kind is None:
            raise ValueError("it has no pages")
        offsets, counts = (np.stack(numbers) for numbers in zip(*blocks, strict=True))
        if len(blocks) == 1:
            offsets, counts = unfold_planes(kind, offsets, counts, count_planes(directory), directory.source.size)
    finally:
        os.close(handle)
    _refuse_roles(path, roles)
    check_places(offsets.ravel(), counts.ravel(), np.array(directory.source.headers), directory.source.size)
    return Pages(path, stamp, kind, offsets, counts)


def _explain_difference(kind: Kind, first: Kind) -> str:
    """Say how a page is stored unlike the first one, and what can be done."""
    if (kind.shape, kind.dtype) == (first.shape, first.dtype):
        return "is compressed or cut into strips unlike page 0; save the file again, all pages alike"
    kinds = f"is {kind.shape} {kind.dtype}, page 0 is {first.shape} {first.dtype}"
    return f"{kinds}; a volume needs pages of one kind"


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
