"""Metadata of stores that is damaged or hostile: a sentence that names it, before memory or time is taken."""

import copy
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, strategies as st

from lightsheet.store import published_image, volumes
from lightsheet.store.metadata import read_array_metadata
from lightsheet.store.paths import shard_path
from lightsheet.store.shard import Shard
from lightsheet.system.errors import DamagedVolumeError, InputError
from lightsheet.viewing import viewer
from tests.support import examples, published_run
from tests.support.json_values import a_value, list_places
from tests.support.published_run import Run

SHAPE = (4, 16, 24)
MOST_MEMORY, MOST_SECONDS = 10e6, 2.0
FUZZ = examples.take(1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return published_run.make(tmp_path_factory.mktemp("published"), SHAPE, timepoints=2)


@pytest.fixture(scope="module")
def array(run: Run) -> Path:
    return run.results.store / "0"


@contextmanager
def _little() -> Iterator[None]:
    """Demand that little memory and time is taken, whatever is raised."""
    start = time.process_time()
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MOST_MEMORY
        assert time.process_time() - start < MOST_SECONDS


@contextmanager
def _replace(path: Path, content: bytes) -> Iterator[None]:
    true = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(true)


def _change(path: Path, place: tuple[Any, ...], change: Callable[[Any, Any], None]) -> bytes:
    content = {"": json.loads(path.read_text())}
    inner: Any = content
    for key in ("", *place)[:-1]:
        inner = inner[key]
    change(inner, ("", *place)[-1])
    return json.dumps(content.get("")).encode()


def _set(value: Any) -> Callable[[Any, Any], None]:
    return lambda container, key: container.__setitem__(key, copy.deepcopy(value))


def _delete(container: Any, key: Any) -> None:
    del container[key]


SHARDING = ("codecs", 0, "configuration")
INNER = (*SHARDING, "chunk_shape")
HOSTILE: dict[str, tuple[tuple[Any, ...], Any]] = {
    "huge shape": (("shape"), [2, 2, 10**6, 10**6, 10**6]),
    "endless shape": (("shape",), [2, 2, 10**400, 16, 24]),
    "no shape": (("shape",), []),
    "two axes": (("shape",), [16, 24]),
    "billions of timepoints": (("shape",), [2**31 - 1, 2, *SHAPE]),
    "zero chunk": (INNER, [1, 1, 0, 16, 24]),
    "negative chunk": (INNER, [1, 1, -4, 16, 24]),
    "float chunk": (INNER, [1, 1, 0.5, 16, 24]),
    "true chunk": (INNER, [1, 1, True, 16, 24]),
    "chunk of several volumes": (INNER, [2, 1, 4, 16, 24]),
    "an axis more than its chunk": (INNER, [1, 4, 16, 24]),
    "an axis less than its chunk": (("shape",), [2, *SHAPE]),
    "uneven chunk": (INNER, [1, 1, 3, 16, 24]),
    "text for a chunk": (INNER, "11111"),
    "shard of several volumes": (("chunk_grid", "configuration", "chunk_shape"), [2, 2, *SHAPE]),
    "object dtype": (("data_type",), "object"),
    "dtype of NumPy's own": (("data_type",), "|V1000000000"),
    "dtype with options": (("data_type",), {"name": "numpy.datetime64", "configuration": {}}),
    "unknown codec": ((*SHARDING, "codecs", 1, "name"), "pickle"),
    "no codec": ((*SHARDING, "codecs"), []),
    "big-endian": ((*SHARDING, "codecs", 0), {"name": "bytes", "configuration": {"endian": "big"}}),
    "index at the start": ((*SHARDING, "index_location"), "start"),
    "no shards": (("codecs", 0), {"name": "bytes", "configuration": {"endian": "little"}}),
    "Zarr v2": (("zarr_format",), 2),
    "a group": (("node_type",), "group"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_metadata_of_an_array_is_named(run: Run, array: Path, hostile: str) -> None:
    place, value = HOSTILE[hostile]
    path = array / "zarr.json"
    with _replace(path, _change(path, tuple([place] if isinstance(place, str) else place), _set(value))):
        with _little(), pytest.raises(InputError, match=r"0/zarr\.json is damaged \(.*\); remove .*run\.ome\.zarr and"):
            volumes.open_shard(shard_path(run.results.store, 0, (0, 0)), array)
        with pytest.raises(InputError, match=r"0/zarr\.json is damaged"):
            published_image.read_image(run.results, "result")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"shape":' + b"[" * 900 + b"]" * 900 + b"}",
        b"1" * 9999,
    ],
    ids=["empty", "cut", "no text", "list", "null", "endless nesting", "deep nesting", "long number"],
)
@pytest.mark.parametrize("place", ["0/zarr.json", "zarr.json"])
def test_what_is_no_metadata_is_named(run: Run, place: str, content: bytes) -> None:
    path = run.results.store / place
    with (
        _replace(path, content),
        _little(),
        pytest.raises(InputError, match=rf"{place} is damaged \(it is no.*\); remove .*run\.ome\.zarr and"),
    ):
        published_image.read_image(run.results, "result")


def test_a_file_too_large_for_metadata_is_not_read(array: Path) -> None:
    path = array / "zarr.json"
    with _replace(path, path.read_bytes()):
        with path.open("r+b") as file:
            file.truncate(2**40)
        with _little(), pytest.raises(InputError, match=r"zarr\.json is damaged \(it has 1099511627776 bytes\)"):
            read_array_metadata(array)


def test_a_missing_array_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0/zarr\.json is damaged \(it cannot be read, No such file"):
        volumes.open_shard(shard_path(run.results.store, 0, (0, 0)), tmp_path / "0")


def test_damaged_metadata_of_a_work_area_is_written_anew_with_the_volume(tmp_path: Path) -> None:
    volume = np.ones(SHAPE, np.uint16)
    layout = volumes.StoreLayout.plan(SHAPE, published_run.VOXEL, "uint16", {"name": "zstd"})
    volumes.write_volume(tmp_path, 0, volume, layout, 1)
    for content in (b"{", (tmp_path / "0" / "zarr.json").read_bytes().replace(b"24", b"2400000000")):
        (tmp_path / "0" / "zarr.json").write_bytes(content)
        with _little(), pytest.raises(DamagedVolumeError, match="run the "):
            volumes.read_volume(tmp_path, 0)
        volumes.write_volume(tmp_path, 0, volume, layout, 1)
        np.testing.assert_array_equal(volumes.read_volume(tmp_path, 0), volume)


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ((1, 3000, 3000), (1, 1, 1)),  # once 29 s and 2.8 GB
        ((2**31 - 1, 2**31 - 1, 2**31 - 1), (1, 1, 1)),
        ((1, 100_000, 100_000), (1, 100_000, 100_000)),
        ((64, 1024, 1024), (64, 1024, 1024)),
    ],
)
def test_a_volume_that_its_shard_cannot_hold_is_refused_before_memory_is_taken(
    tmp_path: Path, shape: tuple[int, ...], chunk: tuple[int, ...]
) -> None:
    (tmp_path / "shard").write_bytes(bytes(100))
    with _little(), pytest.raises(ValueError, match="has a size, 100 bytes, that no volume"):
        Shard(tmp_path / "shard", shape, chunk, "uint16", {"name": "zstd"})


def test_a_sparse_shard_of_terabytes_is_refused_too(tmp_path: Path) -> None:
    with (tmp_path / "shard").open("wb") as file:
        file.truncate(2**41)
    for shape, chunk in (((2**10, 2**15, 2**15), (1, 1, 1)), ((1, 2**20, 2**20), (1, 2**20, 2**20)), (SHAPE, SHAPE)):
        with _little(), pytest.raises(ValueError, match="has a size, "):
            Shard(tmp_path / "shard", shape, chunk, "uint16", {"name": "zstd"})


def _write_shard(path: Path, chunks: list[bytes]) -> None:
    """Write a shard whose checksums are right."""
    ends = np.cumsum([len(chunk) for chunk in chunks])
    index = np.stack([ends - [len(chunk) for chunk in chunks], [len(chunk) for chunk in chunks]], axis=1)
    content = index.astype("<u8").tobytes()
    path.write_bytes(b"".join(chunks) + content + int(google_crc32c.value(content)).to_bytes(4, "little"))


@pytest.mark.parametrize("chunk", [b"", bytes(4)], ids=["nothing", "nothing but its checksum"])
def test_a_chunk_without_content_is_damaged(tmp_path: Path, chunk: bytes) -> None:
    """The checksum of nothing is 0."""
    _write_shard(tmp_path / "shard", [chunk])
    with pytest.raises(ValueError, match="has a damaged shard index"):
        Shard(tmp_path / "shard", SHAPE, SHAPE, "uint16", {"name": "gzip"})


def test_a_bomb_of_zstandard_takes_no_memory(tmp_path: Path) -> None:
    """A frame that says no size, of blocks that repeat a byte: 32 kB for 1 GB."""
    blocks = b"".join((131072 << 3 | 2 | (n == 8191)).to_bytes(3, "little") + b"\0" for n in range(8192))
    chunk = b"\x28\xb5\x2f\xfd\x00\x38" + blocks
    _write_shard(tmp_path / "shard", [chunk + int(google_crc32c.value(chunk)).to_bytes(4, "little")])
    shard = Shard(tmp_path / "shard", (8, 64, 64), (8, 64, 64), "uint16", {"name": "zstd"})
    with _little(), pytest.raises(ValueError, match="has an inner chunk that zstd cannot decode"):
        shard[:, :]


@given(data=st.data(), value=a_value, is_deleted=st.booleans())
@FUZZ
def test_any_change_of_an_array_is_a_sentence_or_harmless(
    run: Run, array: Path, data: st.DataObject, value: Any, is_deleted: bool
) -> None:
    path = array / "zarr.json"
    place = data.draw(st.sampled_from(list(list_places(json.loads(path.read_text())))))
    with _replace(path, _change(path, place, _delete if is_deleted else _set(value))), _little(), suppress(InputError):
        image = published_image.read_image(run.results, "result")
        assert sum(band.size for _, band in image.read_bands(image.channels[0], 0, 0)) == np.prod(SHAPE)


@given(data=st.data(), value=a_value, is_deleted=st.booleans(), kind=st.sampled_from(["raw", "result"]))
@FUZZ
def test_any_change_of_a_group_is_a_sentence_or_harmless(
    run: Run, data: st.DataObject, value: Any, is_deleted: bool, kind: str
) -> None:
    path = (run.results.store if kind == "result" else run.results.raw_store("CamA_ch0_488nm")) / "zarr.json"
    place = data.draw(st.sampled_from(list(list_places(json.loads(path.read_text())))))
    with _replace(path, _change(path, place, _delete if is_deleted else _set(value))), _little(), suppress(InputError):
        json.dumps(viewer.describe_state(run.results, "http://a"), allow_nan=False).encode()
        viewer.describe_viewers(run.results, "http://a:1").encode()
