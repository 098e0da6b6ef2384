import pytest

from lightsheet.viewing import axes
from lightsheet.viewing.axes import Axis


def test_a_curve_is_placed_on_its_axis_and_broken_where_nothing_is() -> None:
    segments = axes.cut_segments([0, 25, 50, 75, 100], [1.0, 3.0, None, 2.0, None], Axis(1, 3))
    assert segments == [[(0, 100), (25, 0)], [(75, 50)]]


def test_an_axis_shows_all_values_and_a_little_more() -> None:
    axis = axes.choose_axis([2.0, 4.0])
    assert axis.low < 2 < 4 < axis.high
    assert axes.choose_axis([2.0, 4.0], from_zero=True).low == 0
    for value in (0.0, 5.0):
        flat = axes.choose_axis([value])
        assert flat.low < value < flat.high


def test_rounding_does_not_fill_an_axis() -> None:
    axis = axes.choose_axis([0.9999, 1.0001])
    assert axis.low < 0.98
    assert axis.high > 1.02


def test_an_outlier_far_beyond_stands_at_the_edge() -> None:
    axis = axes.choose_axis([1.0, 2.0], outliers=[100.0])
    assert 4 <= axis.high < 5
    assert axis.place(100.0) == 0
    assert axes.choose_axis([1.0, 2.0], outliers=[2.5]).high < 3


@pytest.mark.parametrize(
    ("low", "high", "factor", "labels"),
    [
        (0, 1.08, 1, ["0.0", "0.5", "1.0"]),
        (0.9784, 1.0216, 1, ["0.98", "1.00", "1.02"]),
        (0, 0.3, 100, ["0", "10", "20", "30"]),
        (0, 65000, 1, ["0", "50,000"]),
    ],
)
def test_values_on_an_axis_are_round(low: float, high: float, factor: float, labels: list[str]) -> None:
    scale = Axis(low, high)
    ticks = axes.choose_value_ticks(scale, factor)
    assert [label for _, label in ticks] == labels
    for place, label in ticks:
        value = float(label.replace(",", "")) / factor
        assert place == pytest.approx(100 * (high - value) / (high - low), abs=0.01)


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        ([0, 44, 131], ["0", "30 s", "60 s", "90 s", "120 s"]),
        ([0, 8706], ["0", "30 min", "60 min", "90 min", "120 min"]),
        ([0, 86400 * 2.5], ["0", "12 h", "24 h", "36 h", "48 h", "60 h"]),
        ([0, 86400 * 30.0], ["0", "5 d", "10 d", "15 d", "20 d", "25 d", "30 d"]),
        ([0, 86400 * 20000.0], ["0", "5000 d", "10000 d", "15000 d", "20000 d"]),
        ([0, 0.25], ["0", "0.05 s", "0.1 s", "0.15 s", "0.2 s", "0.25 s"]),
    ],
)
def test_times_on_an_axis_are_round(seconds: list[float], labels: list[str]) -> None:
    ticks = axes.choose_time_ticks(len(seconds), seconds)
    assert [label for _, label in ticks] == labels
    assert ticks[0][0] == 0
    assert all(place <= 100 for place, _ in ticks)


def test_without_times_the_axis_counts_timepoints() -> None:
    assert axes.choose_time_ticks(201, None) == [
        *((0, "t 0"), (25, "50"), (50, "100"), (75, "150"), (100, "200")),
    ]
    assert [label for _, label in axes.choose_time_ticks(3, None)] == ["t 0", "1", "2"]


def test_timepoints_at_one_moment_have_an_axis() -> None:
    assert axes.choose_time_ticks(3, [0.0, 0.0, 0.0])[0] == (0, "0")
