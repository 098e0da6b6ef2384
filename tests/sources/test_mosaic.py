"""Tiles edge to edge, read by bands, against the volume that was cut into them."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, strategies as st

from lightsheet.sources import mosaic
from lightsheet.sources.mosaic import Mosaic
from lightsheet.system.errors import InputError

VOLUME = np.random.default_rng(0).poisson(100, (8, 12, 15)).astype(np.uint16)


@given(st.data(), st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 3, 1), (2, 2, 3), (4, 6, 5)]))
def test_any_band_is_that_of_the_volume(data: st.DataObject, grid: tuple[int, int, int]) -> None:
    size = [n // count for n, count in zip(VOLUME.shape, grid, strict=True)]
    tiles = {
        place: VOLUME[tuple(slice(p * n, (p + 1) * n) for p, n in zip(place, size, strict=True))]
        for place in np.ndindex(grid)
    }
    whole = Mosaic(tiles)
    assert (whole.shape, whole.size, whole.dtype) == (VOLUME.shape, VOLUME.size, VOLUME.dtype)
    z, y = (slice(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2)))) for n in VOLUME.shape[:2])
    np.testing.assert_array_equal(whole[z, y], VOLUME[z, y])


def test_tiles_are_files_and_pages_of_files(tmp_path: Path) -> None:
    """The left tile in one file, every second page; the right one a plane a file."""
    mixed = np.repeat(VOLUME[:, :, :7], 2, axis=0)
    tifffile.imwrite(tmp_path / "left.tif", mixed, photometric="minisblack")
    for z in range(8):
        tifffile.imwrite(tmp_path / f"{z}.tif", VOLUME[z, :, 7:14])
    tiles = [
        ((0, 0, 0), [(str(tmp_path / "left.tif"), (0, 16, 2))]),
        ((0, 0, 1), [(str(tmp_path / f"{z}.tif"), None) for z in range(8)]),
    ]
    with mosaic.open_mosaic(tiles, (8, 12, 14), "uint16") as volume:
        np.testing.assert_array_equal(volume[3:5, 1:11], VOLUME[3:5, 1:11, :14])
    with pytest.raises(InputError, match=r"0\.tif: it is \(8, 12, 7\) uint16, but most .* \(8, 12, 7\) float32"):
        mosaic.open_mosaic([((0, 0, 0), tiles[1][1])], (8, 12, 7), "float32").__enter__()


def test_a_file_of_another_number_of_pages_is_refused(tmp_path: Path) -> None:
    """Its volumes lie elsewhere than in the others; those pages would be read as if nothing were wrong."""
    tifffile.imwrite(tmp_path / "cut.tif", VOLUME[:6], photometric="minisblack")
    with pytest.raises(InputError, match=r"cut\.tif: it has 6 pages, but 8 are expected"):
        mosaic.open_mosaic(
            [((0, 0, 0), [(str(tmp_path / "cut.tif"), (0, 4, 1, 8))])], (4, 12, 15), "uint16"
        ).__enter__()
