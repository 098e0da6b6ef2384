"""An array as an OME-Zarr, by one call: for notebooks, on whatever Dask runs there."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.store.metadata import DTYPES, NAME_PATTERN
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

AXES = "tczyx"
"""The order of OME-NGFF, in which axes are stored."""

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
    _check_array(array, axes)
    _check_chunks(array, axes)
    _check_place(place, overwrite)
    size = _check_voxel_size(voxel_size, interval)
    names = _name_channels(channels, array.shape[axes.index("c")] if "c" in axes else 1)
    array, axes = _arrange_axes(array, axes)
    leading = tuple(array.shape[:-3])
    layout = StoreLayout.plan(array.shape[-3:], size, array.dtype.newbyteorder("=").name, CODEC)
    repair_store(place)
    new = make_part_name(place)
    try:
        with name_disk(place):
            for number, level in enumerate(layout.levels):
                write_array_metadata(new / str(number), level, leading, layout, axes)
            parts = _write_volumes(array, new, layout)
            _check_shards(new, parts)
            ome = {
                "version": NGFF_VERSION,
                "multiscales": describe_multiscales(place.name, axes, layout.levels, size, interval),
                "omero": describe_channels(dict.fromkeys(names), _join_windows(parts, axes, names)),
            }
            write_json(new / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}})
            validate_store(new)
            _check_place(place, overwrite)
            swap_folders(new, place)
    finally:
        remove_store(new)
    return place


def _check_array(array: Any, axes: str) -> None:
    """Refuse an array that OME-NGFF has no place for, or whose axes are others."""
    is_known = len(set(axes)) == len(axes) and set("zyx") <= set(axes) <= set(AXES)
    if not is_known or len(axes) != array.ndim:
        raise InputError(
            f"axes: {axes!r} does not name the {array.ndim} axes of an array of shape {array.shape}: a letter for "
            "each, of z, y and x, and of t and c if it has them, such as axes='tzyx'; a plane has a z, too: "
            "array[..., None, :, :]"
        )
    if array.dtype.newbyteorder("=").name not in DTYPES:
        raise InputError(f"an OME-Zarr of {array.dtype} is read by no viewer; give it as array.astype('float32'), say")
    if not all(n > 0 for n in array.shape):  # of NaN too, which Dask has for what it does not know
        raise InputError(
            f"an array of shape {array.shape} has nothing to write, or does not know (compute_chunk_sizes())"
        )


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


def _check_voxel_size(voxel_size: Mapping[str, float], interval: float | None) -> dict[str, float]:
    """Return the voxel size as floats."""
    size = {axis: float(voxel_size.get(axis, math.nan)) for axis in "zyx"}
    if not all(0 < value < math.inf for value in size.values()):
        raise InputError(f"voxel_size: {dict(voxel_size)} does not give z, y and x in micrometre, each more than 0")
    if interval is not None and not 0 < interval < math.inf:
        raise InputError(f"interval: {interval} is no number of seconds above 0")
    return size


def _name_channels(channels: Sequence[str] | None, number: int) -> list[str]:
    names = [f"channel {c}" for c in range(number)] if channels is None else list(channels)
    if isinstance(channels, str) or len(names) != number or len(set(names)) != number:
        raise InputError(
            f"channels: {channels!r} does not give a name to each of the array's channels, {number} in all"
        )
    for name in names:
        if not NAME_PATTERN.fullmatch(name):
            raise InputError(f"channels: {name!r} is no name of 1 to 200 characters without / and control characters")
    return names


def _check_chunks(array: Any, axes: str) -> None:
    """Refuse chunks that hold parts of volumes: two tasks would write into one shard, and what one wrote be lost."""
    chunks = dict(zip(axes, getattr(array, "chunks", [(n,) for n in array.shape]), strict=True))
    if all(len(chunks[axis]) == 1 for axis in "zyx"):
        return
    whole = ", ".join(f"{place}: {-1 if axis in 'zyx' else 1}" for place, axis in enumerate(axes))
    raise InputError(
        f"chunks of {array.chunksize} of the axes {axes} hold parts of volumes, and a volume is one file, written by "
        f"one task: give whole ones, array.rechunk({{{whole}}})"
    )


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
