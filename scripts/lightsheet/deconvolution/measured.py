"""Which voxels of a volume were measured: all but the fill that reaches in from its borders.

Programs that deskew, rotate, stitch or register volumes fill the corners of the new box with one value. From each of
its voxels a straight line along an axis leads to a border through nothing but fill, because what was measured, a
box, is convex. So it is known from the lengths of the runs of fill at both ends of every line along every axis: a few
planes of numbers, found in one pass over the volume.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Ends = tuple[Array, Array]

LEAST_RUN = 8
"""Voxels: fewer of one value may be darkness at the border by chance."""


@dataclass(frozen=True)
class Mask:
    """A mask of a volume (z, y, x), as `richardson_lucy` takes it."""

    shape: tuple[int, ...]
    runs: tuple[Ends, Ends, Ends]  # along z, y, x: lengths of the runs at the two ends of lines, (y, x), (z, x), (z, y)

    def __getitem__(self, place: int | tuple[slice, ...]) -> Any:
        """Return a plane (y, x) of bool, or the mask of a part of the volume."""
        return self._cut(place) if isinstance(place, tuple) else self._make_plane(place)

    def __iter__(self) -> Iterator[Array]:
        """Go through the planes."""
        return map(self._make_plane, range(self.shape[0]))

    def _make_plane(self, z: int) -> Array:
        depth, height, width = self.shape
        (front, back), (top, bottom), (left, right) = self.runs
        plane = (front <= z) & (back < depth - z)
        for low, high, positions in (
            (top[z], bottom[z], np.arange(height, dtype=top.dtype)[:, None]),
            (left[z][:, None], right[z][:, None], np.arange(width, dtype=left.dtype)),
        ):
            if low.any():
                plane &= positions >= low
            if high.any():
                plane &= positions < plane.shape[positions.ndim % 2] - high
        return plane

    def _cut(self, region: tuple[slice, ...]) -> "Mask":
        spans = [range(n)[part] for n, part in zip(self.shape, region, strict=True)]
        shape = tuple(map(len, spans))
        runs = []
        for axis, (n, span, ends) in enumerate(zip(self.shape, spans, self.runs, strict=True)):
            across = region[:axis] + region[axis + 1 :]
            before, after = span.start, n - span.stop
            low, high = (
                np.maximum(run[across], cut) - run.dtype.type(cut)
                for run, cut in zip(ends, (before, after), strict=True)
            )
            runs.append((np.minimum(low, shape[axis]), np.minimum(high, shape[axis])))
        return Mask(shape, (runs[0], runs[1], runs[2]))

    def tobytes(self) -> bytes:
        """Return bytes that no other mask has."""
        return b"".join([str(self.shape).encode(), *(run.tobytes() for ends in self.runs for run in ends)])

    @property
    def is_whole(self) -> bool:
        """Tell whether all voxels were measured."""
        return not any(run.any() for ends in self.runs for run in ends)

    def count(self) -> int:
        """Count the voxels that were measured."""
        return sum(int(np.count_nonzero(plane)) for plane in self)


def find_measured(volume: Array, values: Sequence[float], rim: int = 0) -> Mask | None:
    """Find out which voxels of a volume were measured.

    Parameters
    ----------
    volume : array (z, y, x), read plane by plane
    values : sequence of float, what fills the volume where it was not
    rim : int, how many voxels beside fill are mixtures of it and of what was measured, and count as fill

    Returns
    -------
    Mask, or None if all voxels were
    """
    depth, height, width = volume.shape
    dtype = np.uint16 if max(volume.shape) + rim < 1 << 16 else np.uint32  # the smaller, the faster
    front, back = np.zeros((2, height, width), dtype)
    ends = {"y": np.zeros((2, depth, width), dtype), "x": np.zeros((2, depth, height), dtype)}
    for z, plane in enumerate(volume):
        is_data = find_data(plane, values)
        is_fill = ~is_data
        back += 1
        back *= is_fill
        front += is_fill & (front == z)
        for run, lengths in zip(("x", "y"), (measure_runs(is_data), measure_runs(is_data.T)), strict=True):
            ends[run][:, z] = lengths
    runs = [_widen(pair, n, rim) for pair, n in zip(((front, back), ends["y"], ends["x"]), volume.shape, strict=True)]
    measured = Mask(volume.shape, (runs[0], runs[1], runs[2]))
    return None if measured.is_whole else measured


def find_data(plane: Array, values: Sequence[float]) -> Array:
    """Tell which pixels have none of some values."""
    first, *rest = values
    is_data: Array = plane != first
    for value in rest:
        is_data &= plane != value
    return is_data


def measure_runs(is_data: Array) -> tuple[Array, Array]:
    """Measure the runs of False at the two ends of each row."""
    rows, width = is_data.shape
    lengths = []
    for lines in (is_data, is_data[:, ::-1]):
        length = np.zeros(rows, np.int64)
        starts = np.flatnonzero(~lines[:, 0])
        part = lines[starts]
        stop = part.argmax(axis=1)
        length[starts] = np.where(part.any(axis=1), stop, width)
        lengths.append(length)
    return lengths[0], lengths[1]


def _widen(ends: Any, n: int, rim: int) -> Ends:
    """Leave out the shortest runs, but for whole lines, and add the rim to the others."""
    low, high = (
        np.where(run < min(LEAST_RUN, n), 0, np.minimum(run + run.dtype.type(rim), n)).astype(run.dtype) for run in ends
    )
    return low, high
