import numpy as np
import pytest

from lightsheet.processing import statistics

VOLUME = np.arange(1001, dtype=np.uint16).reshape(7, 11, 13)


def test_summary_is_that_of_the_volume() -> None:
    summary = statistics.summarise_volume(VOLUME)
    assert (summary["min"], summary["max"], summary["sum"], summary["mean"]) == (0, 1000, 500500, 500)
    assert summary["percentiles"]["50"] == 500
    assert summary["percentiles"]["99.9"] == pytest.approx(999)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_bands_add_up_to_the_volume(dtype: str) -> None:
    volume = VOLUME.astype(dtype)
    bands = [volume[z : z + 3, y : y + 4] for z in range(0, 7, 3) for y in range(0, 11, 4)]
    assert statistics.combine_parts(
        [statistics.summarise_part(band, volume.size) for band in bands]
    ) == statistics.summarise_volume(volume)


def test_percentiles_of_a_large_volume_come_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "SAMPLE", 1000)
    volume = np.random.default_rng(0).normal(100, 10, (40, 40, 40)).astype(np.float32)
    assert len(statistics.summarise_part(volume, volume.size).sample) == 1000
    # the standard error of the median of 1000 normal values is 1.25 * 10 / sqrt(1000) = 0.4
    assert statistics.summarise_volume(volume)["percentiles"]["50"] == pytest.approx(100, abs=2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("size", [1, 2, 7, 5000])
@pytest.mark.parametrize("low", [0, -50])
def test_percentiles_are_those_of_numpy(dtype: str, size: int, low: int) -> None:
    values = np.random.default_rng(size).gamma(0.3, 50, size).clip(0, 255) + low
    values = np.abs(values).astype(dtype) if dtype[0] == "u" else values.astype(dtype)
    assert statistics.compute_percentiles(values) == pytest.approx(np.percentile(values, statistics.PERCENTILES))


def test_brightest_and_zeros_of_both_signs_have_their_places() -> None:
    values = np.array([-0.0, 0.0, 3e38, 1, -0.0], np.float32)
    assert statistics.compute_percentiles(values)[4] == 0
    assert statistics.summarise_part(np.full((3, 2, 2), 65535, np.uint16), 12).total == 12 * 65535


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("high", [0, 1, 63, 255, 978, 16383, 16384, 65535])
def test_sums_are_exact_however_bright_a_part_is(dtype: str, high: int) -> None:
    volume = np.full((150, 40, 30), min(high, np.iinfo(dtype).max), dtype)
    volume[::7, 5] //= 3
    assert statistics.summarise_part(volume, volume.size).total == volume.astype(object).sum()
