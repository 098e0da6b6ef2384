"""Values of fewer bits: what noise leaves without meaning is zero, so that any codec makes little of it.

As BitRound of numcodecs (Klöwer et al. 2021, Nature Computational Science 1, 713), but in place, for whole numbers and
for arrays of a GPU too, and so that no large value becomes infinite.
"""

from typing import Any, NamedTuple


class _Kind(NamedTuple):
    word: str  # whole numbers of the same size
    bits: int
    largest: int  # finite value, as a word
    signless: int  # all bits but that of the sign
    all_bits: int  # bit


KINDS = {
    "float32": _Kind("uint32", 23, 0x7F7FFFFF, 0x7FFFFFFF, 0xFFFFFFFF),
    "uint16": _Kind("uint16", 16, 0xFFFF, 0xFFFF, 0xFFFF),
}

ALL_BITS = {dtype: kind.bits for dtype, kind in KINDS.items()}
"""Bits that may be kept of each dtype: of a float those of its mantissa, besides the first, which is not stored."""


def round_last_bits(values: Any, bits: int) -> None:
    """Round values to the nearest of so many bits; of two that are as near, to the one that ends in 0.

    Parameters
    ----------
    values : ndarray or cupy.ndarray, float32 or uint16
        Changed in place. Zeros stay zeros, NaN and infinity what they are; what lies beyond the largest value of so
        many bits becomes that.
    bits : int
        How many are kept, at least 1; see `ALL_BITS`.
    """
    kind = KINDS[values.dtype.name]
    dropped = kind.bits - bits
    if dropped <= 0 or not values.size:
        return
    mask = kind.all_bits >> dropped << dropped
    words = values.view(kind.word)
    special = None
    if int(words.max()) > kind.largest & mask:  # rare of results, which are positive, and costs only this pass
        magnitudes = words & kind.signless
        special = magnitudes > kind.largest & mask
        exact = words[special]
        exact[magnitudes[special] <= kind.largest] &= mask
    last = words >> dropped
    last &= 1
    last += (1 << (dropped - 1)) - 1
    words += last
    words &= mask
    if special is not None:
        words[special] = exact
