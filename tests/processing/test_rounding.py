"""How finely results are stored: by their noise, within bounds."""

import numpy as np
import pytest

from lightsheet.processing.rounding import ResultNoise, choose_bits, choose_step, choose_whole_bits, round_result

RESULT = np.exp2(np.random.default_rng(0).uniform(-5, 12, (4, 64, 64))).astype(np.float32)


def draw_noise(share: float) -> ResultNoise:
    """Return noise that is this share of all voxels."""
    levels = np.array([1.0, 10.0, 100.0])
    return ResultNoise(share, levels, share * levels)


@pytest.mark.parametrize("share", [0.003, 0.01, 0.03])
def test_rounding_is_at_most_a_third_of_the_noise_and_needs_every_bit(share: float) -> None:
    bits = choose_bits(draw_noise(share))
    errors = [round_result(RESULT.copy(), b) for b in (bits, bits - 1)]
    assert errors[0] <= share / 3 < 1.05 * errors[1], "within 5 % of what values of all sizes have"


def test_a_result_has_some_bits_however_noisy_it_is_and_all_without_noise() -> None:
    assert choose_bits(draw_noise(100)) == 5
    assert choose_bits(draw_noise(0)) == 23
    assert choose_bits(draw_noise(1e-9)) == 23
    assert choose_bits(ResultNoise(0, np.empty(0), np.empty(0))) == 23


def test_whole_numbers_are_multiples_of_what_the_darkest_class_allows() -> None:
    step = choose_step(draw_noise(0.1))
    assert step / np.sqrt(12) == pytest.approx(0.55 * 0.1)
    assert choose_whole_bits(1000.0, step, 100) == 16 - 4, "0.19 counts are 19 stored values"
    assert choose_whole_bits(1000.0, 0.0, 100) == 16
    assert choose_whole_bits(1.0, step, 10_000) == 16 - 3, "1000 values up to the brightest voxel"


def test_the_error_of_rounding_is_told() -> None:
    rounded = RESULT.copy()
    error = round_result(rounded, 6, threads=2)
    assert error == pytest.approx(np.linalg.norm(rounded - RESULT) / np.linalg.norm(RESULT), rel=1e-5)
    assert np.abs(rounded / RESULT - 1).max() <= 2**-7


def test_dark_and_huge_results_have_an_error_too() -> None:
    assert round_result(np.zeros((2, 3, 4), np.float32), 5) == 0
    assert 0 < round_result(np.full((2, 3, 4), 3.3e38, np.float32), 5) < 2**-6
