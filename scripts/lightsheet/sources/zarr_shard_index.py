"""The index of a Zarr shard: where each of its chunks lies, and which were never written."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.sources.zarr_array import split_named
from lightsheet.sources.zarr_codecs import FAILURES, Array, make_pipeline
from lightsheet.system import InputError, escape_name, name_unreadable

ABSENT = 2**64 - 1
"""Offset and length, in a shard's index, of a chunk that was never written."""

MOST_CHUNKS = 1 << 22
"""In a shard; of more, its metadata is damaged."""


class ShardIndexReader:
    """Reads the indices of an array's shards.

    Parameters
    ----------
    settings : mapping, the configuration of the codec `sharding_indexed`
    chunks : int, chunks of a shard
    """

    def __init__(self, settings: Mapping[str, Any], chunks: int) -> None:
        if chunks > MOST_CHUNKS:
            raise ValueError(f"{chunks} chunks in a shard")
        checks = [split_named(codec)[0] for codec in settings["index_codecs"]]
        decode = make_pipeline(settings["index_codecs"], (chunks, 2), np.dtype("u8"))
        if decode is None or not set(checks) <= {"bytes", "crc32c"}:
            raise ValueError(f"codecs of the index: {checks}")
        self._decode = decode
        self._bytes = 16 * chunks + 4 * checks.count("crc32c")
        self._is_checked = "crc32c" in checks
        self._is_first = settings.get("index_location", "end") == "start"

    def read(self, path: Path) -> Array | None:
        """Return the offset and the length of each chunk of a shard, (chunk, 2); None if there is no such shard."""
        try:
            return self._read(path)
        except FAILURES as error:
            raise InputError(
                f"{path}: the index of the shard is damaged ({escape_name(str(error))[:200]}); copy the store again"
            ) from None

    def _read(self, path: Path) -> Array | None:
        with name_unreadable(path):
            try:
                file = path.open("rb")
            except (FileNotFoundError, NotADirectoryError):
                return None
            with file:
                size = os.fstat(file.fileno()).st_size
                start = 0 if self._is_first else size - self._bytes
                content = os.pread(file.fileno(), self._bytes, start) if size >= self._bytes else b""
        index: Array = self._decode(content).astype("u8")
        self._check(index, size)
        return index

    def _check(self, index: Array, size: int) -> None:
        """Refuse an index of chunks that cannot lie where it says in a shard of so many bytes."""
        is_absent = index == ABSENT
        present = index[~is_absent[:, 0]]
        low, high = (self._bytes, size) if self._is_first else (0, size - self._bytes)
        ends = present.sum(axis=1)
        is_outside = (present > size).any() or (present[:, 0] < low).any() or (ends > high).any()
        if is_outside or (is_absent[:, 0] != is_absent[:, 1]).any():
            raise ValueError(f"it tells of bytes that its {size} bytes do not have")
        starts = np.sort(present[:, 0])
        if not self._is_checked and (np.sort(ends)[:-1] > starts[1:]).any():
            raise ValueError("two chunks are at one place")
