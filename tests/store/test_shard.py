import math
import os
import posix
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lightsheet.store import shard
from lightsheet.system import files
from lightsheet.system.errors import DiskError
from tests.support.small_disk import mount_thin, unmount

BLOSC = {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"}}
VOLUME = np.random.default_rng(0).poisson(100, (6, 8, 10)).astype(np.uint16)
CHUNK = (3, 4, 5)
CHUNKS = 8


def test_equal_volumes_give_equal_bytes_for_any_number_of_threads(tmp_path: Path) -> None:
    large = np.random.default_rng(1).poisson(50, (16, 64, 64)).astype(np.float32)
    files = [shard.write_shard(tmp_path / str(n), large, (8, 16, 32), BLOSC, n) for n in (1, 2, 5, 2)]
    assert all(file == files[0] for file in files)


def test_a_written_shard_is_without_fault(tmp_path: Path) -> None:
    file = shard.write_shard(tmp_path / "a", VOLUME, CHUNK, BLOSC, 2)
    assert (tmp_path / "a").stat().st_size == file.bytes
    assert shard.find_fault(tmp_path / "a", CHUNKS, file.bytes, file.blake3) is None


def test_chunks_of_zeros_are_written(tmp_path: Path) -> None:
    shard.write_shard(tmp_path / "a", np.zeros_like(VOLUME), CHUNK, BLOSC, 1)
    index = np.frombuffer((tmp_path / "a").read_bytes()[-CHUNKS * 16 - 4 : -4], "<u8").reshape(-1, 2)
    assert (index[:, 1] > 0).all()
    assert (index[:, 0] != 2**64 - 1).all()


def test_a_missing_and_a_short_shard_are_named(tmp_path: Path) -> None:
    file = shard.write_shard(tmp_path / "a", VOLUME, CHUNK, BLOSC, 1)
    assert shard.find_fault(tmp_path / "b", CHUNKS, file.bytes, file.blake3) == "is missing"
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-1])
    assert "bytes where its record says" in str(shard.find_fault(tmp_path / "a", CHUNKS, file.bytes, file.blake3))


@given(st.integers(0, 10**9), st.integers(0, 7))
def test_any_flipped_bit_is_found_by_digest_and_by_crc(tmp_path_factory, where: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "a"
    file = shard.write_shard(path, VOLUME, CHUNK, BLOSC, 1)
    content = bytearray(path.read_bytes())
    content[where % len(content)] ^= 1 << bit
    path.write_bytes(content)
    assert "differs from the digest" in str(shard.find_fault(path, CHUNKS, file.bytes, file.blake3))
    assert "damaged" in str(shard.find_fault(path, CHUNKS, file.bytes, files.digest_blake3(path)))
    with pytest.raises(ValueError, match="damaged"):
        shard.Shard(path, VOLUME.shape, CHUNK, VOLUME.dtype, BLOSC)[:, :]


def test_a_chunk_that_does_not_divide_the_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not divide"):
        shard.write_shard(tmp_path / "a", VOLUME, (4, 4, 5), BLOSC, 1)
    assert list(tmp_path.iterdir()) == []


@given(st.tuples(*[st.integers(1, 3)] * 3), st.tuples(*[st.integers(1, 6)] * 3))
def test_the_index_lists_every_inner_chunk(tmp_path_factory, grid: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    shape = tuple(g * c for g, c in zip(grid, chunk, strict=True))
    path = tmp_path_factory.mktemp("index") / "a"
    file = shard.write_shard(path, np.ones(shape, np.uint8), chunk, {"name": "zstd"}, 2)
    assert shard.find_fault(path, math.prod(grid), file.bytes, file.blake3) is None


@pytest.fixture
def thin_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk that says that it has room, and learns only while it writes out that it has none."""
    monkeypatch.setattr(os, "fsync", posix.fsync)  # the one that waits for the disk
    disk = tmp_path / "disk"
    mount_thin(disk, 8_000, 100)
    monkeypatch.setattr(os, "fsync", posix.fsync)  # at which such a disk fails
    yield disk
    unmount(disk)
    unmount(tmp_path / "behind")


def test_what_a_disk_took_and_could_not_keep_does_not_appear(thin_disk: Path) -> None:
    volume = np.random.default_rng(0).integers(0, 65536, (16, 512, 1024), np.uint16)
    with pytest.raises(DiskError, match=f"cannot be written, because the disk at {thin_disk}"):
        shard.write_shard(thin_disk / "a", volume, (16, 128, 128), {"name": "blosc"}, 1)
    assert [path.name for path in thin_disk.iterdir()] == ["lost+found"]
