"""Raw volumes that are in no store, served as if they were: OME-Zarr 0.5 whose chunks are made when a viewer asks."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from lightsheet.provenance import SourceImage
from lightsheet.store import NGFF_VERSION, PublishedChannel, describe_multiscales

KEPT_LEVELS = 6
"""Coarser levels of volumes that are kept for the next chunks."""

KEY = re.compile(r"(\d{1,2})/c/(\d{1,7})/(\d{1,6})/(\d{1,6})/(\d{1,6})")


class VirtualStore:
    """The volumes of one channel (t, z, y, x), chunk by chunk."""

    def __init__(self, image: SourceImage, channel: PublishedChannel) -> None:
        self._image, self._channel, self._lock = image, channel, Lock()
        self._read_level = lru_cache(KEPT_LEVELS)(self._load_level)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file of the store; None if it has no such.

        InputError if a file of the acquisition is gone, or not the original.
        """
        if name == "zarr.json":
            return json.dumps(self._describe_group()).encode()
        levels = self._image.levels
        names = [f"{number}/zarr.json" for number in range(len(levels))]
        if name in names:
            return json.dumps(self._describe_array(names.index(name))).encode()
        match = KEY.fullmatch(name)
        if not match:
            return None
        number, timepoint, *place = map(int, match.groups())
        if number >= len(levels) or timepoint >= len(self._image.seconds):
            return None
        level = levels[number]
        z, y, x = (slice(i * c, (i + 1) * c) for i, c in zip(place, level.chunk, strict=True))
        if any(span.stop > n for span, n in zip((z, y, x), level.shape, strict=True)):
            return None
        with self._lock:  # what several chunks ask for is read once
            if number:
                part = self._read_level(timepoint, number)[z, y, x]
            else:
                part = self._image.read_part(self._channel, timepoint, 0, z, y)[:, :, x]
        return part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes()

    def _load_level(self, timepoint: int, number: int) -> np.ndarray:
        depth, height, _ = self._image.levels[number].shape
        return self._image.read_part(self._channel, timepoint, number, slice(0, depth), slice(0, height))

    def _describe_array(self, number: int) -> dict[str, Any]:
        level = self._image.levels[number]
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [len(self._image.seconds), *level.shape],
            "data_type": self._image.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *level.chunk]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": {},
            "dimension_names": ["t", "z", "y", "x"],
        }

    def _describe_group(self) -> dict[str, Any]:
        image, channel = self._image, self._channel
        multiscales = describe_multiscales(
            f"{image.name} raw",
            "tzyx",
            image.levels,
            image.voxel_size,
            image.interval,
            image.origin,
            image.start_seconds,
        )
        omero = {"version": NGFF_VERSION, "channels": [dict(channel.omero)], "rdefs": {"model": "color"}}
        ome = {"version": NGFF_VERSION, "multiscales": multiscales, "omero": omero}
        return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}


def find_file(stores: Mapping[str, VirtualStore], name: str) -> bytes | None:
    """Return the content of a file of one of several stores, by their paths; None if there is no such."""
    for place, store in stores.items():
        if name.startswith(f"{place}/"):
            return store.read(name.removeprefix(f"{place}/"))
    return None
