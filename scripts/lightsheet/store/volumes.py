"""Zarr arrays of whole-volume shards: their metadata, writing and reading a volume.

Jobs write shards into a work area of arrays (t, z, y, x), one folder a channel. Its time axis is open-ended, so
that new timepoints change nothing there, and it is read only where a record says that the volume is done.
`publish_store` links those shards into the stores that readers see.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.store.cut_volume import CutVolume
from lightsheet.store.metadata import MOST_TIMEPOINTS, read_array_metadata
from lightsheet.store.paths import shard_path
from lightsheet.store.pyramid import CoarserLevel, Level, Shape, make_shape, plan_levels
from lightsheet.store.shard import Shard, iterate_chunks, write_shard
from lightsheet.store.shard_codec import complete_codec
from lightsheet.system import (
    Allocate,
    BandSource,
    DamagedVolumeError,
    InputError,
    read_json,
    wait_until_visible,
    write_json,
)

OPEN_ENDED = MOST_TIMEPOINTS
"""Length of the time axis of an array of the work area; it holds the timepoints that have a record."""

PLANES = 8
"""Planes of a band from which the first pyramid level is made at a time."""


@dataclass(frozen=True)
class StoreLayout:
    """Pyramid, dtype and compression of all raw or all result volumes."""

    levels: tuple[Level, ...]
    dtype: str  # e.g. uint16
    codec: Mapping[str, Any]  # a Zarr v3 codec, see `Codec`

    @classmethod
    def plan(
        cls, shape: Sequence[int], voxel_size: Mapping[str, float], dtype: str, codec: Mapping[str, Any]
    ) -> "StoreLayout":
        """Plan the layout of volumes of a shape (z, y, x), voxel size (micrometre), dtype and codec."""
        z, y, x = shape
        return cls(plan_levels((z, y, x), voxel_size), dtype, codec)

    def as_json(self) -> dict[str, Any]:
        """Return everything that changes the bytes of a shard, for fingerprints."""
        return {
            "levels": [[list(level.shape), list(level.chunk), list(level.factor)] for level in self.levels],
            "dtype": self.dtype,
            "codec": dict(self.codec),
        }

    def list_steps(self) -> list[Shape]:
        """Return by how much each level but the first is coarser than the one below, along (z, y, x)."""
        return [
            make_shape(f // b for f, b in zip(level.factor, lower.factor, strict=True))
            for lower, level in pairwise(self.levels)
        ]

    def count_volume_bytes(self) -> int:
        """Return the bytes of one volume with its pyramid, uncompressed."""
        return sum(prod(level.shape) for level in self.levels) * np.dtype(self.dtype).itemsize


def write_volume(
    work: Path,
    timepoint: int,
    volume: BandSource,
    layout: StoreLayout,
    threads: int,
    summarise: Callable[[np.ndarray], Any] | None = None,
    coarser: Sequence[BandSource] = (),
    bits: int | None = None,
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Write a volume and its pyramid into the work area of its channel.

    Parameters
    ----------
    work : Path, the channel's work area
    timepoint : int, index on the time axis
    volume : BandSource (z, y, x), in the layout's shape and dtype
    layout : StoreLayout, the levels, dtype and codec
    threads : int, chunks that are encoded at a time
    summarise : callable, optional, called with each inner chunk of the full resolution
    coarser : sequence of BandSource, the first of the coarser levels, if they have been made already, and rounded
    bits : int, optional, to which other coarser levels are rounded, as the volume was

    Returns
    -------
    list of dict, per level `level`, `bytes` and `blake3` of the shard
    list, what `summarise` returned, in C order
    """
    shards = []
    for number, level in enumerate(layout.levels):
        write_array_metadata(work / str(number), level, (OPEN_ENDED,), layout, "tzyx")
        if number <= len(coarser):
            source = [volume, *coarser][number]
        else:
            source = _make_coarser(work, timepoint, number, volume, layout)
        path = shard_path(work, number, (timepoint,))
        options = (None if number else summarise, bits if number > len(coarser) else None)
        shards.append(write_shard(path, source, level.chunk, dict(layout.codec), threads, *options))
    fields = [{"level": number, "bytes": s.bytes, "blake3": s.blake3} for number, s in enumerate(shards)]
    return fields, shards[0].summaries


def _make_coarser(work: Path, timepoint: int, number: int, volume: BandSource, layout: StoreLayout) -> CoarserLevel:
    """Return level `number` as a source: from the volume for level 1, if that is quick, else from the shard below."""
    step, finer = layout.list_steps()[number - 1], layout.levels[number - 1]
    if number == 1 and not getattr(volume, "is_slow", False):
        return CoarserLevel(volume, step, PLANES)
    shard = open_shard(shard_path(work, number - 1, (timepoint,)), work / str(number - 1))
    return CoarserLevel(shard, step, finer.chunk[0] * step[0])  # decodes each chunk once


def read_volume(work: Path, timepoint: int, threads: int = 1, allocate: Allocate = np.empty) -> np.ndarray:
    """Read a volume at full resolution from a work area (t, z, y, x); its record must say that it is done.

    Parameters
    ----------
    work : Path, the channel's work area
    timepoint : int, index on the time axis
    threads : int, bands that are decoded at a time; each needs memory for a row of inner chunks
    allocate : callable, makes the array

    Returns
    -------
    ndarray (z, y, x)

    Raises
    ------
    DamagedVolumeError
        If the shard is missing (Zarr itself would read zeros) or damaged.
    """
    with _open_raw(work, timepoint) as source:
        volume = allocate(source.shape, source.dtype)

        def read(band: tuple[slice, slice]) -> None:
            volume[band] = source[band]

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(read, iterate_chunks(source.shape[:2], source.chunk[:2])))
    return volume


def read_cut_volume(work: Path, timepoint: int, threads: int = 1, allocate: Allocate = np.empty) -> CutVolume:
    """Read a volume as `read_volume` does, but leave it in its inner chunks, which are decoded into their places."""
    with _open_raw(work, timepoint) as source:
        number = prod(n // c for n, c in zip(source.shape, source.chunk, strict=True))
        chunks = allocate((number, *source.chunk), source.dtype)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(source.decode_into, chunks, range(number)))
    return CutVolume(make_shape(source.shape), chunks)


@contextmanager
def _open_raw(work: Path, timepoint: int) -> Iterator[Shard]:
    """Open a shard of full resolution; DamagedVolumeError if it is missing, or what is read of it is damaged."""
    shard = shard_path(work, 0, (timepoint,))
    if wait_until_visible(lambda: [] if shard.exists() else [shard], shard.parent):
        raise DamagedVolumeError(f"{shard} is missing; run the same command again, and its volume is ingested anew")
    try:
        yield open_shard(shard, work / "0")
    except InputError:  # no room for the array
        raise
    except ValueError as error:
        raise DamagedVolumeError(
            f"{shard} {error}; run the same command again, and its volume is ingested anew"
        ) from error


def open_shard(shard: Path, array: Path) -> Shard:
    """Open a shard by the metadata of its array, in the work area or a published store.

    Errors as for `Shard`; InputError if the metadata is damaged.
    """
    metadata = read_array_metadata(array)
    return Shard(shard, metadata.shape, metadata.chunk, metadata.dtype, metadata.codec)


def make_hole(layout: StoreLayout) -> np.ndarray:
    """Return what a store holds in place of a missing volume, (z, y, x): NaN, or 0 where the dtype has no NaN."""
    dtype = np.dtype(layout.dtype)
    return np.broadcast_to(dtype.type(np.nan if dtype.kind == "f" else 0), layout.levels[0].shape)


def write_array_metadata(array: Path, level: Level, leading: tuple[int, ...], layout: StoreLayout, axes: str) -> None:
    """Write an array's `zarr.json`, as zarr-python makes it; not if it is the same already, for many jobs write it."""
    content = _describe_array(level, leading, layout, axes)
    if read_json(array / "zarr.json") != content:
        write_json(array / "zarr.json", content)


def _describe_array(level: Level, leading: tuple[int, ...], layout: StoreLayout, axes: str) -> dict[str, Any]:
    """Return what zarr-python would write of an array; its import takes each process longer than a small volume."""
    dtype, ones = np.dtype(layout.dtype), [1] * len(leading)
    codec, crc = complete_codec(dict(layout.codec)), {"name": "crc32c"}
    extras: dict[str, dict[str, Any]] = {"blosc": {"typesize": dtype.itemsize}, "zstd": {"checksum": False}}
    codec = {**codec, "configuration": {**extras.get(codec["name"], {}), **codec["configuration"]}}
    in_order = {"name": "bytes", "configuration": {"endian": "little"}}
    sharding = {
        "chunk_shape": [*ones, *level.chunk],
        "codecs": [in_order if dtype.itemsize > 1 else {"name": "bytes"}, codec, crc],
        "index_codecs": [in_order, crc],
        "index_location": "end",
    }
    return {
        "shape": [*leading, *level.shape],
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [*ones, *level.shape]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": dtype.type(0).item(),
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": list(axes),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
