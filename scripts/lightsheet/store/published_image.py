"""The stores of a finished run, as viewers and exports read them: channels, contrast, pyramid, voxels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import radians, sin
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.store.metadata import list_channels, read_array_metadata, read_group_attributes, refuse_metadata
from lightsheet.store.paths import Results, shard_path
from lightsheet.store.pyramid import Level
from lightsheet.store.shard import iterate_chunks
from lightsheet.store.volumes import open_shard
from lightsheet.system import PART, InputError, check_path

SUFFIX = ".ome.zarr"

GEOMETRY_KEYS = ("scan", "geometry", "raw_shape", "affine", "unmeasured")
"""Attributes of the stores of a stage scan, from `describe_geometry`."""


@dataclass(frozen=True)
class PublishedChannel:
    """One channel of a published image."""

    omero: Mapping[str, Any]  # label, colour and contrast, see `describe_channels`
    store: Path  # the OME-Zarr that holds it
    index: tuple[int, ...]  # its place there after the timepoint: (c,) in a result, () in a raw store

    @property
    def name(self) -> str:
        """Name, as in the configuration."""
        return str(self.omero["label"])

    @property
    def colour(self) -> str:
        """Colour as RRGGBB."""
        return str(self.omero["color"])

    @property
    def window(self) -> tuple[float, float]:
        """Stored values that are shown black and in full colour."""
        return self.omero["window"]["start"], self.omero["window"]["end"]


@dataclass(frozen=True)
class PublishedImage:
    """The raw or the deconvolved volumes of a finished run, all channels."""

    name: str  # of the run
    channels: tuple[PublishedChannel, ...]  # in the order of the result
    levels: tuple[Level, ...]  # from the full resolution down
    voxel_size: Mapping[str, float]  # z, y and x in micrometre
    dtype: np.dtype[Any]
    interval: float | None  # median seconds from one timepoint to the next, if known
    seconds: tuple[float | None, ...]  # from the first timepoint to each, None where unknown
    missing: frozenset[tuple[str, int]]  # channel and timepoint of the holes
    origin: tuple[float, ...] = (0, 0, 0)  # place of the first voxel, (z, y, x) in micrometre
    start_seconds: float = 0.0  # place of the first timepoint, where the interval is known
    numbers: tuple[int, ...] = ()  # of each timepoint, in the acquisition, of which perhaps only some were selected
    share: str = ""  # which part of the acquisition was, in words; empty if all of it was
    source: Mapping[str, Any] = field(default_factory=dict)  # of raw volumes, where these are in no store
    extra: Mapping[str, Any] = field(default_factory=dict)  # what `describe_geometry` returned, of a stage scan

    @property
    def affine(self) -> Sequence[Sequence[float]] | None:
        """Matrix (3, 4) from micrometres (z, y, x) to those of the sample, if the planes of a stage scan are raw."""
        matrix: Sequence[Sequence[float]] | None = self.extra.get("affine", {}).get("matrix")
        return matrix

    @property
    def raw_shape(self) -> Sequence[int]:
        """Voxels (z, y, x) of the raw volumes, to which the statistics of records belong."""
        shape: Sequence[int] = self.extra.get("raw_shape", self.levels[0].shape)
        return shape

    @property
    def raw_voxel_size(self) -> Mapping[str, float]:
        """Voxel size of the raw volumes, z, y and x in micrometre."""
        scan = self.extra.get("scan")
        distance = {"z": round(scan["step"] * sin(radians(scan["angle"])), 9)} if scan else {}
        return {**self.voxel_size, **distance}

    @property
    def timepoints(self) -> range:
        """All timepoints."""
        return range(len(self.seconds))

    def read_bands(
        self, channel: PublishedChannel, timepoint: int, number: int, *, whole_planes: bool = False
    ) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """Read a volume at the pyramid level `number`: yield planes and rows of each band, and its voxels (z, y, x).

        A band has the planes and the rows of an inner chunk, or all rows with `whole_planes`. InputError if the
        volume's shard is missing (Zarr itself would read zeros) or damaged.
        """
        shard = shard_path(channel.store, number, (timepoint, *channel.index))
        shape, (depth, height, _) = self.levels[number].shape[:2], self.levels[number].chunk
        if not shard.exists():
            raise InputError(f"{shard} is missing; run the workflow again to make it anew")
        try:
            source = open_shard(shard, channel.store / str(number))
            if source.shape != self.levels[number].shape or source.dtype != self.dtype:
                refuse_metadata(channel.store / str(number), "its volumes are not like those of the other channels")
            for planes, rows in iterate_chunks(shape, (depth, shape[1] if whole_planes else height)):
                yield (planes, rows), source[planes, rows]
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{shard} {error}; remove it and run the workflow again to make it anew") from error


def find_run_folder(path: Path) -> Path:
    """Return the folder of a run whose store may be named in its place.

    Parameters
    ----------
    path : Path, `results/NAME` or `results/NAME/NAME.ome.zarr`

    Returns
    -------
    Path, absolute; links are kept
    """
    path = path.absolute()
    return path.parent if path.name.endswith(SUFFIX) and (path / "zarr.json").exists() else path


def find_finished(folder: Path) -> Results:
    """Return the results of a finished run, of which `folder` is `results/NAME`, its store, a copy of it or a link.

    InputError if the folder does not hold the published store of exactly one run.
    """
    check_path(folder)
    folder = find_run_folder(folder)
    stores = [place.parent.name for place in folder.glob(f"*{SUFFIX}/zarr.json")]
    names = [name.removesuffix(SUFFIX) for name in stores if not name.startswith(PART)]
    if len(names) != 1:
        contents = ", ".join(f"{name}{SUFFIX}" for name in sorted(names)) or f"no NAME{SUFFIX}"
        raise InputError(
            f"{folder}: there is {contents} in it; name the folder of one finished run, such as results/demo, or run "
            "the workflow to its end"
        )
    return Results(folder, names[0])


def read_image(results: Results, kind: str) -> PublishedImage:
    """Read the metadata of the `raw` or `result` stores, but no voxel; InputError if one is absent or damaged."""
    attributes = read_group_attributes(results.store)
    omero = list_channels(results.store, attributes)
    if kind == "result":
        channels = [PublishedChannel(channel, results.store, (c,)) for c, channel in enumerate(omero)]
        return _make_image(results, channels, [attributes])
    stores = [results.raw_store(channel["label"]) for channel in omero]
    contents = [read_group_attributes(store) for store in stores]
    pairs = zip(stores, contents, strict=True)
    channels = [PublishedChannel(list_channels(store, content)[0], store, ()) for store, content in pairs]
    return _make_image(results, channels, contents)


def read_channel_image(results: Results, kind: str, name: str) -> PublishedImage:
    """Read the metadata of one channel, without colour and contrast; InputError if its store is absent or damaged."""
    store = results.store if kind == "result" else results.raw_store(name)
    attributes = read_group_attributes(store)
    index: tuple[int, ...] = ()
    if kind == "result":
        labels = [channel["label"] for channel in list_channels(store, attributes)]
        if name not in labels:
            refuse_metadata(store, f"it has no channel {name}")
        index = (labels.index(name),)
    return _make_image(results, [PublishedChannel({"label": name}, store, index)], [attributes])


def _make_image(results: Results, channels: list[PublishedChannel], attributes: list[Any]) -> PublishedImage:
    holes = [hole for content in attributes for hole in content["lightsheet"].get("missing", ())]
    missing = frozenset((hole["channel"], hole["timepoint"]) for hole in holes)
    axes = _read_axes(channels[0].store, attributes[0])
    extra = {key: attributes[0]["lightsheet"][key] for key in GEOMETRY_KEYS if key in attributes[0]["lightsheet"]}
    return PublishedImage(results.name, tuple(channels), **axes, missing=missing, extra=extra)


def _read_axes(store: Path, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `PublishedImage` that all channels have in common."""
    multiscales = attributes["ome"]["multiscales"][0]
    scales = [level["coordinateTransformations"][0]["scale"] for level in multiscales["datasets"]]
    first = multiscales["datasets"][0]["coordinateTransformations"][1:]
    arrays = [read_array_metadata(store / level["path"]) for level in multiscales["datasets"]]
    levels = []
    for array, scale in zip(arrays, scales, strict=True):
        z, y, x = (max(1, round(size / finest)) for size, finest in zip(scale[-3:], scales[0][-3:], strict=True))
        levels.append(Level(array.shape, array.chunk, (z, y, x)))
    timepoints = arrays[0].leading[0]
    seconds = attributes["lightsheet"].get("seconds") or [None] * timepoints
    if len(seconds) != timepoints:
        refuse_metadata(store, f"it has the times of {len(seconds)} timepoints, its arrays have {timepoints}")
    numbers = attributes["lightsheet"].get("timepoints") or range(timepoints)
    if len(numbers) != timepoints:
        refuse_metadata(store, f"it says which {len(numbers)} timepoints were selected, its arrays have {timepoints}")
    return {
        "numbers": tuple(numbers),
        "share": attributes["lightsheet"].get("share", ""),
        "source": attributes["lightsheet"].get("source", {}),
        "levels": tuple(levels),
        "voxel_size": dict(zip("zyx", scales[0][-3:], strict=True)),
        "origin": tuple(first[0]["translation"][-3:]) if first else (0, 0, 0),
        "start_seconds": first[0]["translation"][0] if first else 0.0,
        "dtype": arrays[0].dtype,
        "interval": scales[0][0] if "unit" in multiscales["axes"][0] else None,
        "seconds": tuple(seconds),
    }
