"""The stores of a finished run, with raw volumes as if they were in stores where the run left them in their files."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from lightsheet.provenance.raw_source import RawPlace, find_raw
from lightsheet.provenance.reader import Crate, read_crate
from lightsheet.sources import list_pieces, open_mosaic, stat_source
from lightsheet.store import (
    CoarserLevel,
    PublishedChannel,
    PublishedImage,
    Results,
    iterate_chunks,
    make_shape,
    plan_levels,
    read_channel_image,
    read_image,
)
from lightsheet.system import BandSource, InputError

REMEDY = "the run kept no raw volumes (output.raw), and this one can be read only where its original file is"

Open = Callable[[str, int], AbstractContextManager[BandSource]]
"""Opens a raw volume by channel and place on the time axis of the store."""


@dataclass(frozen=True)
class SourceImage(PublishedImage):
    """The raw volumes of a run that kept none, read and coarsened where their files are."""

    open_volume: Open = field(kw_only=True)

    def read_bands(
        self, channel: PublishedChannel, timepoint: int, number: int, *, whole_planes: bool = False
    ) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """Read a volume at a pyramid level, as from a store; InputError if a file is gone or not the original."""
        shape, (depth, height, _) = self.levels[number].shape[:2], self.levels[number].chunk
        for planes, rows in iterate_chunks(shape, (depth, shape[1] if whole_planes else height)):
            yield (planes, rows), self.read_part(channel, timepoint, number, planes, rows)

    def read_part(
        self, channel: PublishedChannel, timepoint: int, number: int, planes: slice, rows: slice
    ) -> np.ndarray:
        """Read some planes and rows of a volume at a pyramid level; errors as of `read_bands`."""
        if (channel.name, timepoint) in self.missing:
            shape = planes.stop - planes.start, rows.stop - rows.start, self.levels[number].shape[2]
            return np.full(shape, np.nan if self.dtype.kind == "f" else 0, self.dtype)
        with self.open_volume(channel.name, timepoint) as volume:
            return self._coarsen(volume, number)[planes, rows]

    def _coarsen(self, volume: BandSource, number: int) -> BandSource:
        """Return a level of the pyramid: what a shard of it would hold, rounded at each level as there."""
        if (volume.shape, volume.dtype) != (self.levels[0].shape, self.dtype):
            raise InputError(
                f"its files hold a volume of {volume.shape} {volume.dtype}, and the store says {self.levels[0].shape} "
                f"{self.dtype}; run the workflow again"
            )
        for finer, level in pairwise(self.levels[: number + 1]):
            step = make_shape(a // b for a, b in zip(level.factor, finer.factor, strict=True))
            volume = CoarserLevel(volume, step, step[0])
        return volume


def read_volumes(results: Results, kind: str) -> PublishedImage:
    """Read the metadata of the `raw` or `result` volumes of a run, but no voxel.

    Where the run kept no raw volumes, these are read from the acquisition's files later, if they are still there.

    Raises
    ------
    InputError
        If a store is absent or damaged, or the provenance that says where the files are.
    """
    result = read_image(results, "result")
    if kind == "result" or not result.source:
        return read_image(results, kind) if kind == "raw" else result
    return _make_image(results, result, result.source, _Files(read_crate(results.folder)).open)


def _make_image(results: Results, result: PublishedImage, source: Mapping[str, Any], open_volume: Open) -> SourceImage:
    """Describe raw volumes by what the result's store says of them."""
    voxel_size = dict(zip("zyx", source["voxel_size"], strict=True))
    channels = []
    for channel in result.channels:
        low, high, start, end = source["windows"].get(channel.name, (0, 1, 0, 1))
        window = {"min": low, "max": high, "start": start, "end": end}
        omero = {**channel.omero, "window": window}
        channels.append(PublishedChannel(omero, results.raw_store(channel.name), ()))
    fields = {name: value for name, value in vars(result).items() if name != "source"}
    return SourceImage(
        **{
            **fields,
            "channels": tuple(channels),
            "levels": plan_levels(make_shape(source["shape"]), voxel_size),
            "voxel_size": voxel_size,
            "dtype": np.dtype(source["dtype"]),
            "origin": tuple(source["origin"]),
            "extra": source["geometry"],
        },
        open_volume=open_volume,
    )


class _Files:
    """The files of a run's raw volumes; those of a volume are proven once, and again when they look changed."""

    def __init__(self, crate: Crate) -> None:
        self._crate = crate
        self._rows = {(row["channel"], int(row["timepoint"])): row for row in crate.rows}
        self._places: dict[tuple[str, int], tuple[list[Any], RawPlace]] = {}

    def open(self, channel: str, timepoint: int) -> AbstractContextManager[BandSource]:
        key = channel, timepoint
        if key not in self._rows:
            raise InputError(
                f"{self._crate.folder}: its provenance has no {channel} timepoint {timepoint}; run the workflow again"
            )
        if not self._is_proven(key):
            place = find_raw(self._rows[key], self._crate.acquisition, REMEDY)
            self._places[key] = self._look(place), place
        return open_mosaic(*self._places[key][1])

    def _is_proven(self, key: tuple[str, int]) -> bool:
        try:
            return key in self._places and self._places[key][0] == self._look(self._places[key][1])
        except InputError:  # it is gone
            return False

    @staticmethod
    def _look(place: RawPlace) -> list[Any]:
        return [stat_source(path, pages) for path, pages in list_pieces(place.tiles)]


def read_channel(results: Results, kind: str, name: str) -> PublishedImage:
    """Read the metadata of one channel's volumes; as `read_volumes`."""
    is_published = kind == "raw" and results.store.exists()  # the store of results is published last
    if not is_published or not read_channel_image(results, "result", name).source:
        return read_channel_image(results, kind, name)
    image = read_volumes(results, kind)
    return replace(image, channels=tuple(channel for channel in image.channels if channel.name == name))
