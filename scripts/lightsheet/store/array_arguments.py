"""Arguments of `write`: what is no array of volumes, or does not fit it, is refused in a sentence."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lightsheet.store.metadata import DTYPES, NAME_PATTERN
from lightsheet.system import InputError

AXES = "tczyx"
"""The order of OME-NGFF, in which axes are stored."""


def check_array(array: Any, axes: str) -> None:
    """Refuse what is no array, one that OME-NGFF has no place for, or whose axes are others."""
    if not isinstance(array, np.ndarray):
        from dask.array import Array  # here, because the store is imported whenever the Snakefile is parsed

        if not isinstance(array, Array):
            raise InputError(
                f"array: a {type(array).__name__} is neither a NumPy nor a Dask array; give np.asarray(array), or "
                "dask.array.from_array(array, chunks=...) of what is larger than memory"
            )
    refuse_mask(array)
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


def refuse_mask(array: Any) -> None:
    """Refuse an array, or one whose blocks are such, with masked voxels, of which a store can say nothing."""
    if isinstance(getattr(array, "_meta", None), np.ma.MaskedArray) or np.ma.is_masked(array):
        raise InputError(
            "array: masked voxels have no values that an OME-Zarr could hold; say what stands for them: "
            "np.ma.filled(array, 0), dask.array.ma.filled(array, 0), or with NaN if it is of floats"
        )


def check_chunks(array: Any, axes: str) -> None:
    """Refuse chunks that hold parts of volumes: two tasks would write into one shard, and what one wrote be lost."""
    chunks = dict(zip(axes, getattr(array, "chunks", [(n,) for n in array.shape]), strict=True))
    if all(len(chunks[axis]) == 1 for axis in "zyx"):
        return
    whole = ", ".join(f"{place}: {-1 if axis in 'zyx' else 1}" for place, axis in enumerate(axes))
    raise InputError(
        f"chunks of {array.chunksize} of the axes {axes} hold parts of volumes, and a volume is one file, written by "
        f"one task: give whole ones, array.rechunk({{{whole}}})"
    )


def check_voxel_size(voxel_size: Mapping[str, float], interval: Any) -> dict[str, float]:
    """Return the voxel size as floats."""
    try:
        size = {axis: float(voxel_size[axis]) for axis in "zyx"}
    except (KeyError, TypeError, IndexError, ValueError):
        size = {}
    if not size or not all(0 < value < math.inf for value in size.values()):
        raise InputError(f"voxel_size: {voxel_size} does not give z, y and x in micrometre, each more than 0")
    if interval is not None and (isinstance(interval, str) or not 0 < interval < math.inf):
        raise InputError(f"interval: {interval} is no number of seconds above 0")
    return size


def name_channels(channels: Sequence[str] | None, number: int) -> list[str]:
    """Return the names of the channels, or names for a number of them."""
    names = [f"channel {c}" for c in range(number)] if channels is None else list(channels)
    if isinstance(channels, str) or len(names) != number or len(set(names)) != number:
        raise InputError(
            f"channels: {channels!r} does not give a name to each of the array's channels, {number} in all"
        )
    for name in names:
        if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
            raise InputError(f"channels: {name!r} is no name of 1 to 200 characters without / and control characters")
    return names
