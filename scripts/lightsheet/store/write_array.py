"""An array as an OME-Zarr, by one call: for notebooks, on whatever Dask runs there."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.store.array_arguments import (
    AXES,
    check_array,
    check_chunks,
    check_voxel_size,
    name_channels,
    refuse_mask,
)
from lightsheet.store.ngff import NGFF_VERSION, describe_channels, describe_multiscales
from lightsheet.store.paths import shard_path
from lightsheet.store.publish import remove_store, repair_store, validate_store
from lightsheet.store.pyramid import downsample
from lightsheet.store.shard import write_shard
from lightsheet.store.volumes import StoreLayout, write_array_metadata
from lightsheet.system import (
    InputError,
    count_cores,
    make_part_name,
    name_disk,
    swap_folders,
    wait_until_visible,
    write_json,
)

CODEC = {"name": "blosc"}

CONTRAST = (1, 99.9)
"""Percentiles of a sample of each volume: what viewers show black and in full colour at first."""

SAMPLE = 100_000
"""About so many voxels of a volume are in that."""


class _VolumeFacts(NamedTuple):
    """What a task returns of a volume: bytes of its shards, and its range and contrast, NaN where it has none."""

    bytes: list[int]
    window: tuple[float, float, float, float]


def write(
    array: Any,
    path: Path | str,
    *,
    voxel_size: Mapping[str, float],
    axes: str = AXES,
    channels: Sequence[str] | None = None,
    interval: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write an array as an OME-Zarr 0.5: Zarr v3, a shard a volume, with a pyramid, scales and channel names.

    Each volume is computed and written by one task, where Dask runs its tasks: in threads of this process, or on the
    workers of the `distributed.Client` that was made last, which must see the same folder.

    Parameters
    ----------
    array : dask.array.Array or ndarray
        Integers or floats; of Dask, chunks must hold whole volumes: all of z, y and x.
    path : Path or str
        The store, such as ``"result.ome.zarr"``. It appears whole or not at all.
    voxel_size : mapping
        `z`, `y` and `x` in micrometre.
    axes : str
        The letters of the array's axes in their order: `z`, `y` and `x`, and `t` and `c` if it has them. They are
        stored in the order of ``"tczyx"``.
    channels : sequence of str, optional
        Names; by default channel 0 and so on.
    interval : float, optional
        Seconds from one timepoint to the next.
    overwrite : bool
        Replace a store that is there, which stays readable until then.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    InputError
        If chunks hold parts of volumes: it names the call that helps; if the store is there already; if an argument
        does not fit the array.
    """
    place = Path(path).absolute()
    check_array(array, axes)
    check_chunks(array, axes)
    _check_place(place, overwrite)
    size = check_voxel_size(voxel_size, interval)
    names = name_channels(channels, array.shape[axes.index("c")] if "c" in axes else 1)
    array, axes = _arrange_axes(array, axes)
    leading = tuple(array.shape[:-3])
    layout = StoreLayout.plan(array.shape[-3:], size, array.dtype.newbyteorder("=").name, CODEC)
    repair_store(place)
    draft = make_part_name(place)
    try:
        with name_disk(place):
            for number, level in enumerate(layout.levels):
                write_array_metadata(draft / str(number), level, leading, layout, axes)
            parts = _write_volumes(array, draft, layout)
            _check_shards(draft, parts)
            ome = {
                "version": NGFF_VERSION,
                "multiscales": describe_multiscales(place.name, axes, layout.levels, size, interval),
                "omero": describe_channels(dict.fromkeys(names), _join_windows(parts, axes, names)),
            }
            write_json(draft / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}})
            validate_store(draft)
            _check_place(place, overwrite)
            swap_folders(draft, place)
    finally:
        remove_store(draft)
    return place


def _arrange_axes(array: Any, axes: str) -> tuple[Any, str]:
    """Return the array with its axes in the order of `AXES`, and their letters."""
    order = sorted(range(array.ndim), key=lambda axis: AXES.index(axes[axis]))
    return array.transpose(order), "".join(axes[axis] for axis in order)


def _check_place(place: Path, overwrite: bool) -> None:
    if not place.exists():
        return
    if not overwrite:
        raise InputError(f"{place} is there already; name another path, or say overwrite=True to replace it")
    if not any((place / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray")):
        raise InputError(f"{place} is no Zarr, so it is not replaced; name another path")


def _write_volumes(array: Any, store: Path, layout: StoreLayout) -> dict[tuple[int, ...], _VolumeFacts]:
    """Write all volumes, each by its own task."""
    indices = list(np.ndindex(*array.shape[:-3]))
    if isinstance(array, np.ndarray):
        return {index: _write_volume(array[index], store, index, layout, count_cores()) for index in indices}
    from dask.base import compute  # here, because the store is imported whenever the Snakefile is parsed
    from dask.delayed import delayed

    volumes = array.rechunk((1,) * (array.ndim - 3) + array.shape[-3:]).to_delayed()
    task = delayed(_write_volume)
    blocks = [volumes[(*index, 0, 0, 0)] for index in indices]
    tasks = [task(block, store, index, layout, 1) for block, index in zip(blocks, indices, strict=True)]
    return dict(zip(indices, compute(*tasks), strict=True))  # type: ignore[no-untyped-call]


def _write_volume(block: Any, store: Path, index: tuple[int, ...], layout: StoreLayout, threads: int) -> _VolumeFacts:
    """Write a volume (1, ..., z, y, x) with its pyramid, into its places in the store."""
    refuse_mask(block)  # which Dask need not know before
    volume = np.asarray(block, np.dtype(layout.dtype).newbyteorder("<")).reshape(layout.levels[0].shape)
    sample = volume.reshape(-1)[:: -(-volume.size // SAMPLE)]
    sample = sample[np.isfinite(sample)]
    window = (math.nan,) * 4
    if sample.size:
        start, end = np.percentile(sample, CONTRAST)
        finite = volume[np.isfinite(volume)] if volume.dtype.kind == "f" else volume
        window = (float(finite.min()), float(finite.max()), float(start), float(end))
    sizes, factor = [], (1, 1, 1)
    for number, level in enumerate(layout.levels):
        if number:
            z, y, x = (f // b for f, b in zip(level.factor, factor, strict=True))
            volume, factor = downsample(volume, (z, y, x)), level.factor
        shard = write_shard(shard_path(store, number, index), volume, level.chunk, dict(layout.codec), threads)
        sizes.append(shard.bytes)
    return _VolumeFacts(sizes, window)


def _check_shards(store: Path, parts: Mapping[tuple[int, ...], _VolumeFacts]) -> None:
    """Prove that this process sees what tasks wrote, perhaps on other nodes."""

    def list_missing() -> list[Path]:
        sizes = {shard_path(store, n, index): size for index, w in parts.items() for n, size in enumerate(w.bytes)}
        return [path for path, size in sizes.items() if not path.exists() or path.stat().st_size != size]

    if missing := wait_until_visible(list_missing, store):
        raise InputError(
            f"{missing[0]}, which a worker wrote, is not to be seen from here: name a folder that all nodes share"
        )


def _join_windows(
    parts: Mapping[tuple[int, ...], _VolumeFacts], axes: str, names: Sequence[str]
) -> dict[str, tuple[float, float, float, float]]:
    """Return the range and the contrast of each channel."""
    windows = {}
    for number, name in enumerate(names):
        channel_windows = [
            w.window for index, w in parts.items() if "c" not in axes or index[axes.index("c")] == number
        ]
        bounds = np.array([window for window in channel_windows if not math.isnan(window[0])] or [(0.0, 1.0, 0.0, 1.0)])
        low, start = bounds[:, [0, 2]].min(axis=0)
        high, end = bounds[:, [1, 3]].max(axis=0)
        windows[name] = (float(low), float(high), float(start), float(end))
    return windows
