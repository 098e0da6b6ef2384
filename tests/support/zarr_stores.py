"""Stores as microscopes and libraries write them, each of a movie (t, c, z, y, x) with a time step and voxels in nm."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

INTERVAL, VOXEL = 2.5, {"z": 0.3, "y": 0.104, "x": 0.104}
CHANNELS = {"GFP": "00FF00", "mCherry": "FF00FF"}
CHUNK = (1, 1, 3, 10, 12)
AXES = [
    {"name": "t", "type": "time", "unit": "second"},
    {"name": "c", "type": "channel"},
    *({"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"),
]


def describe_image(axes: str = "tczyx", **more: Any) -> dict[str, Any]:
    """Return the metadata of OME-NGFF of an image with one level, in any order of axes."""
    scale = {"t": INTERVAL, "c": 1.0, **{axis: 1000 * size for axis, size in VOXEL.items()}}
    steps = [{"type": "scale", "scale": [scale[axis] for axis in axes]}]
    described = [axis for letter in axes for axis in AXES if axis["name"] == letter]
    channels = [{"label": name, "color": colour} for name, colour in CHANNELS.items()]
    image = {"axes": described, "datasets": [{"path": "0", "coordinateTransformations": steps}], **more}
    return {"multiscales": [image], "omero": {"channels": channels}}


def write_v04(path: Path, movie: np.ndarray, axes: str = "tczyx", **way: Any) -> None:
    """Write OME-NGFF 0.4, with zarr-python."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    chunks = tuple(CHUNK["tczyx".index(axis)] for axis in axes)
    group.create_array("0", data=movie, chunks=chunks, **way)
    group.attrs.update(describe_image(axes, version="0.4"))


def write_v05(path: Path, movie: np.ndarray, axes: str = "tczyx", **way: Any) -> None:
    """Write OME-NGFF 0.5, with zarr-python."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    chunks = tuple(CHUNK["tczyx".index(axis)] for axis in axes)
    group.create_array("0", data=movie, chunks=chunks, **way)
    group.attrs["ome"] = {"version": "0.5", **describe_image(axes)}


def write_ome_zarr(path: Path, movie: np.ndarray, version: str) -> None:
    """Write with ome-zarr-py, a pyramid of two levels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import makes deprecated things of its own
        import ome_zarr.format
        import ome_zarr.writer
    formats = {"0.4": ome_zarr.format.FormatV04(), "0.5": ome_zarr.format.FormatV05()}
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    scales = describe_image()["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    steps = [
        [{"type": "scale", "scale": [s * f for s, f in zip(scales, (1, 1, 1, k, k), strict=True)]}] for k in (1, 2)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ome_zarr.writer.write_multiscale(
            [movie, movie[..., ::2, ::2]],
            group,
            fmt=formats[version],
            axes=AXES,
            coordinate_transformations=steps,
            storage_options={"chunks": CHUNK},
        )


def write_ome_writers(path: Path, movie: np.ndarray, backend: str, shards: bool) -> None:
    """Write with ome-writers, as pymmcore-plus does, plane by plane."""
    writers = pytest.importorskip("ome_writers")
    if backend == "acquire-zarr":
        pytest.importorskip("acquire_zarr")
    voxel = {axis: {"type": "space", "unit": "micrometer", "scale": size} for axis, size in VOXEL.items()}
    more: dict[str, dict[str, Any]] = {
        "t": {"type": "time", "unit": "second", "scale": INTERVAL},
        "c": {"type": "channel", "coords": [writers.Channel(name=name) for name in CHANNELS]},
        **voxel,
    }
    shard = {"z": 2, "y": 2, "x": 2}
    dimensions = [
        writers.Dimension(
            name=axis,
            count=size,
            chunk_size=chunk,
            **more[axis],
            **({"shard_size_chunks": shard[axis]} if shards and axis in shard else {}),
        )
        for axis, size, chunk in zip("tczyx", movie.shape, CHUNK, strict=True)
    ]
    settings = writers.AcquisitionSettings(root_path=str(path), dimensions=dimensions, dtype="uint16", format=backend)
    with writers.create_stream(settings) as stream:
        for plane in movie.reshape(-1, *movie.shape[-2:]):
            stream.append(plane)


def write_acquire(path: Path, movie: np.ndarray, shards: int) -> None:
    """Write with acquire-zarr, whose time axis grows, with a pyramid: a shard has several timepoints."""
    aq = pytest.importorskip("acquire_zarr")
    kinds = [aq.DimensionType.TIME, aq.DimensionType.CHANNEL, *[aq.DimensionType.SPACE] * 3]
    units = ["second", "", *["nanometer"] * 3]
    scales = describe_image()["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    dimensions = [
        aq.Dimension(
            name=name,
            kind=kind,
            array_size_px=size,
            chunk_size_px=chunk,
            shard_size_chunks=1 if name == "c" else shards,
            unit=unit,
            scale=scale,
        )
        for name, kind, size, chunk, unit, scale in zip(
            "tczyx", kinds, (0, *movie.shape[1:]), CHUNK, units, scales, strict=True
        )
    ]
    array = aq.ArraySettings(dimensions=dimensions, data_type=aq.DataType.UINT16, output_key="")
    codec = aq.CompressionCodec.BLOSC_ZSTD
    array.compression = aq.CompressionSettings(compressor=aq.Compressor.BLOSC1, codec=codec, level=1, shuffle=1)
    array.downsampling_method = aq.DownsamplingMethod.MEAN
    settings = aq.StreamSettings(arrays=[array], store_path=str(path), version=aq.ZarrVersion.V3)
    stream = aq.ZarrStream(settings)
    stream.append(movie.reshape(-1, *movie.shape[-2:]))
    stream.close()


def write_turned(path: Path, movie: np.ndarray) -> None:
    """Write axes in an order of their own."""
    write_v05(path, movie.transpose(["tczyx".index(axis) for axis in "xtyzc"]), "xtyzc")


SHARDS = (1, 2, 6, 20, 24)
WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "0.4": write_v04,
    "0.4 nested": lambda path, movie: write_v04(path, movie, chunk_key_encoding={"name": "v2", "separator": "/"}),
    "0.5": write_v05,
    "0.5 flat": lambda path, movie: write_v05(path, movie, chunk_key_encoding={"name": "v2", "separator": "."}),
    "0.5 sharded": lambda path, movie: write_v05(path, movie, shards=SHARDS),
    "0.5 turned": write_turned,
    "ome-zarr 0.4": lambda path, movie: write_ome_zarr(path, movie, "0.4"),
    "ome-zarr 0.5": lambda path, movie: write_ome_zarr(path, movie, "0.5"),
    "ome-writers tensorstore": lambda path, movie: write_ome_writers(path, movie, "tensorstore", False),
    "ome-writers acquire-zarr": lambda path, movie: write_ome_writers(path, movie, "acquire-zarr", True),
    "acquire-zarr": lambda path, movie: write_acquire(path, movie, 2),
}


def write_plain(path: Path, array: np.ndarray, chunks: Sequence[int], **way: Any) -> None:
    """Write an array that says nothing of itself, as the first recipes did."""
    zarr.create_array(path, data=array, chunks=tuple(chunks), **way)
