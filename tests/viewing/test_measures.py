import pytest

from lightsheet.viewing import measures, outliers
from lightsheet.viewing.finished_run import VolumeRecords
from lightsheet.viewing.measures import MEASURES, Measure

BY_TITLE = {measure.title: measure for measure in MEASURES}
VOXELS, PIXEL = 1000, 0.1


def volume(timepoint: int, **statistics: object) -> VolumeRecords:
    seconds = {"seconds": {"read": 1.5, "deconvolve": 2.0}}
    return VolumeRecords("A", timepoint, {"seconds": {"ingest": 0.25}}, {**seconds, "statistics": statistics})


def hole(timepoint: int) -> VolumeRecords:
    return VolumeRecords("A", timepoint, {"seconds": {}, "missing": True}, {"seconds": {}, "statistics": None})


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("Light kept", [0.5, None, 0.25]),
        ("Residual", [0.1, None, 0.3]),
        ("Bleaching", [1.0, None, 2.0]),
        ("Below background", [0.1, None, 0.2]),
        ("Saturated", [0.001, None, 0.002]),
        ("Clipped", [0.01, None, 0.02]),
        ("Seconds", [3.75, None, 3.75]),
    ],
)
def test_values_come_from_the_records(title: str, values: list[float | None]) -> None:
    first = volume(0, sum=50, flux_before=100, residual=0.1, negative_voxels=100, saturated_voxels=1, clipped_voxels=10)
    last = volume(2, sum=50, flux_before=200, residual=0.3, negative_voxels=200, saturated_voxels=2, clipped_voxels=20)
    trend = outliers.follow_measure(BY_TITLE[title], [first, hole(1), last], VOXELS, PIXEL)
    assert trend.curves == {"": pytest.approx(values)}


def test_resolution_is_in_micrometres_of_raw_and_result() -> None:
    volumes = [volume(0, resolution_voxels={"raw": 4, "result": None}), hole(1), volume(2)]
    trend = outliers.follow_measure(BY_TITLE["Resolution and focus"], volumes, VOXELS, PIXEL)
    assert trend.curves == {"raw": [pytest.approx(0.4), None, None], "result": [None] * 3}
    assert trend.values == [pytest.approx(0.4)]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.title)
def test_what_an_old_record_lacks_is_no_value(measure: Measure) -> None:
    trend = outliers.follow_measure(measure, [volume(0, sum=1.0)] * 2, VOXELS, PIXEL)
    assert measure.title == "Seconds" or trend.values == []
    assert not trend.outliers


def test_a_first_volume_that_loads_code_is_no_outlier_and_one_that_takes_far_longer_is() -> None:
    def follow(*seconds: float) -> dict[int, tuple[float, float]]:
        volumes = [
            VolumeRecords("A", t, {"seconds": {}}, {"seconds": {"deconvolve": value}, "statistics": {}})
            for t, value in enumerate(seconds)
        ]
        return outliers.follow_measure(BY_TITLE["Seconds"], volumes, VOXELS, PIXEL).outliers

    assert not follow(4.5, 3.9, 0.5, 0.6, 0.5, 0.5)
    assert [*follow(0.5, 0.6, 0.5, 14, 0.5, 0.5)] == [3]
    assert [*follow(20, 21, 20, 45, 22, 20)] == [3]


def test_a_dark_image_has_no_flux() -> None:
    assert volume(0, sum=0.0, flux_before=0.0).light_kept is None


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.99824, "", "0.9982"),
        (0.123456, "%", "12.35 %"),
        (12345.6, "s", "12,346 s"),
        (0, "", "0"),
        (2e-7, "%", "2.0e-05 %"),
    ],
)
def test_numbers_have_four_digits_and_a_unit(value: float, unit: str, text: str) -> None:
    assert measures.format_measure(value, unit) == text


def test_moments_are_exact_where_seconds_matter() -> None:
    assert [measures.format_moment(at) for at in (0, 0.05, 43.748, 720)] == ["0 s", "0.05 s", "43.75 s", "12 min"]
