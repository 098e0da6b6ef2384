"""In which order pages follow each other along T, C and Z."""

import math
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

Plane = dict[str, int]


class PageAxes(NamedTuple):
    """The order of the pages of one file, slowest first, and the numbers of T, C and Z; or why it is not known."""

    axes: str = ""
    sizes: Mapping[str, int] = {}
    problem: str = ""


def find_order(planes: Sequence[Plane], nominal: str) -> str:
    """Find the order of axes in which planes follow each other; empty if it is none, or an axis runs backwards."""
    for axes in (nominal, *map("".join, permutations("TCZ"))):
        places = [tuple(plane[axis] for axis in axes) for plane in planes]
        if places == sorted(set(places)):
            return axes
    return ""


def order_pages(values: Sequence[Mapping[str, Any]], source: str) -> PageAxes:
    """Order pages by the value that each has along T, C and Z; values that are texts count as they occur."""
    ranks: dict[str, dict[Any, int]] = {axis: {} for axis in "TCZ"}
    for axis, rank in ranks.items():
        column = [value.get(axis) for value in values]
        is_number = all(isinstance(value, int) for value in column)
        for value in sorted(set(column)) if is_number else dict.fromkeys(column):  # type: ignore[type-var]
            rank[value] = len(rank)
    planes = [{axis: rank[value.get(axis)] for axis, rank in ranks.items()} for value in values]
    sizes = {axis: len(rank) for axis, rank in ranks.items()}
    axes = find_order(planes, "TZC")
    if not axes or math.prod(sizes.values()) != len(planes):
        description = ", ".join(f"{axis}={size}" for axis, size in sizes.items())
        return PageAxes(
            problem=f"{source} say that its {len(planes)} pages are {description} in no order that holds them all"
        )
    return PageAxes(axes, sizes)
