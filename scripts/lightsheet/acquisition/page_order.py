"""Which page of a file is which timepoint, channel and plane."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from lightsheet.acquisition.model import Tile
from lightsheet.sources import FileMetadata, count_pages
from lightsheet.system import InputError

_AXES = re.compile(r"(?:[TCZ][0-9]*)+YX")


class PageLayout(NamedTuple):
    """How many of T, C and Z follow each other in a tile's pages; `axes` is their order, slowest first."""

    axes: str
    sizes: Mapping[str, int]


def _parse_axes(axes: str) -> dict[str, int | None]:
    """Letters but Y and X with their numbers, slowest first; nothing for "auto"."""
    if axes == "auto":
        return {}
    parts = re.findall("([TCZ])([0-9]*)", axes)
    given = {letter: int(number) if number else None for letter, number in parts}
    if not _AXES.fullmatch(axes) or len(given) < len(parts) or 0 in given.values():
        raise InputError(
            f"input.axes {axes!r}: write auto, or the order of the pages, slowest first: ZYX (all pages are planes), "
            "TZCYX, or with numbers, TZ50C2YX"
        )
    return given


def _follow(given: Mapping[str, int | None], found: FileMetadata, tile: Tile, axes: str) -> PageLayout | None:
    """Lay out the pages as the user says, with numbers from the metadata, or the one that the pages leave open."""
    if given == {"Z": None}:
        return None
    pages = sum(_count_pages(tile))
    unknown = [axis for axis, number in given.items() if number is None]
    if len(unknown) == 1:
        guesses = [{unknown[0]: pages // math.prod(number for number in given.values() if number)}]
    else:
        known = [found.sizes, found.own]
        if next(iter(given)) == "Z" and found.own == found.sizes and found.own.get("Z") == 1:  # each file is a plane
            known.append({**found.own, "Z": len(tile.pieces)})
        guesses = [{axis: told.get(axis, 0) for axis in unknown} for told in known]
    for guess in guesses:
        sizes = {axis: guess.get(axis) or given.get(axis, 1) or 0 for axis in "TCZ"}
        if math.prod(sizes.values()) == pages:
            return PageLayout("".join(axis for axis in "TCZ" if axis not in given) + "".join(given), sizes)
    raise InputError(
        f"{_name(tile)}: its {pages} pages are not whole volumes by input.axes {axes!r} and what its metadata says "
        f"({_listed(found.sizes)}); correct input.axes, with all numbers but one, as in TZ50C2YX"
    )


def _trust(found: FileMetadata, tile: Tile) -> PageLayout | None:
    """Lay out the pages as the metadata says; None if they are planes of one volume as far as it tells."""
    if found.damaged:
        count_pages(tile.pieces[0].path)  # has its own sentence on what is no TIFF at all
        raise InputError(
            f"{tile.pieces[0].path}: its metadata is damaged, so that what its pages are is unknown; set input.axes: "
            "ZYX if they are the planes of one volume, or their order if they are not"
        )
    if not found.sizes:
        return None
    sizes = _fit(found, sum(_count_pages(tile)), tile)
    if sizes["T"] * sizes["C"] > 1 and sizes["Z"] == 1:
        raise InputError(
            f"{found.source} says {_listed(sizes)}, volumes of a single plane; set input.axes: ZYX if its pages are "
            "the planes of one volume, or another order if they are not"
        )
    if sizes["T"] * sizes["C"] > 1 and not found.axes:
        raise InputError(
            f"{found.source} lists the pages in an order that is none of T, C and Z; export the files anew as TZCYX"
        )
    return PageLayout(found.axes, sizes)


def _fit(found: FileMetadata, pages: int, tile: Tile) -> Mapping[str, int]:
    """Choose what of the metadata a tile is: all, what its first file holds, or one timepoint or channel of it."""
    for sizes in (found.sizes, found.own):
        if sizes and math.prod(sizes.values()) == pages:
            return sizes
    if found.own and found.own["T"] == found.own["C"] == 1:
        return {"T": 1, "C": 1, "Z": pages}
    subsets = [{**found.sizes, **dict.fromkeys(axes, 1)} for axes in ("TC", "T", "C")]
    fitting = [sizes for sizes in subsets if math.prod(sizes.values()) == pages]
    if not fitting or any(sizes != fitting[0] for sizes in fitting):  # as many timepoints as channels: which is it?
        raise InputError(
            f"{_name(tile)} has {pages} pages, but {found.source} describes {math.prod(found.sizes.values())} "
            f"({_listed(found.sizes)}); copy what is missing, or say in input.axes what the pages are, "
            "such as ZYX (all are planes) or TZ50C2YX"
        )
    return fitting[0]


def _count_pages(tile: Tile) -> list[int]:
    return [count_pages(piece.path) for piece in tile.pieces]


def _name(tile: Tile) -> str:
    first, *others = tile.pieces
    return f"{first.path} with {len(others)} more" if others else str(first.path)


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis}={size}" for axis, size in sizes.items()) or "nothing"
