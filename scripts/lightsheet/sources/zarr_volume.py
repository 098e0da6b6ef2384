"""Volumes of Zarr arrays, read by bands of planes."""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from threading import Lock

import numpy as np

from lightsheet.sources.zarr_array import ArrayLayout
from lightsheet.sources.zarr_chunks import ChunkReader, Place
from lightsheet.sources.zarr_view import Part, Selection, View, open_view
from lightsheet.system import InputError, count_cores, name_unreadable

CACHE_SHARE = 0.3
"""Share of a volume that decoded chunks, kept for the next bands, may take beside one layer of chunks."""


def estimate_reading(layout: ArrayLayout, axes: str, threads: int) -> int:
    """Return the bytes that reading a volume by bands takes beside the bands: a layer of chunks and what is kept.

    `axes` are the letters of the array's; each thread has an encoded and a decoded chunk, which may have other volumes.
    """
    unit = ChunkReader(layout).unit
    sizes = {axis: (n, u) for axis, n, u in zip(axes, layout.shape, unit, strict=True)}
    (_, depth), *rest = (sizes[axis] for axis in "zyx")
    layer = depth * math.prod(-(-n // u) * u for n, u in rest)
    volume = math.prod(sizes[axis][0] for axis in "zyx")
    return round((layer + CACHE_SHARE * volume + 2 * threads * math.prod(unit)) * layout.dtype.itemsize)


class ZarrVolume:
    """A volume of a Zarr array as a `BandSource`: a chunk is decoded once if the bands follow each other.

    Decoded chunks are kept until all of them was handed out, at most a layer of chunks and `CACHE_SHARE` of the volume.
    """

    is_direct = False

    def __init__(self, view: View, pool: ThreadPoolExecutor) -> None:
        self._view, self._pool = view, pool
        self._reader = ChunkReader(view.layout, may_lack=view.may_lack_chunks)
        self.shape = view.shape
        self.dtype = view.layout.dtype.newbyteorder("=")
        self.unit = tuple(self._reader.unit[axis] for axis in view.axes)
        self.rows = self.shape[1] if self.unit[1] >= self.shape[1] else 1
        self._cache: OrderedDict[Place, tuple[np.ndarray, int]] = OrderedDict()
        self._lock = Lock()
        volume, chunks = math.prod(self.shape), [-(-n // u) for n, u in zip(self.shape, self.unit, strict=True)]
        layer = chunks[1] * chunks[2] * math.prod(self.unit)
        self._cache_size = (layer + CACHE_SHARE * volume) / math.prod(self.unit)

    def __getitem__(self, rows: tuple[slice, slice], /) -> np.ndarray:
        return self.read_part((*rows, slice(None)))

    def read_part(self, part: Part) -> np.ndarray:
        """Read voxels (z, y, x), and no chunk that has none of them."""
        spans = [range(*span.indices(size)) for span, size in zip(part, self.shape, strict=True)]
        if any(span.step != 1 for span in spans):
            raise IndexError("a volume is sliced without steps")
        pixels = np.empty([len(span) for span in spans], self.dtype)
        if pixels.size:
            touched = (range(s.start // u, -(-s.stop // u)) for s, u in zip(spans, self.unit, strict=True))
            list(self._pool.map(partial(self._copy, pixels, spans), product(*touched)))
        return pixels

    def _copy(self, pixels: np.ndarray, spans: Sequence[range], place: Place) -> None:
        """Copy what a chunk has of a region into it."""
        chunk, voxels_left = self._take(place)
        lows = [max(span.start, n * u) for span, n, u in zip(spans, place, self.unit, strict=True)]
        highs = [
            min(s.stop, (n + 1) * u, size) for s, n, u, size in zip(spans, place, self.unit, self.shape, strict=True)
        ]
        part = chunk[
            tuple(slice(a - n * u, b - n * u) for a, b, n, u in zip(lows, highs, place, self.unit, strict=True))
        ]
        pixels[tuple(slice(a - span.start, b - span.start) for a, b, span in zip(lows, highs, spans, strict=True))] = (
            part
        )
        if voxels_left > part.size:
            self._keep(place, chunk, voxels_left - part.size)

    def _take(self, place: Place) -> tuple[np.ndarray, int]:
        """Return a chunk (z, y, x), and how many of its voxels were not handed out yet."""
        with self._lock:
            if place in self._cache:
                return self._cache.pop(place)
        chunk = self._load(place)
        extent = [min(u, n - p * u) for u, n, p in zip(self.unit, self.shape, place, strict=True)]
        return chunk, math.prod(extent)

    def _keep(self, place: Place, chunk: np.ndarray, uses: int) -> None:
        if math.prod(self._reader.unit) > math.prod(self.unit):
            chunk = chunk.copy()  # the chunk has other volumes, too
        with self._lock:
            self._cache[place] = chunk, uses
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)

    def _load(self, place: Place) -> np.ndarray:
        view, unit = self._view, self._reader.unit
        numbers = dict(zip(view.axes, place, strict=True))
        place_in_array = tuple(numbers[axis] if i is None else i // unit[axis] for axis, i in enumerate(view.numbers))
        chunk = self._reader.read(place_in_array)
        if chunk is None:
            if view.fill is None:
                raise InputError(f"{view.layout.path}: a chunk of it went while it was read; run again")
            return np.broadcast_to(np.array(view.layout.fill, self.dtype), self.unit)
        index = tuple(slice(None) if i is None else i % unit[axis] for axis, i in enumerate(view.numbers))
        return chunk[index].transpose(_order_axes(view.axes))

    def refuse_holes(self, part: Part | None = None) -> None:
        """Refuse a volume if chunks of it, or of the part that is read, were never written and are not to be filled."""
        if self._view.may_lack_chunks:
            return
        layout = self._view.layout
        places = list(product(*self._view.list_places(self._reader.unit, part)))
        absent = [place for place in places if not self._reader.is_written(place)]
        if absent:
            name = layout.name_chunk(self._reader.find_file(absent[0]))
            raise InputError(f"{layout.path}: {_explain_holes(layout, len(absent), len(places), name)}")


def _order_axes(axes: tuple[int, int, int]) -> tuple[int, ...]:
    """Return how to transpose what is left of an array, in the order of its axes, to (z, y, x)."""
    array_order = sorted(axes)
    return tuple(array_order.index(axis) for axis in axes)


def _explain_holes(layout: ArrayLayout, absent: int, count: int, name: str) -> str:
    """Say that chunks of a volume were never written, and what can be done."""
    value = f"{layout.fill:g}"
    advice = f"; or, if its writer leaves out chunks that hold nothing but {value}, set input.fill: {value}"
    return (
        f"{absent} of the {count} chunks of this volume were never written, such as one in {name}: they are holes, and "
        f"no darkness. Copy the store again{advice if math.isfinite(layout.fill) else ''}"
    )


@contextmanager
def open_selection(path: Path, selection: Selection) -> Iterator[ZarrVolume]:
    """Open a volume of a Zarr array.

    Parameters
    ----------
    path : Path, the array
    selection : Selection, which volume of it

    Yields
    ------
    ZarrVolume (z, y, x), read by bands; whether it has holes, `refuse_holes` looks

    Raises
    ------
    InputError
        If there is no such array or volume in it, or its metadata is damaged.
    """
    with name_unreadable(path):
        view = open_view(path, selection)
    with ThreadPoolExecutor(count_cores()) as pool:
        yield ZarrVolume(view, pool)
