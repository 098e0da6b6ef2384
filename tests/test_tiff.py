from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet import tiff
from lightsheet.errors import InputError

VOLUME = np.random.default_rng(0).integers(0, 60000, (7, 33, 21)).astype(np.uint16)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "BigTIFF": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "zlib with predictor": {"compression": "zlib", "predictor": True},
    "LZW": {"compression": "lzw"},
    "tiled": {"tile": (16, 16)},
    "ImageJ": {"imagej": True},
    "no metadata": {"metadata": None},
    "one row a strip": {"rowsperstrip": 1},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_a_stack_reads_alike_however_it_was_written(tmp_path: Path, way: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOLUME, **way)
    assert tiff.describe(path) == (VOLUME.shape, np.dtype(np.uint16))
    read = tiff.read(path)
    assert read.dtype == np.uint16
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, VOLUME)


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
@pytest.mark.parametrize("part", [0.0, 0.05, 0.5, 0.9])
def test_a_cut_off_file_is_refused_with_its_name(tmp_path: Path, way: dict[str, Any], part: float) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, VOLUME, **way)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(InputError, match=r"cut\.tif"):
        tiff.read(path)


def test_one_series_a_page_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for plane in VOLUME:
            file.write(plane, contiguous=False)
    assert tifffile.imread(path).shape == VOLUME.shape[1:], "the trap is gone from tifffile"
    np.testing.assert_array_equal(tiff.read(path), VOLUME)


def test_an_imagej_stack_of_one_page_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    count = {"ImageJ": "1.11a", "images": 7, "slices": 7}
    description = "".join(f"{key}={value}\n" for key, value in count.items())
    with tifffile.TiffWriter(path, byteorder=">") as file:
        file.write(VOLUME[0], description=description, metadata=None, contiguous=True)
    with path.open("ab") as file:
        end = path.stat().st_size
        with tifffile.TiffFile(path) as written:
            offset = written.pages.first.dataoffsets[0] + VOLUME[0].nbytes
        file.truncate(offset)
        file.seek(offset)
        file.write(VOLUME[1:].astype(">u2").tobytes())
    assert end > 0
    np.testing.assert_array_equal(tiff.read(path), VOLUME)


def test_a_single_plane_is_a_volume_of_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOLUME[0])
    np.testing.assert_array_equal(tiff.read(tmp_path / "a.tif"), VOLUME[:1])


def test_pages_of_two_shapes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(VOLUME[0])
        file.write(VOLUME[0, :20])
    with pytest.raises(InputError, match=r"page 1 is \(20, 21\) uint16, page 0 is \(33, 21\) uint16"):
        tiff.read(path)


def test_colour_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="single-channel"):
        tiff.describe(tmp_path / "a.tif")


def test_what_is_no_tiff_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("hello")
    with pytest.raises(InputError, match=r"a\.tif: cannot be read as TIFF"):
        tiff.describe(tmp_path / "a.tif")
    with pytest.raises(InputError, match="no such file"):
        tiff.read(tmp_path / "b.tif")
