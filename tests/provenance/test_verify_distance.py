"""How far a volume that is made again may be from the one in the store."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lightsheet.provenance import verify
from lightsheet.store import round_last_bits


@given(error=st.floats(1e-9, 1e3), scale=st.floats(1e-3, 1e3))
def test_relative_l2_of_a_scaled_volume(error: float, scale: float) -> None:
    stored = scale * np.arange(24.0).reshape(2, 3, 4)
    # float64: 1 + error is rounded to 1e-16, of an error of 1e-9 that is 1e-7
    assert verify.measure_relative_l2(stored * (1 + error), stored) == pytest.approx(error, rel=1e-6)


def test_relative_l2_of_integers_leaves_rounding_out() -> None:
    stored = np.full((2, 3, 4), 100, np.uint16)
    assert verify.measure_relative_l2(stored - 1, stored) == 0
    assert verify.measure_relative_l2(stored + 3, stored) == pytest.approx(0.02)  # two counts of 100


@pytest.mark.parametrize("bits", [5, 9])
def test_rounded_floats_may_differ_by_one_step_of_their_last_bit(bits: int) -> None:
    exact = np.random.default_rng(0).lognormal(0, 3, (2, 50, 50)).astype(np.float32)
    nearly = exact * np.float32(1 + 1e-6)
    for values in (exact, nearly):
        round_last_bits(values, bits)
    step = (exact.view(np.uint32) + (1 << (23 - bits))).view(np.float32)
    assert verify.measure_relative_l2(nearly, exact, bits) == verify.measure_relative_l2(step, exact, bits) == 0
    assert verify.measure_relative_l2(step, exact) > 2.0 ** -(bits + 2)
    assert verify.measure_relative_l2(2 * exact, exact, bits) > 0.5


def test_relative_l2_to_nothing() -> None:
    zero = np.zeros((2, 3, 4), np.float32)
    assert verify.measure_relative_l2(zero, zero) == 0
    assert verify.measure_relative_l2(zero + 1, zero) == math.inf
