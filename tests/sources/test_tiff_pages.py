"""Headers of TIFF files that are damaged, or of a kind that is not read, and what is said of them."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.sources.tiff_stack import count_pages, describe_stack, read_stack
from lightsheet.system.errors import InputError
from tests.sources.test_tiff_stack import VOLUME, WAYS
from tests.support.cpu_time import takes_less


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
@pytest.mark.parametrize("part", [0.0, 0.05, 0.5, 0.9])
def test_a_cut_off_file_is_refused_with_its_name(tmp_path: Path, way: dict[str, Any], part: float) -> None:
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, VOLUME, **way)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(InputError, match=r"cut\.tif"):
        read_stack(path)


def test_an_imagej_stack_that_lacks_planes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOLUME, imagej=True, truncate=True)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(InputError, match="cut off"):
        read_stack(path)


def test_pages_of_two_shapes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(VOLUME[0])
        file.write(VOLUME[0, :20])
    with pytest.raises(InputError, match=r"page 1 is \(20, 21\) uint16, page 0 is \(33, 21\) uint16"):
        read_stack(path)


def test_colour_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="single-channel"):
        describe_stack(tmp_path / "a.tif")


def test_what_is_no_tiff_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("hello")
    with pytest.raises(InputError, match=r"a\.tif: cannot be read as TIFF"):
        describe_stack(tmp_path / "a.tif")
    with pytest.raises(InputError, match="no such file"):
        read_stack(tmp_path / "b.tif")


def _patch(path: Path, code: int, value: int, page: int = 1) -> None:
    """Give a tag of a page another first value; it takes the place of the resolution's unit if it is not there."""
    with tifffile.TiffFile(path) as file:
        tags = file.pages[page].tags
        tag = tags[code if code in tags else 296]
        size = {3: 2, 4: 4}[tag.dtype]
    with path.open("r+b") as opened:
        opened.seek(tag.offset)
        opened.write(code.to_bytes(2, "little"))
        opened.seek(tag.valueoffset)
        opened.write(value.to_bytes(size, "little"))


@pytest.mark.parametrize(
    ("way", "code", "value"),
    [
        ("plain", 273, 8),  # the strip begins in the header
        ("plain", 273, 300),  # in another page's strip
        ("plain", 279, 33 * 21 * 2 - 2),  # the strip is too short
        ("plain", 279, 33 * 21 * 2 + 2),
        ("one row a strip", 273, 4000),
        ("one row a strip", 279, 40),
        ("one row a strip", 278, 2),
        ("zlib with predictor", 259, 1),
        ("zlib with predictor", 317, 1),
        ("zlib with predictor", 279, 20),
        ("tiled", 324, 0),
        ("tiled", 322, 32),
        ("plain", 259, 7),
        ("plain", 266, 2),  # the bits of a byte reversed
        ("plain", 317, 2),  # a predictor without compression
        ("plain", 32997, 2),  # a page of two planes
        ("plain", 277, 3),
        ("plain", 258, 12),
        ("plain", 262, 2),
    ],
)
def test_a_damaged_tag_is_refused(tmp_path: Path, way: str, code: int, value: int) -> None:
    path = tmp_path / "damaged.tif"
    tifffile.imwrite(path, VOLUME, **WAYS[way])
    read_stack(path)
    _patch(path, code, value)
    with pytest.raises(InputError, match=r"damaged\.tif"):
        read_stack(path)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd", "packbits", "lzma"])
@pytest.mark.parametrize("rows", [32, 34])
def test_a_strip_of_too_many_or_too_few_rows_is_refused(tmp_path: Path, compression: str, rows: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOLUME[:2], compression=compression)
    for code in (257, 278):  # the page's rows and the strip's
        for page in (0, 1):
            _patch(path, code, rows, page)
    assert describe_stack(path)[0] == (2, rows, 21)
    with pytest.raises(InputError, match=r"a\.tif: cannot be read"):
        read_stack(path)


def test_pages_in_a_circle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, VOLUME)
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[-1]
        end = last.offset + 2 + 12 * len(last.tags)
    with path.open("r+b") as file:
        file.seek(end)
        file.write(struct.pack("<L", first))
    with pytest.raises(InputError, match=r"page 7 is an earlier one again"):
        read_stack(path)


@pytest.mark.parametrize("way", ["JPEG 2000", "12 bits"])
def test_what_is_not_read_is_refused_with_a_way_out(tmp_path: Path, way: str) -> None:
    how: dict[str, Any] = {"JPEG 2000": {"compression": "jpeg2000"}, "12 bits": {"bitspersample": 12}}[way]
    tifffile.imwrite(tmp_path / "a.tif", VOLUME >> 4, **how)
    with pytest.raises(InputError, match=r"a\.tif: .*; export it (with|as)"):
        read_stack(tmp_path / "a.tif")


@pytest.mark.slow
def test_the_headers_of_a_long_stack_cost_little(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for _ in range(2000):
            file.write(VOLUME[0], contiguous=False)
    assert count_pages(path) == 2000
    assert takes_less(1, lambda: count_pages(path)), "50 ms where nothing else runs"


@pytest.mark.parametrize("way", ["zero", "absent"])
@pytest.mark.parametrize(
    "written",
    [{}, {"rowsperstrip": 7}, {"tile": (16, 16)}, {"byteorder": ">"}, {"bigtiff": True}, {"contiguous": True}],
)
def test_byte_counts_that_are_not_there(tmp_path: Path, way: str, written: dict[str, Any]) -> None:
    image = np.arange(3 * 20 * 24, dtype="uint16").reshape(3, 20, 24)
    path, name = tmp_path / "a.tif", "TileByteCounts" if "tile" in written else "StripByteCounts"
    tifffile.imwrite(path, image, metadata=None, photometric="minisblack", **{"contiguous": False, **written})
    with tifffile.TiffFile(path, mode="r+") as file:
        for page in file.pages:
            tag = page.tags[name]
            if way == "zero":
                tag.overwrite([0] * tag.count if tag.count > 1 else 0)
            else:  # another number in its place, which nobody knows
                file.filehandle.seek(tag.offset)
                file.filehandle.write((50000).to_bytes(2, "big" if written.get("byteorder") == ">" else "little"))
    np.testing.assert_array_equal(read_stack(path), image)


@pytest.mark.parametrize("count", [1, 479, 481])
def test_byte_counts_that_contradict_the_pixels(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((10, 24), "uint16"), metadata=None, photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["StripByteCounts"].overwrite(count)
    with pytest.raises(InputError, match=r"if it was written so, open it in Fiji and save it as TIFF"):
        read_stack(path)


def test_byte_counts_of_compressed_pixels_cannot_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((10, 24), "uint16"), compression="zlib", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["StripByteCounts"].overwrite(0)
    with pytest.raises(InputError, match=r"bytes where 10 rows of 48 belong.*save it as TIFF"):
        read_stack(path)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pages_that_say_that_they_are_no_planes_or_in_another_order(tmp_path: Path, byteorder: Any) -> None:
    def write(name: str, numbers: list[int], types: list[int]) -> Path:
        with tifffile.TiffWriter(tmp_path / name, byteorder=byteorder) as file:
            for plane, number, kind in zip(VOLUME, numbers, types, strict=False):
                tags = [(297, 3, 2, (number, 3), False)]
                file.write(plane, contiguous=False, metadata=None, subfiletype=kind, extratags=tags)
        return tmp_path / name

    assert count_pages(write("good.tif", [0, 1, 2], [2, 2, 2])) == 3
    assert count_pages(write("again.tif", [0, 1, 0], [0, 0, 0])) == 3, "which says nothing of their order"
    with pytest.raises(InputError, match=r"reversed\.tif: its pages have the numbers 2, 1, 0"):
        count_pages(write("reversed.tif", [2, 1, 0], [0, 0, 0]))
    with pytest.raises(InputError, match=r"copy\.tif: page 2 \(from 0\) is a smaller copy of another, or a mask"):
        count_pages(write("copy.tif", [0, 1, 2], [0, 0, 1]))
