"""Which page of a file is which timepoint, channel and plane: as the user's axes say, or the file's metadata."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from lightsheet.acquisition.model import Tile
from lightsheet.sources import FileMetadata, count_pages
from lightsheet.system import InputError


class PageLayout(NamedTuple):
    """How many of T, C and Z follow each other in a tile's pages; `axes` is their order, slowest first."""

    axes: str
    sizes: Mapping[str, int]

    def locate_planes(self, timepoint: int, channel: int) -> range:
        """Return which of the tile's pages are the planes of a volume."""
        strides = {axis: math.prod(self.sizes[a] for a in self.axes[i + 1 :]) for i, axis in enumerate(self.axes)}
        start = timepoint * strides["T"] + channel * strides["C"]
        return range(start, start + (self.sizes["Z"] - 1) * strides["Z"] + 1, strides["Z"])


def find_layout(axes: str, metadata: FileMetadata, tile: Tile, key: str = "input.axes") -> PageLayout | None:
    """Find the layout of a tile's pages.

    Parameters
    ----------
    axes : str, the user's: "auto", or their order, slowest first
    metadata : FileMetadata, of the tile's first file
    tile : Tile, a typical one
    key : str, what the configuration calls `axes`, for error messages

    Returns
    -------
    PageLayout or None, None if all pages are planes of one volume

    Raises
    ------
    InputError
        If what the metadata says is not understood, or does not fit the number of pages.
    """
    if axes == "auto":
        return _follow_metadata(metadata, tile, key)
    numbers = _parse_axes(axes, key)
    if numbers == {"Z": None}:
        return None
    pages = sum(count_tile_pages(tile))
    # Where the user leaves one size open, the number of pages tells it; of several, the metadata does.
    unknown = [axis for axis, number in numbers.items() if number is None]
    if len(unknown) == 1:
        guesses = [{unknown[0]: pages // math.prod(number for number in numbers.values() if number)}]
    else:
        guesses = [dict(metadata.sizes), dict(metadata.file_sizes)]
        if next(iter(numbers)) == "Z" and metadata.sizes == metadata.file_sizes and metadata.sizes.get("Z") == 1:
            guesses.append({**metadata.sizes, "Z": len(tile.pieces)})
    for guess in guesses:
        sizes = {axis: numbers.get(axis, 1) or guess.get(axis, 0) for axis in "TCZ"}
        if math.prod(sizes.values()) == pages:
            return PageLayout("".join(axis for axis in "TCZ" if axis not in numbers) + "".join(numbers), sizes)
    raise InputError(
        f"{name_tile(tile)}: its {pages} pages are not whole volumes by {key} {axes!r} and what its metadata says "
        f"({format_sizes(metadata.sizes)}); correct {key}, with all numbers but one, as in TZ50C2YX"
    )


def _parse_axes(axes: str, key: str) -> dict[str, int | None]:
    """Return the letters but Y and X with their numbers, slowest first."""
    parts = re.findall("([TCZ])([0-9]*)", axes)
    numbers = {letter: int(number) if number else None for letter, number in parts}
    if not re.fullmatch("([TCZ][0-9]*)+YX", axes) or len(numbers) < len(parts) or 0 in numbers.values():
        raise InputError(
            f"{key} {axes!r}: write auto, or the order of the pages, slowest first: ZYX (all pages are planes), "
            "TZCYX, or with numbers, TZ50C2YX"
        )
    return numbers


def _follow_metadata(metadata: FileMetadata, tile: Tile, key: str) -> PageLayout | None:
    """Lay out the pages as the metadata says; None if they are planes of one volume as far as it tells."""
    if metadata.is_damaged:
        count_pages(tile.pieces[0].path)  # refuses what is no TIFF, in its own words
        raise InputError(
            f"{tile.pieces[0].path}: its metadata is damaged, so that what its pages are is unknown; set {key}: "
            "ZYX if they are the planes of one volume, or their order if they are not"
        )
    if metadata.problem:
        count_pages(tile.pieces[0].path)  # refuses what cannot be read at all, in its own words
        raise InputError(
            f"{tile.pieces[0].path}: {metadata.problem}; set {key}: ZYX if its pages are the planes of one "
            "volume, or their order if they are not, slowest first, such as C2ZYX or TZ50C2YX"
        )
    if not metadata.sizes:
        return None
    sizes = _choose_sizes(metadata, sum(count_tile_pages(tile)), tile, key)
    if sizes["T"] * sizes["C"] > 1 and sizes["Z"] == 1:
        raise InputError(
            f"{metadata.source} says {format_sizes(sizes)}, volumes of a single plane; set {key}: ZYX if its "
            "pages are the planes of one volume, or another order if they are not"
        )
    return PageLayout(metadata.axes, sizes)


def _choose_sizes(metadata: FileMetadata, pages: int, tile: Tile, key: str) -> Mapping[str, int]:
    """Choose what of the metadata a tile is: all, what its first file holds, or one timepoint or channel of it."""
    for sizes in (metadata.sizes, metadata.file_sizes):
        if sizes and math.prod(sizes.values()) == pages:
            return sizes
    if metadata.file_sizes and metadata.file_sizes["T"] == metadata.file_sizes["C"] == 1:
        return {"T": 1, "C": 1, "Z": pages}
    subsets = [{**metadata.sizes, **dict.fromkeys(axes, 1)} for axes in ("TC", "T", "C") if not metadata.is_listed]
    matches = [sizes for sizes in subsets if math.prod(sizes.values()) == pages]
    if not matches or any(sizes != matches[0] for sizes in matches):  # as many timepoints as channels: which is it?
        raise InputError(
            f"{name_tile(tile)} has {pages} pages, but {metadata.source} describes "
            f"{math.prod(metadata.sizes.values())} ({format_sizes(metadata.sizes)}); copy what is missing, or say in "
            f"{key} what the pages are, such as ZYX (all are planes) or TZ50C2YX"
        )
    return matches[0]


def count_tile_pages(tile: Tile) -> list[int]:
    """Count the pages of each file of a tile."""
    return [count_pages(piece.path) for piece in tile.pieces]


def name_tile(tile: Tile) -> str:
    """Name the files of a tile in an error."""
    first, *rest = tile.pieces
    return f"{first.path} with {len(rest)} more" if rest else str(first.path)


def format_sizes(sizes: Mapping[str, int]) -> str:
    """Write sizes as T=3, C=2, Z=4."""
    return ", ".join(f"{axis}={size}" for axis, size in sizes.items()) or "nothing"
