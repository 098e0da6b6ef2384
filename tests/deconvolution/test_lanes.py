"""The FFTs in lanes, against numpy's in float64."""

import cmath
from functools import cache

import numpy as np
import pytest

from lightsheet.deconvolution.lanes.jit import compile_function
from lightsheet.deconvolution.lanes.native import link
from lightsheet.deconvolution.lanes.passes import back, forward
from lightsheet.deconvolution.lanes.plan import (
    BLOCK,
    LANES,
    VECTOR,
    Floats,
    Integers,
    Plan,
    allocate,
    factorise,
    make_plan,
    order_frequencies,
)
from lightsheet.deconvolution.lanes.real_rows import join, separate
from lightsheet.deconvolution.lanes.small_dft import transform


class Numbers:
    """Arithmetic of Python's complex numbers."""

    def add(self, x, y):
        return x + y

    def subtract(self, x, y):
        return x - y

    def scale(self, x, factor):
        return x * factor

    def add_scaled(self, x, y, factor):
        return x + y * factor

    def quarter(self, x):
        return x * 1j

    def rotate(self, x, angle):
        return x * cmath.exp(1j * angle)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("n", range(1, 17))
def test_the_formula_of_a_small_dft(n, sign):
    x = np.random.default_rng(n).standard_normal((n, 2)) @ [1, 1j]
    expected = np.fft.fft(x) if sign < 0 else n * np.fft.ifft(x)
    np.testing.assert_allclose(transform(Numbers(), list(x), sign), expected, atol=1e-13)


def compile_and_link(function):
    """When it is called first: most processes that load this file do not run its tests."""
    get_native = cache(lambda: link(compile_function(function)))
    return lambda *arguments: get_native()(*arguments)


@compile_and_link
def transform_there_and_back(
    plan: Plan, source: Floats, stride: int, count: int, spectrum: Floats, result: Floats, number: int
) -> None:
    """As the sweeps call them: `count` vectors, `stride` apart; the first vector of the targets may be written over."""
    forward(plan, source, 0, stride, count, spectrum, VECTOR)
    for k in range(len(spectrum)):
        result[k] = spectrum[k]
    back(plan, result, VECTOR, number, result)


def distance(result, reference):
    return np.linalg.norm(result - reference) / np.linalg.norm(reference)


def as_complex(vectors):
    real, imaginary = vectors.reshape(-1, 2, LANES).transpose(1, 0, 2).astype(np.float64)
    return real + 1j * imaginary


SIZES = [*range(1, 7), 8, 9, 10, 12, 15, 16, 25, 27, 32, 45, 64, 90, 100, 108, 125, 216, 243, 288, 360, 450, 1024, 1125]


@pytest.mark.parametrize("n", SIZES)
def test_transforms_in_lanes_are_numpys(n):
    """SciPy's float32 has errors of 1.1e-7 to 1.5e-7."""
    plan, random = make_plan(n), np.random.default_rng(n)
    x, spectrum, result = (allocate(size * VECTOR) for size in (n, n + 1, n + 1))
    x[:] = random.standard_normal(len(x))
    transform_there_and_back(plan, x, VECTOR, n, spectrum, result, n)
    expected = np.fft.fft(as_complex(x), axis=0)[order_frequencies(n)]
    assert distance(as_complex(spectrum[VECTOR:]), expected) < 1.4e-7
    assert distance(result[VECTOR:] / n, x) < 2e-7


@pytest.mark.parametrize(("n", "count", "number"), [(1, 1, 0), (6, 1, 4), (30, 17, 30), (90, 67, 1), (450, 0, 300)])
def test_zeros_are_not_read_and_what_nobody_wants_is_not_written(n, count, number):
    plan, random = make_plan(n), np.random.default_rng(n)
    x = random.standard_normal((n, 3, VECTOR)).astype(np.float32)  # every third vector
    x[count:] = np.nan
    spectrum, result = allocate((n + 1) * VECTOR), allocate((n + 1) * VECTOR)
    transform_there_and_back(plan, x.reshape(-1), 3 * VECTOR, count, spectrum, result, number)
    padded = np.where(np.arange(n)[:, None] < count, x[:, 0], 0)
    expected = np.fft.fft(as_complex(padded), axis=0)[order_frequencies(n)]
    np.testing.assert_allclose(as_complex(spectrum[VECTOR:]), expected, atol=2e-5 * n**0.5)
    rows = result.reshape(-1, VECTOR)[1 : number + 1]
    np.testing.assert_allclose(rows / n, padded[:number], atol=2e-6)


def test_a_size_that_is_no_product_of_the_radices_is_refused():
    assert np.prod(factorise(240)) == 240
    with pytest.raises(ValueError, match="77 is no product of 2, 3, 4, 5, 6"):
        make_plan(77)


@compile_and_link
def split_and_join(rows: Floats, places: Integers, mirrors: Integers, spectrum: Floats, again: Floats) -> None:
    for group in range(len(places) // LANES):
        separate(rows, places, mirrors, group * LANES, spectrum, group * BLOCK * VECTOR)
        join(spectrum, group * BLOCK * VECTOR, again, places, mirrors, group * LANES)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 9, 30, 32, 75])
def test_two_real_rows_come_out_of_one_complex_transform(n):
    rows = np.random.default_rng(n).standard_normal((BLOCK, n))
    pairs = np.fft.fft(rows[:LANES] + 1j * rows[LANES:]).T  # (frequency, lane), in natural order
    vectors = np.stack([pairs.real, pairs.imag], axis=1).astype(np.float32).reshape(-1)
    buffer = np.concatenate([np.zeros(VECTOR, np.float32), vectors])
    frequencies, groups = n // 2 + 1, -(-(n // 2 + 1) // LANES)
    k = np.arange(groups * LANES)
    places, mirrors = (np.where(k < frequencies, (1 + sign * k % n) * VECTOR, 0) for sign in (1, -1))
    spectrum, again = allocate(groups * BLOCK * VECTOR), allocate(len(buffer))
    split_and_join(buffer, places, mirrors, spectrum, again)
    numbers = as_complex(spectrum).reshape(groups, BLOCK, LANES).transpose(1, 0, 2).reshape(BLOCK, -1)[:, :frequencies]
    assert distance(numbers, 2 * np.fft.rfft(rows)) < 1e-7
    assert distance(again[VECTOR:], 2 * vectors) < 1e-7


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(4),
        np.zeros((2, 2), np.float32),
        np.zeros(8, np.float32)[::2],
        np.broadcast_to(np.float32(0), 4),
        3,
    ],
    ids=["float64", "two axes", "gaps", "read-only", "no array"],
)
def test_arrays_of_another_type_are_refused(wrong):
    """Machine code would read what is not there."""
    counters = np.zeros(32, np.int64)
    with pytest.raises(TypeError, match=r"split_and_join.* takes FIIFF, not"):
        split_and_join(wrong, counters, counters, allocate(64), allocate(64))
