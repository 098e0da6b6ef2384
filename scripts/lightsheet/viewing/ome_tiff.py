"""Writes OME-TIFF of one timepoint: tiled, compressed, with a pyramid in SubIFDs, as Fiji and QuPath read it.

Deflate without a predictor is what every reader knows; noise compresses no better with one, and at the fastest level
not worse. The format's pyramid shrinks y and x alone: where the store's shrinks z too, its levels are not used.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lightsheet.store import PublishedImage, downsample
from lightsheet.system import PART, InputError, Progress, format_size, write_whole

TILE = 256

CLASSIC_BYTES = 4e9
"""Offsets in a TIFF have 32 bits: with more bytes of voxels it becomes a BigTIFF, whatever they compress to."""

BUFFER_BYTES = 32 << 20
"""Bytes of tiles that are compressed at a time."""


WIDENED = {"float16": np.dtype("float32")}
"""Types that OME does not have, and those that hold all of their values."""

OME_TYPES = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}


def choose_ome_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Choose the type in which OME-TIFF holds voxels of this one without loss; InputError if there is none."""
    if (wider := WIDENED.get(dtype.name, dtype)).name not in OME_TYPES:
        raise InputError(f"OME-TIFF has no {dtype.name}; choose --format ome-zarr-0.4, which has")
    return wider


def write_ome_tiff(path: Path, image: PublishedImage, timepoints: Sequence[int], progress: Progress) -> None:
    """Write one timepoint of all channels, (c, z, y, x); the file appears whole or not at all.

    As many planes as an inner chunk has are in memory at a time, because a file has one plane after the other.
    """
    (timepoint,) = timepoints
    pages = (len(image.channels), image.levels[0].shape[0])
    levels = _plan_levels(image)
    (_, height, width), x, y = image.levels[0].shape, image.voxel_size["x"], image.voxel_size["y"]
    voxels = prod(pages) * sum(prod(shape) for shape, _ in levels)
    dtype = choose_ome_type(image.dtype)
    is_big = voxels * dtype.itemsize > CLASSIC_BYTES
    for part in path.parent.glob(f"{PART}{path.stem}.*"):  # of an export that was killed
        part.unlink()
    with write_whole(path) as part:
        with tifffile.TiffWriter(part, bigtiff=is_big, ome=True) as tiff:
            for number, (shape, source) in enumerate(levels):
                tiff.write(
                    _iterate_tiles(image, timepoint, source, shape),
                    shape=(*pages, *shape),
                    dtype=dtype,
                    tile=(TILE, TILE),
                    photometric="minisblack",
                    compression="zlib",
                    compressionargs={"level": 1},
                    buffersize=BUFFER_BYTES,
                    resolution=(1e4 / x * shape[1] / width, 1e4 / y * shape[0] / height),  # pixels per centimetre
                    resolutionunit="CENTIMETER",
                    software="lightsheet-decon",
                    subifds=None if number else len(levels) - 1,
                    subfiletype=1 if number else 0,
                    metadata=None if number else _describe(image, timepoint, path),
                )
        progress.step(f"{path.name}, {format_size(part.stat().st_size)}")


def _plan_levels(image: PublishedImage) -> list[tuple[tuple[int, int], int]]:
    """Return (y, x) of each level, halved until a tile holds a plane, and the store's level to make it from."""
    stored_shapes = [level.shape for level in image.levels]
    depth, height, width = stored_shapes[0]
    levels = [((height, width), 0)]
    while max(height, width) > TILE:
        height, width = -(-height // 2), -(-width // 2)
        is_stored = (depth, height, width) in stored_shapes
        levels.append(((height, width), stored_shapes.index((depth, height, width)) if is_stored else levels[-1][1]))
    return levels


def _iterate_tiles(image: PublishedImage, timepoint: int, source: int, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield the tiles of a level, plane by plane; those at an edge are smaller."""
    for channel in image.channels:
        for _, band in image.read_bands(channel, timepoint, source, whole_planes=True):
            for plane in band.astype(choose_ome_type(band.dtype), copy=False):
                while plane.shape != shape:
                    plane = downsample(plane[None], (1, 2, 2))[0]
                for top, left in product(range(0, shape[0], TILE), range(0, shape[1], TILE)):
                    yield plane[top : top + TILE, left : left + TILE]
            del band, plane  # or it would be kept while the next one is read


def _describe(image: PublishedImage, timepoint: int, path: Path) -> dict[str, Any]:
    """Return what shall stand in the OME-XML, in tifffile's words."""
    colours = [int.from_bytes(bytes.fromhex(f"{c.colour}FF"), "big", signed=True) for c in image.channels]
    metadata: dict[str, Any] = {
        "axes": "CZYX",
        "Name": path.name.removesuffix(".ome.tif"),
        "Channel": {"Name": [channel.name for channel in image.channels], "Color": colours},
    }
    for axis, length in image.voxel_size.items():
        metadata |= {f"PhysicalSize{axis.upper()}": length, f"PhysicalSize{axis.upper()}Unit": "µm"}
    if image.interval:
        metadata |= {"TimeIncrement": image.interval, "TimeIncrementUnit": "s"}
    depth = image.levels[0].shape[0]
    planes = len(image.channels) * depth
    if (seconds := image.seconds[timepoint]) is not None:
        metadata["Plane"] = {"DeltaT": [seconds] * planes, "DeltaTUnit": ["s"] * planes}
    for axis, start in zip("zyx", image.origin, strict=True) if any(image.origin) else ():
        step = image.voxel_size["z"] if axis == "z" else 0.0
        places = [start + z * step for z in range(depth)] * len(image.channels)
        metadata.setdefault("Plane", {}).update(
            {f"Position{axis.upper()}": places, f"Position{axis.upper()}Unit": ["µm"] * planes}
        )
    return metadata
