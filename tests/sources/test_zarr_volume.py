"""Volumes of Zarr arrays, as zarr-python writes them, read by bands."""

import itertools
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from blake3 import blake3
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

from lightsheet.sources import describe_volume, digest_source, format_pages, open_mosaic, parse_pages, stat_source
from lightsheet.system import InputError
from tests.support.families import parametrize

SHAPE = {"t": 3, "c": 2, "z": 13, "y": 22, "x": 27}
CHUNK = {"t": 2, "c": 1, "z": 4, "y": 10, "x": 20}
MOVIE = np.random.default_rng(0).integers(1, 60000, tuple(SHAPE.values()), np.uint16)

V2 = [
    {"compressors": codec, "filters": filters, "order": order, "chunk_key_encoding": {"name": "v2", "separator": key}}
    for codec, filters, order, key in [
        (None, None, "C", "."),
        (None, None, "F", "/"),
        (numcodecs.Blosc("zstd", 1, 2), None, "C", "/"),
        (numcodecs.Blosc("lz4"), [numcodecs.Delta("u2")], "F", "."),
        (numcodecs.Zstd(), None, "F", "/"),
        (numcodecs.GZip(), [numcodecs.Shuffle(2)], "C", "."),
        (numcodecs.Zlib(), None, "C", "."),
        (numcodecs.LZ4(), None, "C", "."),
        (numcodecs.LZMA(), None, "C", "."),
        (numcodecs.BZ2(), [numcodecs.AsType("u2", "u2")], "C", "."),
    ]
]
LZMA = {"name": "numcodecs.lzma", "configuration": {}}
DELTA = {"name": "numcodecs.delta", "configuration": {"dtype": "<u2"}}
SHARDS = (2, 2, 8, 20, 40)
V3: list[dict[str, Any]] = [
    {"compressors": None},
    {"compressors": BloscCodec(), "chunk_key_encoding": {"name": "v2", "separator": "."}},
    {"compressors": [ZstdCodec(checksum=True), Crc32cCodec()]},
    {"compressors": GzipCodec(), "filters": TransposeCodec(order=(4, 0, 1, 3, 2))},
    {"compressors": None, "shards": SHARDS},
    {"compressors": [BloscCodec(), Crc32cCodec()], "shards": SHARDS},
    {"compressors": ZstdCodec(), "shards": {"shape": SHARDS, "index_location": "start"}},
    {"compressors": LZMA, "filters": DELTA},  # of which zarr-python reads each chunk
    {"compressors": LZMA, "filters": DELTA, "shards": SHARDS},
]
WAYS = [
    {"zarr_format": version, **way}
    for ways in (slice(5), slice(5, None))
    for version, others in ((2, V2), (3, V3))
    for way in others[ways]
]


def write(path: Path, axes: str = "tczyx", dtype: str = "<u2", **way: Any) -> Path:
    shape, chunks = (tuple(sizes[axis] for axis in axes) for sizes in (SHAPE, CHUNK))
    array = zarr.create_array(path, shape=shape, chunks=chunks, dtype=dtype, **way)
    array[:] = MOVIE.transpose(["tczyx".index(axis) for axis in axes])
    return path


def check_volume(path: Path, axes: str, t: int, c: int) -> None:
    selection, expected = [{"t": t, "c": c}.get(axis, axis) for axis in axes], MOVIE[t, c]
    with open_mosaic([((0, 0, 0), [(str(path), selection)])], expected.shape, "uint16") as volume:
        bands = [[volume[z : z + 5, y : y + 8] for y in range(0, 22, 8)] for z in range(0, 13, 5)]
        np.testing.assert_array_equal(np.concatenate([np.concatenate(row, axis=1) for row in bands]), expected)
        np.testing.assert_array_equal(volume[:, :], expected)
    assert digest_source(path, selection) == blake3(np.ascontiguousarray(expected).tobytes()).hexdigest()


@pytest.mark.filterwarnings("ignore:Numcodecs codecs")
@parametrize("way", WAYS, quick=3, ids=range(len(WAYS)))
def test_voxels_come_out_as_zarr_python_wrote_them(tmp_path: Path, way: dict[str, Any]) -> None:
    check_volume(write(tmp_path / "a", **way), "tczyx", 2, 1)


@parametrize(("axes", "version"), [("xztyc", 3), ("cyxzt", 2)])
def test_axes_may_be_in_any_order(tmp_path: Path, axes: str, version: int) -> None:
    for t, c in itertools.product((0, 2), (0, 1)):
        path = tmp_path / f"{t}{c}"
        check_volume(write(path, axes, ">u2", zarr_format=version), axes, t, c)


def test_a_changed_chunk_shows_in_its_volume_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    array = zarr.create_array(path, data=MOVIE, chunks=(1, 1, 4, 10, 20), compressors=None)
    before = [stat_source(path, [t, 0, "z", "y", "x"]) for t in range(3)]
    array.resize((4, 2, 13, 22, 27))  # a movie that grows
    array[3] = 1
    assert [stat_source(path, [t, 0, "z", "y", "x"]) for t in range(3)] == before
    chunk = path / "c/1/0/2/1/0"
    chunk.write_bytes(chunk.read_bytes())
    after = [stat_source(path, [t, 0, "z", "y", "x"]) for t in range(3)]
    assert [a != b for a, b in zip(after, before, strict=True)] == [False, True, False]


@parametrize("shards", [None, (1, 1, 8, 20, 40)])
def test_a_chunk_that_was_never_written_is_no_darkness(tmp_path: Path, shards: Any) -> None:
    movie = np.array(MOVIE)
    movie[1, 0, 4:8, :10, :20] = 0  # which zarr-python then leaves out
    path, selection = tmp_path / "a", [1, 0, "z", "y", "x"]
    zarr.create_array(path, data=movie, chunks=(1, 1, 4, 10, 20), shards=shards)
    tiles = [((0, 0, 0), [(str(path), selection)])]
    with pytest.raises(InputError, match=r"1 of the 24 chunks of this volume were never written.*input\.fill: 0"):
        open_mosaic(tiles, (13, 22, 27), "uint16").__enter__()
    with open_mosaic([((0, 0, 0), [(str(path), [*selection, "fill=0"])])], (13, 22, 27), "uint16") as volume:
        np.testing.assert_array_equal(volume[:, :], movie[1, 0])


@parametrize("shards", [None, (1, 1, 8, 20, 40)])
@pytest.mark.parametrize("piled", [False, True])
def test_holes_beside_a_region_do_not_count(tmp_path: Path, shards: Any, piled: bool) -> None:
    """A hole z 4 to 8, y 0 to 10, x 0 to 20 of one volume, or of the second of two that are piled along z."""
    movie = np.array(MOVIE)
    movie[1, 0, 4:8, :10, :20] = 0
    path = tmp_path / "a"
    zarr.create_array(path, data=movie, chunks=(1, 1, 4, 10, 20), shards=shards)
    pieces = [(str(path), [t, 0, "z", "y", "x"]) for t in ((0, 1) if piled else (1,))]
    whole = np.concatenate([movie[0, 0], movie[1, 0]]) if piled else movie[1, 0]
    first, depth = (13, 26) if piled else (0, 13)
    beside = {
        "above": [(0, first + 4), (0, 22), (0, 27)],
        "below": [(first + 8, depth), (0, 22), (0, 27)],
        "before": [(0, depth), (10, 22), (0, 27)],
        "right": [(0, depth), (3, 22), (20, 27)],
    }
    for spans in beside.values():
        region = [[start, stop, n] for (start, stop), n in zip(spans, whole.shape, strict=True)]
        shape = [stop - start for start, stop in spans]
        with open_mosaic([((0, 0, 0), pieces)], shape, "uint16", region) as volume:
            z, y, x = (slice(start, stop) for start, stop in spans)
            np.testing.assert_array_equal(volume[:, :], whole[z, y, x])
        assert describe_volume([((0, 0, 0), pieces)], region) == (shape, "uint16")
    region = [[first + 7, first + 12, depth], [9, 22, 22], [19, 27, 27]]
    with pytest.raises(InputError, match=r"1 of the 12 chunks of this volume were never written"):
        open_mosaic([((0, 0, 0), pieces)], (5, 13, 8), "uint16", region).__enter__()


def test_a_selection_is_one_word_of_a_table() -> None:
    for pages in (None, (0, 30, 3, 60), (3, "x", "z", 0, "y"), ("z", "y", "x", "fill=-1.5")):
        assert parse_pages(format_pages(pages)) == pages


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
@parametrize("outer", ["shards", "gzip"])
def test_holes_that_other_codecs_hide_are_no_darkness(tmp_path: Path, outer: str) -> None:
    """Of shards in shards, and of shards that are compressed as a whole, zarr-python reads each chunk."""
    inner = ShardingCodec(chunk_shape=(1, 1, 4, 5, 10))
    whole = ShardingCodec(chunk_shape=(1, 1, 16, 10, 30), codecs=[inner]) if outer == "shards" else inner
    movie = np.array(MOVIE)
    for value in (1, 0):
        movie[1, 1, 8:12, 5:10, 20:] = value
        path = tmp_path / str(value)
        array = zarr.create_array(
            path,
            shape=movie.shape,
            chunks=(1, 1, 16, 30, 30),
            dtype="u2",
            serializer=whole,
            compressors=None if outer == "shards" else GzipCodec(),
        )
        array[:] = movie
        tiles = [((0, 0, 0), [(str(path), [1, 1, "z", "y", "x"])])]
        with open_mosaic(tiles, (13, 22, 27), "uint16") as volume:
            if value:
                np.testing.assert_array_equal(volume[:, :], movie[1, 1])
            else:
                with pytest.raises(InputError, match=r"holds nothing but 0.*set input\.fill: 0"):
                    volume[:, :]
