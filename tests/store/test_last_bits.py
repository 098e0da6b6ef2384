"""Values are rounded to fewer bits as numcodecs does it, in place, and none is lost at the ends of the range."""

import numpy as np
import pytest
from numcodecs.bitround import BitRound

from lightsheet.store import round_last_bits


@pytest.mark.parametrize("bits", [1, 5, 7, 15, 22])
def test_floats_are_rounded_as_by_numcodecs(bits: int) -> None:
    values = np.random.default_rng(0).integers(0, 2**32, 100_000, np.uint32).view(np.float32)
    rounded = values.copy()
    round_last_bits(rounded, bits)
    expected = np.asarray(BitRound(keepbits=bits).encode(values)).view(np.float32)
    fits = np.isfinite(values) & np.isfinite(expected)  # it lets the largest become infinite
    np.testing.assert_array_equal(rounded[fits].view(np.uint32), expected[fits].view(np.uint32))
    special = ~np.isfinite(values)
    np.testing.assert_array_equal(rounded[special].view(np.uint32), values[special].view(np.uint32))
    assert np.isfinite(rounded[~special]).all()


def test_ends_of_the_range_stay_what_they_are() -> None:
    largest = np.finfo(np.float32).max
    values = np.array([0, -0.0, np.inf, -np.inf, np.nan, largest, -largest, 1e-45], np.float32)
    round_last_bits(values, 7)
    assert (values[0], np.signbit(values[1]), values[2], values[3]) == (0, True, np.inf, -np.inf)
    assert np.isnan(values[4])
    assert values[5] == -values[6] == pytest.approx(largest, rel=2**-7)
    assert np.isfinite(values[5])


@pytest.mark.parametrize("bits", [1, 8, 11, 16])
def test_whole_numbers_become_multiples_and_none_turns_over(bits: int) -> None:
    values, step = np.arange(2**16).astype(np.uint16), 2 ** (16 - bits)
    expected = np.minimum(np.rint(values / step) * step, 65535 // step * step)
    round_last_bits(values, bits)
    np.testing.assert_array_equal(values, expected)


def test_all_bits_change_nothing() -> None:
    values = np.random.default_rng(0).random(100, np.float32)
    rounded = values.copy()
    round_last_bits(rounded, 23)
    np.testing.assert_array_equal(rounded, values)
