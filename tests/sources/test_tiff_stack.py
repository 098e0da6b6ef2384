"""Volumes written as TIFF in many ways, against what is read of them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.sources.tiff_stack import count_pages, describe_stack, open_stack, read_stack
from lightsheet.system.errors import InputError
from tests.support.families import parametrize

VOLUME = np.random.default_rng(0).integers(0, 60000, (7, 33, 21)).astype(np.uint16)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "BigTIFF": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "zlib with predictor": {"compression": "zlib", "predictor": True},
    "zlib, big-endian, with predictor": {"compression": "zlib", "predictor": True, "byteorder": ">"},
    "LZW": {"compression": "lzw"},
    "LZW in strips with predictor": {"compression": "lzw", "predictor": True, "rowsperstrip": 4},
    "zstd": {"compression": "zstd"},
    "zstd, big-endian, in strips": {"compression": "zstd", "rowsperstrip": 5, "byteorder": ">"},
    "PackBits": {"compression": "packbits"},
    "LZMA": {"compression": "lzma"},
    "tiled": {"tile": (16, 16)},
    "tiled, big-endian": {"tile": (16, 16), "byteorder": ">"},
    "tiled, zlib with predictor": {"tile": (16, 16), "compression": "zlib", "predictor": True},
    "big-endian BigTIFF": {"byteorder": ">", "bigtiff": True},
    "ImageJ": {"imagej": True},
    "one page for all": {"truncate": True},
    "OME": {"ome": True},
    "OME, tiled": {"ome": True, "tile": (16, 16), "compression": "zlib"},
    "no metadata": {"metadata": None},
    "one row a strip": {"rowsperstrip": 1},
    "strips of five rows": {"rowsperstrip": 5},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_a_stack_reads_alike_however_it_was_written(tmp_path: Path, way: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOLUME, **way)
    assert describe_stack(path) == (VOLUME.shape, np.dtype(np.uint16))
    read = read_stack(path)
    assert read.dtype == np.uint16
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, VOLUME)


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_a_stack_is_sliced_like_an_array(tmp_path: Path, way: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOLUME, **way)
    with open_stack([(path, None)]) as stack:
        assert (stack.shape, stack.dtype) == (VOLUME.shape, VOLUME.dtype)
        for z, y in [
            (slice(2, 5), slice(4, 29)),
            (slice(6, 7), slice(32, None)),
            (slice(None), slice(0, 1)),
            (slice(3, 3),) * 2,
        ]:
            rows = stack[z, y]
            np.testing.assert_array_equal(rows, VOLUME[z, y])
            assert rows.dtype.isnative
            assert rows.flags.writeable
            assert rows.flags.c_contiguous
        with pytest.raises(IndexError, match="without steps"):
            stack[::2, :]


@pytest.mark.parametrize(
    ("ways", "rows"),
    [
        (["plain"], 1),
        (["strips of five rows"], 1),
        (["LZW in strips with predictor"], 4),
        (["tiled"], 16),
        (["LZW"], 33),
        (["plain", "tiled", "LZW in strips with predictor"], 16),
    ],
)
def test_a_stack_tells_how_many_rows_are_decoded_together(tmp_path: Path, ways: list[str], rows: int) -> None:
    pieces = [(tmp_path / f"{way}.tif", None) for way in ways]
    for (path, _), way in zip(pieces, ways, strict=True):
        tifffile.imwrite(path, VOLUME, **WAYS[way])
    with open_stack(pieces) as stack:
        assert stack.rows == rows


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u4", "i4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_type_of_voxel_is_read(tmp_path: Path, dtype: str, byteorder: Any, compression: str | None) -> None:
    path, volume = tmp_path / "a.tif", VOLUME.astype(dtype)
    predictor = bool(compression) and dtype != "u8"  # which tifffile does not write
    tifffile.imwrite(path, volume, byteorder=byteorder, compression=compression, predictor=predictor)
    read = read_stack(path)
    assert read.dtype == volume.dtype
    np.testing.assert_array_equal(read, volume)


def test_one_series_a_page_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for plane in VOLUME:
            file.write(plane, contiguous=False)
    assert tifffile.imread(path).shape == VOLUME.shape[1:], "the trap is gone from tifffile"
    np.testing.assert_array_equal(read_stack(path), VOLUME)


def test_an_imagej_stack_over_4_gb_is_read_at_its_far_end(tmp_path: Path) -> None:
    path, shape, planes = tmp_path / "a.tif", (2048, 2048), 600
    description = f"ImageJ=1.54f\nimages={planes}\nchannels=2\nslices={planes // 2}\nhyperstack=true\n"
    plane = np.arange(2048 * 2048, dtype=np.uint32).astype(">u2").reshape(shape)
    with tifffile.TiffWriter(path, byteorder=">") as file:
        file.write(plane, description=description, metadata=None)
    with tifffile.TiffFile(path) as written:
        start = written.pages.first.dataoffsets[0]
    with path.open("r+b") as file:  # a sparse file: what is not written takes no place on the disk
        file.truncate(start + planes * plane.nbytes)
        file.seek(start + (planes - 1) * plane.nbytes)
        file.write(plane[::-1].tobytes())
    assert path.stat().st_size > 2**32
    assert count_pages(path) == planes
    with open_stack([(path, range(1, planes, 2))]) as stack:
        assert stack.shape == (planes // 2, *shape)
        far = stack[-2:, 100:200]
    np.testing.assert_array_equal(far, np.stack([np.zeros_like(plane), plane[::-1]])[:, 100:200])


def test_a_metamorph_stack_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(VOLUME[0], extratags=[(33629, 5, 7, [1, 1] * 7, True)], metadata=None)
    with path.open("ab") as file:
        file.write(VOLUME[1:].tobytes())
    np.testing.assert_array_equal(read_stack(path), VOLUME)


def test_pieces_are_stacked_in_their_order(tmp_path: Path) -> None:
    a, b, c = (tmp_path / f"{name}.tif" for name in "abc")
    tifffile.imwrite(a, VOLUME, byteorder=">")
    tifffile.imwrite(b, VOLUME[::-1], compression="zlib")
    tifffile.imwrite(c, VOLUME[0])
    expected = np.concatenate([VOLUME[1:6:2], VOLUME[::-1][2:4], VOLUME[:1], VOLUME])
    with open_stack([(a, range(1, 6, 2)), (b, range(2, 4)), (c, None), (a, None)]) as stack:
        np.testing.assert_array_equal(stack[:, :], expected)
        for first in range(len(expected)):
            for last in range(first + 1, len(expected) + 1):
                np.testing.assert_array_equal(stack[first:last, 7:9], expected[first:last, 7:9])


def test_a_plane_per_file_keeps_no_file_open(tmp_path: Path) -> None:
    volume = np.concatenate([VOLUME] * 40)
    pieces = [(tmp_path / f"{number:04}.tif", None) for number in range(len(volume))]
    for (path, _), plane in zip(pieces, volume, strict=True):
        tifffile.imwrite(path, plane, metadata=None)
    before = len(list(Path("/dev/fd").iterdir()))
    with open_stack(pieces) as stack:
        np.testing.assert_array_equal(stack[3:277, 5:30], volume[3:277, 5:30])
        assert len(list(Path("/dev/fd").iterdir())) == before


@parametrize("way", ["plain", "zlib, big-endian, with predictor", "tiled"])
def test_threads_may_share_a_stack(tmp_path: Path, way: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOLUME, **WAYS[way])
    parts = [(slice(z, z + 3), slice(y, y + 9)) for z in range(5) for y in range(0, 33, 3)] * 4
    with open_stack([(path, None)]) as stack, ThreadPoolExecutor(8) as pool:
        for part, rows in zip(parts, pool.map(stack.__getitem__, parts), strict=True):
            np.testing.assert_array_equal(rows, VOLUME[part])


def test_pieces_of_two_kinds_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOLUME)
    tifffile.imwrite(tmp_path / "b.tif", VOLUME[:, 1:])
    tifffile.imwrite(tmp_path / "c.tif", VOLUME.astype(np.float32))
    for other, what in [("b", r"\(32, 21\) uint16"), ("c", r"\(33, 21\) float32")]:
        pieces = [(tmp_path / "a.tif", None), (tmp_path / f"{other}.tif", range(2, 4))]
        with pytest.raises(InputError, match=rf"{other}\.tif: page 2 is {what}.*a\.tif"), open_stack(pieces):
            pass


def test_a_page_that_is_not_there_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOLUME)
    for numbers in (range(5, 8), range(0), range(-1, 3)):
        with (
            pytest.raises(InputError, match=r"a\.tif: it has 7 pages"),
            open_stack([(tmp_path / "a.tif", numbers)]),
        ):
            pass


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOLUME)
    with open_stack([(path, None)]) as stack:
        tifffile.imwrite(path, VOLUME[::-1], append=True)
        with pytest.raises(InputError, match=r"a\.tif: it changed while it was read"):
            stack[:, :]


def test_a_single_plane_is_a_volume_of_one(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", VOLUME[0])
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif"), VOLUME[:1])
