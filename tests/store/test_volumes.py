from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr

from lightsheet.store import pyramid, volumes
from lightsheet.store.paths import shard_path
from lightsheet.store.volumes import StoreLayout
from lightsheet.system.errors import InputError
from lightsheet.system.machine import allocate_on_disk
from tests.support.families import parametrize

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
SHAPE = (6, 150, 77)
CODECS: list[dict[str, Any]] = [
    {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"}},
    {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle"}},
    {"name": "zstd", "configuration": {"level": 3}},
    {"name": "gzip", "configuration": {}},
]


def volume(seed: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(seed).poisson(100, SHAPE).astype(dtype)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec["name"])
@parametrize("dtype", ["uint8", "uint16", "float32"], quick=2)
def test_others_read_back_what_was_written(tmp_path: Path, codec: dict[str, Any], dtype: str) -> None:
    layout = StoreLayout.plan(SHAPE, VOXEL, dtype, codec)
    written, _ = volumes.write_volume(tmp_path, 3, volume(0, dtype), layout, 2)
    assert [shard["level"] for shard in written] == [0, 1]
    half = pyramid.downsample(volume(0, dtype), layout.levels[1].factor)
    for level, expected in enumerate([volume(0, dtype), half]):
        np.testing.assert_array_equal(zarr.open_array(tmp_path / str(level), mode="r")[3], expected)
        place = {"driver": "file", "path": str(tmp_path / str(level))}
        array = tensorstore.open({"driver": "zarr3", "kvstore": place}, open=True, read=True).result()
        np.testing.assert_array_equal(array[3].read().result(), expected)
    np.testing.assert_array_equal(volumes.read_volume(tmp_path, 3, 2), volume(0, dtype))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("codec", [{"name": "blosc"}, {"name": "zstd"}, {"name": "gzip"}])
def test_an_array_is_described_as_zarr_describes_it(tmp_path: Path, codec: dict[str, Any], dtype: str) -> None:
    layout = StoreLayout.plan((9, 30, 20), (0.3, 0.1, 0.1), dtype, codec)
    volumes.write_array_metadata(tmp_path / "ours", layout.levels[0], (3, 2), layout, "tczyx")
    metadata = zarr.open_array(tmp_path / "ours", mode="r").metadata
    chunk = (1, 1, *layout.levels[0].chunk)
    codecs = [zarr.codecs.BytesCodec(), metadata.codecs[0].codecs[1], zarr.codecs.Crc32cCodec()]
    reference = zarr.create_array(
        tmp_path / "theirs",
        shape=(3, 2, 9, 30, 20),
        chunks=(1, 1, 9, 30, 20),
        dtype=dtype,
        fill_value=0,
        compressors=None,
        serializer=zarr.codecs.ShardingCodec(chunk_shape=chunk, codecs=codecs),
        dimension_names=list("tczyx"),
    )
    assert metadata == reference.metadata


def test_every_level_is_the_mean_of_the_one_below(tmp_path: Path) -> None:
    """In bands, and from shards: odd sizes, chunks that end elsewhere than those below, and several levels."""
    layout = StoreLayout.plan((10, 1042, 514), VOXEL, "uint16", CODECS[0])
    assert [level.shape for level in layout.levels] == [
        (10, 1042, 514),
        (10, 521, 257),
        (5, 261, 129),
        (3, 131, 65),
        (2, 66, 33),
    ]
    below = np.random.default_rng(0).poisson(100, layout.levels[0].shape).astype(np.uint16)
    volumes.write_volume(tmp_path, 0, below, layout, 2)
    for number in range(1, len(layout.levels)):
        step = np.floor_divide(layout.levels[number].factor, layout.levels[number - 1].factor)
        below = pyramid.downsample(below, tuple(step))
        np.testing.assert_array_equal(zarr.open_array(tmp_path / str(number), mode="r")[0], below)


@pytest.mark.parametrize(("dtype", "value"), [("uint16", 0), ("float32", np.nan)])
def test_a_hole_is_a_volume_of_its_own_kind(tmp_path: Path, dtype: str, value: float) -> None:
    layout = StoreLayout.plan(SHAPE, VOXEL, dtype, CODECS[0])
    written, _ = volumes.write_volume(tmp_path, 0, volumes.make_hole(layout), layout, 1)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "0", mode="r")[0], np.full(SHAPE, value, dtype))
    assert written[0]["bytes"] < 20_000


def test_a_volume_on_the_disk_is_stored_like_one_in_memory(tmp_path: Path) -> None:
    layout = StoreLayout.plan((6, 300, 256), VOXEL, "uint16", CODECS[0])
    whole = np.random.default_rng(0).poisson(100, layout.levels[0].shape).astype(np.uint16)
    allocate = allocate_on_disk(tmp_path)
    mapped = allocate(whole.shape, whole.dtype)
    mapped[...] = whole
    written = volumes.write_volume(tmp_path / "a", 0, whole, layout, 2)
    assert volumes.write_volume(tmp_path / "b", 0, mapped, layout, 2) == written
    np.testing.assert_array_equal(volumes.read_volume(tmp_path / "b", 0, 2, allocate), whole)


def test_a_missing_shard_is_an_error_and_not_a_black_volume(tmp_path: Path) -> None:
    layout = StoreLayout.plan(SHAPE, VOXEL, "uint16", CODECS[0])
    volumes.write_volume(tmp_path, 0, volume(0), layout, 2)
    assert not zarr.open_array(tmp_path / "0", mode="r")[1].any(), "Zarr itself reads zeros"
    with pytest.raises(InputError, match=r"c/1/0/0/0 is missing"):
        volumes.read_volume(tmp_path, 1)


@pytest.mark.parametrize("where", [100, -10])
def test_a_damaged_shard_is_an_error(tmp_path: Path, where: int) -> None:
    layout = StoreLayout.plan(SHAPE, VOXEL, "uint16", CODECS[0])
    volumes.write_volume(tmp_path, 0, volume(0), layout, 2)
    shard = shard_path(tmp_path, 0, (0,))
    content = bytearray(shard.read_bytes())
    content[where] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"has a damaged .* run the same command again"):
        volumes.read_volume(tmp_path, 0)


def test_rewriting_a_volume_leaves_a_link_to_the_old_one_alone(tmp_path: Path) -> None:
    layout = StoreLayout.plan(SHAPE, VOXEL, "uint16", CODECS[0])
    volumes.write_volume(tmp_path / "work", 0, volume(0), layout, 2)
    shard = shard_path(tmp_path / "work", 0, (0,))
    (tmp_path / "old").hardlink_to(shard)
    before = (tmp_path / "old").read_bytes()
    volumes.write_volume(tmp_path / "work", 0, volume(1), layout, 2)
    assert (tmp_path / "old").read_bytes() == before != shard.read_bytes()


def test_volume_bytes_counts_the_pyramid() -> None:
    layout = StoreLayout.plan((4, 256, 256), VOXEL, "float32", CODECS[0])
    assert layout.count_volume_bytes() == 4 * (4 * 256 * 256 + 4 * 128 * 128)
