"""How a size is split into radices, in which order the frequencies then come, and the twiddle factors."""

from functools import cache
from math import prod
from typing import Annotated, Any, NamedTuple

import numpy as np

LANES = 16
"""Sequences that are transformed side by side: as many float32 as the widest registers hold."""

VECTOR = 2 * LANES
"""The float32 of a complex vector."""

BLOCK = 2 * LANES
"""Real rows that are transformed side by side, two in one complex sequence, see `real_rows`."""

RADICES = (1, 2, 3, 4, 5, 6)
"""Radix 1 does nothing: it is the second level of sizes that have but one."""

COSTS = {2: 9, 3: 19, 4: 25, 5: 40, 6: 50}
"""Vector instructions of a butterfly, about, its twiddle factors, loads and stores included."""

Array = np.ndarray[Any, Any]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Doubles = np.ndarray[Any, np.dtype[np.float64]]
"""The arrays that compiled functions take: flat, adjoining, writable."""

FixedFloats = Annotated[Floats, "read-only"]
"""Likewise, but one that cannot be written."""


class Plan(NamedTuple):
    """The levels of a transform, outermost first.

    At each level a block of `radix * span` vectors becomes `radix` blocks of `span` vectors, which go on by themselves.
    """

    radices: Integers
    spans: Integers
    starts: Integers  # where the twiddle factors of a level start
    twiddles: Floats  # a vector of zeros; then, for each level, place and output but the first, cosine and sine


def make_plan(size: int) -> Plan:
    """Plan the transform of `size` points, a product of `RADICES`; it has two levels at least."""
    radices = factorise(size)
    spans = [size // prod(radices[: level + 1]) for level in range(len(radices))]
    tables = [np.zeros(VECTOR)]
    for radix, span in zip(radices, spans, strict=True):
        angles = -2 * np.pi * np.outer(np.arange(span), np.arange(1, radix)) / (span * radix)
        tables.append(np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(-1))
    starts = np.cumsum([len(table) for table in tables])
    twiddles = allocate(starts[-1])
    twiddles[:] = np.concatenate(tables)
    return Plan(np.array(radices), np.array(spans), starts[:-1], twiddles)


@cache
def factorise(size: int) -> tuple[int, ...]:
    """Return the cheapest radices whose product is `size`, the largest first, two at least."""
    costs: dict[int, float] = {1: 0.0}
    choices: dict[int, tuple[int, ...]] = {1: ()}
    for product in range(2, size + 1):
        if size % product:
            continue
        options = [
            (costs[rest] + COSTS[r] / r, r) for r in COSTS if product % r == 0 and (rest := product // r) in costs
        ]
        if options:
            costs[product], radix = min(options)
            choices[product] = (radix, *choices[product // radix])
    if size not in choices:
        raise ValueError(f"{size} is no product of {', '.join(map(str, COSTS))}")
    radices = sorted(choices[size], reverse=True)
    return tuple(radices + [1] * (2 - len(radices)))


def order_frequencies(size: int) -> Integers:
    """Return the frequency that each place holds after the forward transform."""
    frequencies, step = np.zeros(1, np.int64), 1
    for radix in factorise(size):
        frequencies = (frequencies[:, None] + step * np.arange(radix)).reshape(-1)
        step *= radix
    return frequencies


def allocate(size: int | np.int64) -> Floats:
    """Return float32 zeros that start where a cache line does, so that no vector lies in three of them."""
    raw = np.zeros(size + 16, np.float32)
    start = -raw.ctypes.data % 64 // 4
    return raw[start : start + size]
