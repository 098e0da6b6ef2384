import numpy as np
import pytest

from lightsheet.viewing import outliers


def test_a_volume_unlike_the_others_is_an_outlier_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    curve: list[float | None] = list(rng.normal(1, 0.01, 100))
    curve[30], curve[70], curve[50] = 1.2, 0.7, None
    marks = outliers.find_outliers(curve, outliers.find_usual(curve, drifts=False), relative_floor=0.01)
    assert list(marks) == [30, 70]
    values = [value for value in curve if value is not None]
    assert marks[30] == (1.2, pytest.approx(np.median(values)))


def test_rounding_noise_is_below_the_floor() -> None:
    curve = [1.0] * 20 + [1.0000001]
    assert outliers.find_outliers(curve, outliers.find_usual(curve, drifts=False), relative_floor=0.01) == {}
    assert outliers.find_outliers([0.0] * 9 + [1e-6], [0.0] * 10, relative_floor=0.1, absolute_floor=1e-5) == {}
    assert list(outliers.find_outliers([0.0] * 9 + [1e-4], [0.0] * 10, relative_floor=0.1, absolute_floor=1e-5)) == [9]


def test_the_rule_is_the_one_that_the_page_tells() -> None:
    # Distances from the median 10: 0, 1, 1, 2, 2, 3 and x; their median is 2, so the limit is 5 x 1.4826 x 2.
    limit = 5 * 1.4826 * 2
    for far, numbers in ((0.999, []), (1.001, [6])):
        curve = [10, 9, 11, 8, 12, 7, 10 + far * limit]
        assert list(outliers.find_outliers(curve, [10.0] * 7, relative_floor=0.1)) == numbers
    assert "more than 5 robust standard deviations (1.4826" in outliers.describe_outlier_rule()
    assert "light kept 1\N{NO-BREAK SPACE}% of the median" in outliers.describe_outlier_rule()


def test_bleaching_is_no_outlier_and_a_dark_frame_in_it_is() -> None:
    curve: list[float | None] = [float(np.exp(-t / 60)) for t in range(200)]
    assert outliers.find_outliers(curve, outliers.find_usual(curve, drifts=True), relative_floor=0.05) == {}
    curve[150] = 0.06  # usually 0.082, and within the range of the whole curve
    assert list(outliers.find_outliers(curve, outliers.find_usual(curve, drifts=True), relative_floor=0.05)) == [150]


def test_few_values_are_not_judged() -> None:
    curve = [1.0, 1.0, 1.0, 9.0]
    assert outliers.find_outliers(curve, outliers.find_usual(curve, drifts=False), relative_floor=0.1) == {}


def test_the_strongest_are_outliers_in_most_measures() -> None:
    trends = [outliers.Trend({}, dict.fromkeys(numbers, (0.0, 1.0))) for numbers in ([1, 5], [5, 9], [9, 5], [3])]
    assert outliers.choose_strongest(trends, 3) == [1, 5, 9]
    assert outliers.choose_strongest(trends, 1) == [5]
