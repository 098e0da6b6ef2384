"""Damages that a Zarr store can reveal: each ends in a sentence, or in the right pixels."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given, strategies as st
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from lightsheet.sources import open_mosaic, read_image
from lightsheet.system import InputError
from tests.support.examples import take

MOVIE = np.random.default_rng(3).integers(90, 400, (2, 8, 20, 24), np.uint16)
CHECKED = [Crc32cCodec()]
WAYS: dict[str, dict[str, Any]] = {
    "plain": {"compressors": None, "zarr_format": 2},
    "blosc2": {"compressors": numcodecs.Blosc("zstd", 1, 1), "zarr_format": 2},
    "zlib": {"compressors": numcodecs.Zlib(), "zarr_format": 2},
    "gzip": {"compressors": GzipCodec()},
    "zstd": {"compressors": ZstdCodec(checksum=True)},
    "blosc": {"compressors": [BloscCodec(cname="zstd"), *CHECKED]},
    "sharded": {"compressors": [BloscCodec(cname="lz4"), *CHECKED], "shards": (1, 8, 20, 24)},
    "sharded-first": {
        "compressors": [ZstdCodec(checksum=True), *CHECKED],
        "shards": {"shape": (2, 8, 20, 24), "index_location": "start"},
    },
}
HAS_CHECKSUM = {"zlib", "gzip", "zstd", "blosc", "sharded", "sharded-first"}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("stores")
    for name, way in WAYS.items():
        array = zarr.create_array(folder / name / "0", shape=MOVIE.shape, chunks=(1, 4, 10, 24), dtype="u2", **way)
        array[:] = MOVIE
        scales = [{"type": "scale", "scale": [1, 0.3, 0.1, 0.1]}]
        image = {
            "version": "0.4",
            "axes": [{"name": "t", "type": "time"}, *({"name": axis, "type": "space"} for axis in "zyx")],
            "datasets": [{"path": "0", "coordinateTransformations": scales}],
        }
        version = way.get("zarr_format", 3)
        zarr.open_group(folder / name, mode="a", zarr_format=version).attrs.update({"multiscales": [image]})
    return folder


def truncate(content: bytes, place: float) -> bytes:
    return content[: int(place * len(content))]


def zero(content: bytes, place: float) -> bytes:
    start = int(place * len(content))
    return content[:start] + bytes(len(content) - start)


def flip(content: bytes, place: float) -> bytes:
    bit = int(place * 8 * len(content))
    return content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :]


def overwrite(content: bytes, place: float) -> bytes:
    start = int(place * len(content))
    return content[:start] + b"\xff" * 16 + content[start + 16 :]


def double(content: bytes, place: float) -> bytes:
    return content + content[: 1 + int(place * len(content))]


def remove_key(content: bytes, place: float) -> bytes:
    """Leave out a key of metadata, at any depth."""
    metadata = json.loads(content)
    keys = list(_list_keys(metadata))
    holder, key = keys[int(place * len(keys))]
    del holder[key]
    return json.dumps(metadata).encode()


def replace_value(content: bytes, place: float) -> bytes:
    """Put something of another type in the place of a value of metadata."""
    metadata = json.loads(content)
    keys = list(_list_keys(metadata))
    holder, key = keys[int(place * len(keys))]
    holder[key] = {"a": []} if isinstance(holder[key], str | int | float) else "zarr"
    return json.dumps(metadata).encode()


def _list_keys(content: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
        yield content, key
        if isinstance(value, dict | list):
            yield from _list_keys(value)


def read(store: Path) -> np.ndarray:
    image = read_image(store)
    sizes = image.sizes
    shape = sizes["z"], sizes["y"], sizes["x"]
    volumes = []
    for t in range(2):
        tiles = [((0, 0, 0), [(str(image.layout.path), image.select(t, 0))])]
        with open_mosaic(tiles, shape, "uint16") as volume:
            volumes.append(np.concatenate([volume[z : z + 3, :] for z in range(0, shape[0], 3)]))
    return np.stack(volumes)


BYTES: list[Callable[[bytes, float], bytes]] = [truncate, zero, flip, overwrite, double]
JSON: list[Callable[[bytes, float], bytes]] = [truncate, zero, overwrite, remove_key, replace_value]


@take(8)
@given(
    name=st.sampled_from(sorted(WAYS)),
    file=st.integers(0, 10**6),
    damage=st.integers(0, 4),
    place=st.floats(0, 1, exclude_max=True),
    is_metadata=st.booleans(),
)
def test_damage_ends_in_a_sentence_or_in_the_right_pixels(
    stores: Path, name: str, file: int, damage: int, place: float, is_metadata: bool
) -> None:
    store = stores / name
    names = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
    metadata = [path for path in sorted(store.rglob("*")) if path.name in names and len(path.read_bytes()) > 2]
    chunks = [path for path in sorted(store.rglob("*")) if path.is_file() and path.name not in names]
    files, damages = (metadata, JSON) if is_metadata else (chunks, BYTES)
    path, change = files[file % len(files)], damages[damage]
    if not is_metadata and name not in HAS_CHECKSUM and change not in (truncate, double):
        return  # nothing tells of it
    content = path.read_bytes()
    damaged = change(content, place)
    if is_metadata and name not in HAS_CHECKSUM and change in (remove_key, replace_value):
        return  # without its compressor, or with another fill value, it is another store
    path.write_bytes(damaged)
    try:
        voxels = read(store)
    except InputError as error:
        sentence = str(error)
    else:
        sentence = str(store)
        np.testing.assert_array_equal(voxels, MOVIE)
    finally:
        path.write_bytes(content)
    assert str(store) in sentence


@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_lost_file_is_no_darkness(stores: Path, tmp_path: Path, name: str) -> None:
    store = tmp_path / name
    shutil.copytree(stores / name, store)
    np.testing.assert_array_equal(read(store), MOVIE)
    chunk = max(path for path in store.rglob("*") if path.is_file() and path.name[0].isdecimal())
    chunk.unlink()
    with pytest.raises(InputError, match="never written"):
        read(store)
    chunk.touch()
    with pytest.raises(InputError, match="damaged"):
        read(store)
