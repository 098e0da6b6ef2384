"""Zarr arrays of whole-volume shards: their metadata, writing and reading a volume, and publishing a store.

Jobs write shards into a work area of arrays (t, z, y, x), one folder a channel. Its time axis is open-ended, so
that new timepoints change nothing there, and it is read only where a record says that the volume is done.
`publish` links those shards into a store that readers see, whole from its first moment on.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec
from zarr.registry import get_codec_class
from zarr.storage import MemoryStore

from lightsheet import files, shards
from lightsheet.capacity import Allocate
from lightsheet.errors import InputError
from lightsheet.log import logger
from lightsheet.pyramid import Level, downsample, levels

OPEN_ENDED = 1_000_000
"""Timepoints that an array of the work area announces; it holds those with a record."""


@dataclass(frozen=True)
class Layout:
    """How volumes of one kind lie on the disk.

    Parameters
    ----------
    levels : tuple of Level
        The pyramid.
    dtype : str
        E.g. `uint16`.
    codec : dict
        A Zarr v3 codec, see `lightsheet.shards`.
    """

    levels: tuple[Level, ...]
    dtype: str
    codec: Mapping[str, Any]

    @classmethod
    def plan(
        cls, shape: Sequence[int], voxel_size: Mapping[str, float], dtype: str, codec: Mapping[str, Any]
    ) -> "Layout":
        """Plan the layout of volumes (z, y, x) of that shape, voxel size in micrometre, dtype and codec."""
        z, y, x = shape
        return cls(levels((z, y, x), voxel_size), dtype, codec)

    def as_json(self) -> dict[str, Any]:
        """Return all that changes the bytes of a shard, for fingerprints."""
        return {
            "levels": [[list(level.shape), list(level.chunk), list(level.factor)] for level in self.levels],
            "dtype": self.dtype,
            "codec": dict(self.codec),
        }

    def volume_bytes(self) -> int:
        """Return the bytes of one volume with its pyramid, not compressed."""
        return sum(prod(level.shape) for level in self.levels) * np.dtype(self.dtype).itemsize


def shard_path(store: Path, level: int, index: Sequence[int]) -> Path:
    """Return the file of the volume at `index`, (t,) or (t, c), at one pyramid level of a store."""
    return store.joinpath(str(level), "c", *map(str, index), "0", "0", "0")


def write_volume(
    work: Path, timepoint: int, volume: np.ndarray, layout: Layout, threads: int, allocate: Allocate = np.empty
) -> list[dict[str, Any]]:
    """Write a volume and its pyramid into the work area.

    Parameters
    ----------
    work : Path
        The folder of the channel's arrays.
    timepoint : int
        Index on the time axis.
    volume : numpy.ndarray
        (z, y, x) in the layout's shape and dtype.
    layout : Layout
        Levels, dtype and codec.
    threads : int
        How many chunks are encoded at a time.
    allocate : callable
        Makes the arrays of the pyramid's levels: see `lightsheet.capacity.scratch` for a volume that is on the disk.

    Returns
    -------
    list of dict
        Per level `level`, `bytes` and `sha256` of the shard.
    """
    written = []
    for number, level in enumerate(layout.levels):
        if number:
            below = layout.levels[number - 1]
            z, y, x = (f // b for f, b in zip(level.factor, below.factor, strict=True))
            volume = downsample(volume, (z, y, x), allocate)
        _write_metadata(work / str(number), level, (OPEN_ENDED,), layout, "tzyx")
        shard = shards.write(shard_path(work, number, (timepoint,)), volume, level.chunk, dict(layout.codec), threads)
        written.append({"level": number, **shard})
    return written


def read_volume(work: Path, timepoint: int, allocate: Allocate = np.empty) -> np.ndarray:
    """Read a volume at full resolution from a store (t, z, y, x) whose record says that it is there.

    Parameters
    ----------
    work : Path
        The folder of the channel's arrays.
    timepoint : int
        Index on the time axis.
    allocate : callable
        Makes the array for it; memory is needed for one row of inner chunks beside it.

    Returns
    -------
    numpy.ndarray
        (z, y, x).

    Raises
    ------
    InputError
        If the shard is missing (Zarr itself would read zeros) or damaged.
    """
    shard = shard_path(work, 0, (timepoint,))
    if files.patiently(lambda: [] if shard.exists() else [shard], shard.parent):
        raise InputError(f"{shard} is missing; run the same command again, and its volume will be ingested anew")
    try:
        array = zarr.open_array(work / "0", mode="r")
        volume = allocate(array.shape[1:], array.dtype)
        for z, y in shards.slices(array.shape[1:3], array.chunks[1:3]):
            volume[z, y] = array[timepoint, z, y]
        return volume
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{shard} is damaged ({error}); delete it and run the same command again: its volume will be ingested anew"
        ) from error


def publish(
    place: Path,
    volumes: Iterable[tuple[Path, int, tuple[int, ...]]],
    layout: Layout,
    leading: tuple[int, ...],
    attributes: Mapping[str, Any],
) -> None:
    """Assemble a store from finished volumes beside `place`, and swap it in.

    Parameters
    ----------
    place : Path
        Where readers find the store; what is there stays readable until the swap and is then removed.
    volumes : iterable of (Path, int, tuple of int)
        Per volume the work area of its channel, its timepoint there, and its index in the store, (t,) or (t, c).
    layout : Layout
        Levels, dtype and codec of the volumes.
    leading : tuple of int
        Extent of the store's axes before (z, y, x).
    attributes : mapping
        The group's `ome` attributes.
    """
    new = place.with_name(f"{files.PART}{place.name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": attributes}}
    files.write_json(new / "zarr.json", group)
    axes = "tczyx"[: len(leading)] + "zyx"
    for number, level in enumerate(layout.levels):
        _write_metadata(new / str(number), level, leading, layout, axes)
    for work, timepoint, index in volumes:
        for number in range(len(layout.levels)):
            _link(shard_path(work, number, (timepoint,)), shard_path(new, number, index))
    _validate(new)
    files.swap(new, place)
    shutil.rmtree(new, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """Hard-link a shard, or copy it where the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        logger.warning("%s: copied, because it cannot be hard-linked (%s)", target, error.strerror)
        shutil.copyfile(source, target)


def _validate(store: Path) -> None:
    """Prove the metadata by the two validators of the field; neither looks at shards."""
    import yaozarrs
    from ome_zarr_models import open_ome_zarr

    # A copy of the metadata, because fsspec (inside yaozarrs) takes brackets in the store's path for a pattern.
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "store.ome.zarr"
        shutil.copytree(store, copy, ignore=shutil.ignore_patterns("c"))
        yaozarrs.validate_zarr_store(str(copy))
        open_ome_zarr(zarr.open_group(copy, mode="r"))


def _write_metadata(array: Path, level: Level, leading: tuple[int, ...], layout: Layout, axes: str) -> None:
    """Write an array's `zarr.json`, unless the same is there: jobs of one channel all come by here."""
    content = _metadata(level, leading, layout, axes)
    if files.read_json(array / "zarr.json") != content:
        files.write_json(array / "zarr.json", content)


def _metadata(level: Level, leading: tuple[int, ...], layout: Layout, axes: str) -> Any:
    """Let zarr-python say what the metadata of such an array is."""
    memory = MemoryStore()
    ones = (1,) * len(leading)
    zarr.create_array(
        memory,
        shape=leading + level.shape,
        chunks=ones + level.shape,
        dtype=layout.dtype,
        fill_value=0,
        compressors=None,
        serializer=ShardingCodec(
            chunk_shape=ones + level.chunk,
            codecs=[BytesCodec(), _codec(layout), Crc32cCodec()],
            index_codecs=[BytesCodec(), Crc32cCodec()],
        ),
        dimension_names=list(axes),
    )
    return json.loads(memory._store_dict["zarr.json"].to_bytes())


def _codec(layout: Layout) -> Any:
    codec = shards.complete(dict(layout.codec))
    if codec["name"] == "blosc":
        codec["configuration"] |= {"typesize": np.dtype(layout.dtype).itemsize, "blocksize": 0}
    return get_codec_class(codec["name"]).from_dict(codec)
