"""The chunks of one Zarr array: found in files or in shards, told from those that were never written, and decoded."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.sources.zarr_array import ArrayLayout, split_named
from lightsheet.sources.zarr_codecs import FAILURES, Array, Decode, make_decoder, make_pipeline
from lightsheet.sources.zarr_shard_index import ABSENT, ShardIndexReader
from lightsheet.system import InputError, escape_name, name_unreadable

Place = tuple[int, ...]


class ChunkReader:
    """Reads and decodes the chunks of an array, from any thread; those of shards one by one.

    `unit` is the shape of what is decoded at a time; `is_sharded`: a file is a shard, of several chunks or of one. It
    `may_lack` chunks, where these may be taken for fill.
    """

    def __init__(self, layout: ArrayLayout, *, may_lack: bool = False) -> None:
        self._may_lack = may_lack
        self._layout = layout
        self._indices: dict[Place, Array | None] = {}
        self.unit = layout.chunk
        with explain_codecs(layout.path):
            settings = find_sharding(layout)
            self.is_sharded = settings is not None
            codecs = layout.codecs if settings is None else settings["codecs"]
            self._inner = _find_inner_chunk(codecs) if layout.version == 3 else ()
            self._ratio: Place = (1,) * len(layout.chunk)
            if settings is None:
                self._decode: Decode | None = make_decoder(layout)
                return
            self.unit = tuple(settings["chunk_shape"])
            self._ratio = tuple(outer // inner for outer, inner in zip(layout.chunk, self.unit, strict=True))
            if any(outer % inner for outer, inner in zip(layout.chunk, self.unit, strict=True)):
                raise ValueError(f"shards of {layout.chunk}, chunks of {self.unit}")
            self._decode = make_pipeline(settings["codecs"], self.unit, layout.dtype)
            self._index_reader = ShardIndexReader(settings, math.prod(self._ratio))

    def find_file(self, place: Place) -> Place:
        """Return the place of the file in which a chunk is, among the files."""
        return tuple(number // ratio for number, ratio in zip(place, self._ratio, strict=True))

    def is_written(self, place: Place) -> bool:
        """Tell whether a chunk was ever written."""
        file = self.find_file(place)
        if not self.is_sharded:
            return self._path(file).is_file()
        index = self._read_index(file)
        return index is not None and bool(index[self._number(place), 0] != ABSENT)

    def find_holes(self, file: Place, places: Sequence[range]) -> Array:
        """Tell which of the chunks, `places` along each axis, that a shard has were never written.

        Of a shard that is damaged, none: who reads it will say so.
        """
        part = tuple(
            slice(max(span.start - number * ratio, 0), min(span.stop - number * ratio, ratio))
            for span, number, ratio in zip(places, file, self._ratio, strict=True)
        )
        holes: Array = np.zeros(self._ratio, bool)
        with suppress(InputError):
            index = self._read_index(file)
            holes = np.ones(self._ratio, bool) if index is None else (index[:, 0] == ABSENT).reshape(self._ratio)
        return holes[part]

    def read(self, place: Place) -> Array | None:
        """Read a chunk in the array's axes, which may reach beyond the array; None if it was never written."""
        file = self.find_file(place)
        path = self._path(file)
        if self._decode is None:
            return self._read_elsewhere(place) if self.is_written(place) else None
        content = self._read_shard(path, place) if self.is_sharded else _read_file(path)
        if content is None:
            return None
        try:
            return self._decode(content)
        except FAILURES as error:
            chunk = f"chunk {self._number(place)} of {path}" if self.is_sharded else str(path)
            raise InputError(f"{chunk}: it is damaged ({escape_name(str(error))[:200]}); copy the store again") from (
                None if isinstance(error, OSError) else error
            )

    def _path(self, file: Place) -> Path:
        return self._layout.path / self._layout.name_chunk(file)

    def _number(self, place: Place) -> int:
        """Return the number of a chunk in its shard."""
        inner = [number % ratio for number, ratio in zip(place, self._ratio, strict=True)]
        return int(np.ravel_multi_index(inner, self._ratio))

    def _read_shard(self, path: Path, place: Place) -> bytes | None:
        index = self._read_index(self.find_file(place))
        if index is None:
            return None
        offset, length = index[self._number(place)].tolist()
        if offset == ABSENT:
            return None
        with name_unreadable(path), path.open("rb") as file:
            content = os.pread(file.fileno(), length, offset)
        if len(content) != length:
            raise InputError(f"{path}: it became shorter while it was read; run again when it is written whole")
        return content

    def _read_index(self, file: Place) -> Array | None:
        """Read the index of a shard, (chunk, 2); None if there is no such shard."""
        if file not in self._indices:
            self._indices[file] = self._index_reader.read(self._path(file))
        return self._indices[file]

    @cached_property
    def _array(self) -> Any:
        import zarr  # here, because only chunks that are not decoded here need it

        with explain_codecs(self._layout.path):
            return zarr.open_array(self._layout.path, mode="r", zarr_format=self._layout.version)  # type: ignore[arg-type]

    def _read_elsewhere(self, place: Place) -> Array:
        """Let zarr-python read a chunk, without what reaches beyond the array."""
        region = tuple(slice(n * size, (n + 1) * size) for n, size in zip(place, self.unit, strict=True))
        array = self._array
        try:
            voxels = np.asarray(array[region])
        except Exception as error:  # whatever a codec of anybody raises
            raise InputError(
                f"{self._path(self.find_file(place))}: it is damaged, or zarr-python cannot read it "
                f"({escape_name(str(error))[:200]}); copy the store again"
            ) from None
        if self._inner and not self._may_lack and _has_blank(voxels, self._inner, self._layout.fill):
            raise InputError(
                f"{self._path(self.find_file(place))}: one of its chunks was never written, or holds nothing but "
                f"{self._layout.fill:g}: shards in shards do not tell which; copy the store again, or set input.fill: "
                f"{self._layout.fill:g}"
            )
        return voxels


def _find_inner_chunk(codecs: Sequence[Any]) -> Place:
    """Return the innermost chunk of shards in which other codecs, or shards, hide it; empty where there is none."""
    for name, settings in map(split_named, codecs):
        if name == "sharding_indexed":
            return _find_inner_chunk(settings["codecs"]) or tuple(settings["chunk_shape"])
    return ()


def _has_blank(voxels: Array, chunk: Place, fill: float) -> bool:
    """Tell whether one of the chunks of an array holds nothing but the fill value."""
    starts = product(*(range(0, n, size) for n, size in zip(voxels.shape, chunk, strict=True)))
    places = (tuple(slice(a, a + size) for a, size in zip(corner, chunk, strict=True)) for corner in starts)
    return any(bool((voxels[place] == fill).all()) for place in places)


def find_sharding(layout: ArrayLayout) -> Mapping[str, Any] | None:
    """Return the configuration of the shards; None where a file is one chunk, or is to be decoded whole."""
    if layout.version == 3 and len(layout.codecs) == 1:
        name, settings = split_named(layout.codecs[0])
        if name == "sharding_indexed":
            return settings
    return None


def _read_file(path: Path) -> bytes | None:
    with name_unreadable(path):
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


@contextmanager
def explain_codecs(path: Path) -> Iterator[None]:
    """Turn an error of what describes codecs into a sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # numcodecs, zarr-python and whatever codecs are installed have errors of their own
        cause = escape_name(f"{type(error).__name__}: {error}")[:200]
        raise InputError(
            f"{path}: how its chunks are encoded is not understood ({cause}); install the codec, or write the "
            "store with one that numcodecs or zarr-python has"
        ) from error
