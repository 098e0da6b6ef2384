"""Writes OME-Zarr 0.4, which is Zarr v2: a file per chunk, for tools that do not read 0.5 with its shards.

Chunks are compressed by zlib: Java's readers (Bio-Formats, so QuPath) need a library of the system's for Blosc.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numcodecs
import zarr
from ome_zarr_models.v04 import Image as Validated

from lightsheet.acquisition import find_interval
from lightsheet.store import PublishedImage, describe_multiscales
from lightsheet.system import PART, Progress, flush, name_disk

VERSION = "0.4"


def write_ome_zarr(path: Path, image: PublishedImage, timepoints: Sequence[int], progress: Progress) -> None:
    """Write timepoints of all channels, (t, c, z, y, x), with the store's pyramid.

    The folder appears whole or not at all; a row of inner chunks is in memory at a time.
    """
    part = path.with_name(f"{PART}{path.name}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with name_disk(path):
            group = zarr.open_group(part, mode="w", zarr_format=2)
            group.attrs.update(_describe(path, image, timepoints))
            _write_volumes(group, image, timepoints, progress)
            Validated.from_zarr(zarr.open_group(part, mode="r"))
            for written in part.rglob("*"):
                flush(written)
            part.rename(path)
            flush(path.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _write_volumes(group: zarr.Group, image: PublishedImage, timepoints: Sequence[int], progress: Progress) -> None:
    arrays: list[Any] = [
        group.create_array(
            str(number),
            shape=(len(timepoints), len(image.channels), *level.shape),
            chunks=(1, 1, *level.chunk),
            dtype=image.dtype,
            compressors=numcodecs.Zlib(level=1),
            fill_value=0,
            chunk_key_encoding={"name": "v2", "separator": "/"},
            config={"write_empty_chunks": True},
        )
        for number, level in enumerate(image.levels)
    ]
    for t, timepoint in enumerate(timepoints):
        for c, channel in enumerate(image.channels):
            for number, array in enumerate(arrays):
                for region, band in image.read_bands(channel, timepoint, number):
                    array[(t, c, *region)] = band
        progress.step(f"timepoint {timepoint}")


def _describe(path: Path, image: PublishedImage, timepoints: Sequence[int]) -> dict[str, Any]:
    """Return the group's attributes: OME's, and what OME has no words for, as in the run's own stores."""
    seconds = [image.seconds[timepoint] for timepoint in timepoints]
    name, interval = path.name.removesuffix(".ome.zarr"), find_interval(seconds)
    start = seconds[0] or 0.0 if image.share else 0.0
    (multiscales,) = describe_multiscales(name, "tczyx", image.levels, image.voxel_size, interval, image.origin, start)
    omero = {"channels": [dict(channel.omero) for channel in image.channels], "rdefs": {"model": "color"}}
    missing = [
        {"channel": channel.name, "timepoint": index}
        for channel in image.channels
        for index, timepoint in enumerate(timepoints)
        if (channel.name, timepoint) in image.missing
    ]
    return {
        "multiscales": [{**multiscales, "version": VERSION}],
        "omero": {**omero, "version": VERSION},
        "lightsheet": {
            "seconds": seconds,
            "missing": missing,
            "timepoints": [image.numbers[t] for t in timepoints],
            **image.extra,
        },
    }
