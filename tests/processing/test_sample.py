"""The sample of a channel: few timepoints, some planes of each, and what cannot be read is left out."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightsheet.processing.sample import MOST_BYTES, choose_bands, read_sample, spread

SHAPE = (6, 16, 24)
Tiles = list[tuple[tuple[int, int, int], list[tuple[str, None]]]]


def write(folder: Path, timepoints: int) -> list[tuple[int, Tiles]]:
    """Write volumes of two tiles, each filled with its timepoint, or one more in the second tile."""
    volumes: list[tuple[int, Tiles]] = []
    for t in range(timepoints):
        tiles: Tiles = []
        for x in range(2):
            path = folder / f"{t}_{x}.tif"
            tifffile.imwrite(path, np.full((6, 16, 12), 10 * t + x, np.uint16))
            tiles.append(((0, 0, x), [(str(path), None)]))
        volumes.append((t, tiles))
    return volumes


def test_first_and_last_timepoint_and_some_between_are_read_whole(tmp_path: Path) -> None:
    sample = read_sample("red", write(tmp_path, 11), SHAPE, "uint16")
    assert list(sample.planes) == [0, 2, 5, 8, 10]
    assert sample.planes[5].shape == SHAPE
    assert np.unique(sample.planes[5][..., :12]) == 50
    assert np.unique(sample.planes[5][..., 12:]) == 51
    assert not sample.unreadable


def test_what_is_missing_is_not_read_and_for_what_is_damaged_another_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    volumes = write(tmp_path, 8)
    volumes[0] = (0, [])
    (tmp_path / "7_1.tif").write_bytes(b"no TIFF")
    tifffile.imwrite(tmp_path / "4_0.tif", np.zeros((6, 16, 12), np.uint8))
    sample = read_sample("red", volumes, SHAPE, "uint16")
    assert list(sample.planes) == [1, 2, 3, 5, 6]
    assert sample.unreadable.keys() == {4, 7}
    assert "red timepoint 7 is left out of the sample: " in caplog.text
    assert "7_1.tif" in sample.unreadable[7]


def test_of_a_channel_without_a_readable_file_there_is_no_sample(tmp_path: Path) -> None:
    volumes = write(tmp_path, 2)
    for path in tmp_path.glob("*.tif"):
        path.write_bytes(b"no TIFF")
    sample = read_sample("red", volumes, SHAPE, "uint16")
    assert not sample.planes
    assert sample.unreadable.keys() == {0, 1}


def test_numbers_that_are_none_are_not_sampled(tmp_path: Path) -> None:
    path = tmp_path / "0.tif"
    tifffile.imwrite(path, np.full(SHAPE, np.nan, np.float32))
    sample = read_sample("red", [(0, [((0, 0, 0), [(str(path), None)])])], SHAPE, "float32")
    assert "NaN" in sample.unreadable[0]


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (33, 9, 7), (201, 1024, 768), (900, 2048, 2048), (300, 30000, 20000), (5, 7, 10**9)]
)
def test_what_is_read_of_a_volume_is_bounded_and_reaches_from_end_to_end(shape: tuple[int, int, int]) -> None:
    planes, rows = choose_bands(shape, 2)
    for bands, size in ((planes, shape[0]), (rows, shape[1])):
        assert all(0 <= band.start < band.stop <= size for band in bands)
        assert all(band.stop <= later.start for band, later in pairwise(bands))
        if len(bands) > 1:
            assert (bands[0].start, bands[-1].stop) == (0, size)
    read = sum(band.stop - band.start for band in planes) * sum(band.stop - band.start for band in rows) * shape[2] * 2
    assert read <= max(MOST_BYTES, 4 * 32 * shape[2] * 2)  # not even narrow strips of a huge mosaic may be less


def test_a_sequence_is_spread_evenly() -> None:
    assert spread(1, 5) == [0]
    assert spread(3, 5) == [0, 1, 2]
    assert spread(1000, 5) == [0, 250, 500, 749, 999]
