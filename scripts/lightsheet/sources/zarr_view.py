"""Where a volume lies in a Zarr array: which of its indices it has, and which chunks hold it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightsheet.sources.zarr_array import ArrayLayout, read_array
from lightsheet.sources.zarr_chunks import Place
from lightsheet.system import InputError

Selection = Sequence[int | str]
"""Per axis of an array `z`, `y` or `x`, or the index along another; then perhaps "fill=0": what may stand for chunks
that were never written."""


Part = Sequence[slice]
"""A part of a volume: slices along (z, y, x), empty where they stop before they start."""


class View(NamedTuple):
    """Which part of an array a volume is."""

    layout: ArrayLayout
    axes: tuple[int, int, int]  # those of the array along z, y and x
    numbers: tuple[int | None, ...]  # per axis of the array the index along it; None along z, y and x
    fill: float | None  # what may stand for chunks that were never written

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of the volume along (z, y, x)."""
        return tuple(self.layout.shape[axis] for axis in self.axes)

    @property
    def may_lack_chunks(self) -> bool:
        """Whether chunks that were never written may be taken for fill."""
        return self.fill is not None and self.fill == self.layout.fill

    def list_places(self, unit: Place, part: Part | None = None) -> list[range]:
        """Return which chunks of a shape hold the volume, or a part of it, as ranges along the axes of the array."""
        spans = dict(zip(self.axes, part, strict=True)) if part else {}
        spans |= {axis: slice(i, i + 1) for axis, i in enumerate(self.numbers) if i is not None}
        return [
            _list_touched(spans.get(axis, slice(0, n)), n, size)
            for axis, (n, size) in enumerate(zip(self.layout.shape, unit, strict=True))
        ]


def _list_touched(span: slice, length: int, size: int) -> range:
    """Return which chunks of a size a span touches along an axis; none if it is empty."""
    stop = min(span.stop, length)
    return range(span.start // size, -(-stop // size)) if span.start < stop else range(0)


def is_selection(pages: Any) -> bool:
    """Tell whether what a piece takes of its path is a selection of a Zarr array, and no pages."""
    return pages is not None and "x" in pages


def open_view(path: Path, selection: Selection) -> View:
    """Read the metadata of an array, and find a volume in it; InputError if the array has no such."""
    layout = read_array(path)
    fill = [float(part.removeprefix("fill=")) for part in map(str, selection) if part.startswith("fill=")]
    entries = [part for part in selection if not str(part).startswith("fill=")]
    index = tuple(None if isinstance(part, str) else part for part in entries)
    is_there = len(entries) == len(layout.shape) and all(
        i is None or 0 <= i < n for i, n in zip(index, layout.shape, strict=True)
    )
    if not is_there or math.prod(n for n, i in zip(layout.shape, index, strict=True) if i is None) == 0:
        raise InputError(
            f"{path}: it has the shape {layout.shape}, without {':'.join(map(str, selection))}; it became another "
            "store: run again"
        )
    z, y, x = (entries.index(letter) for letter in "zyx")
    return View(layout, (z, y, x), index, fill[0] if fill else None)
