"""What a volume of a stage scan is like in each geometry in which it can be shown, and where it lies.

Places are those of the sample, in micrometre, from the centre of the first voxel of the raw volume: in its straight
frame, or turned from that by direction * angle about the axis of the image that does not move, so that the coverslip
is level. A turn leaves left and right as they are.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lightsheet.scan.deskew import list_measured_planes
from lightsheet.scan.geometry import Scan, round_pixels
from lightsheet.scan.rotate import list_measured_levels, measure_extent

GEOMETRIES = ("deskewed", "rotated", "raw")


class OutputGeometry(NamedTuple):
    """How volumes of a stage scan are shown; `kind` is one of `GEOMETRIES`."""

    kind: str
    scan: Scan
    raw_shape: tuple[int, ...]  # (z, y, x), a plane for each step of the stage

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (z, y, x)."""
        (planes, *image), axis = self.raw_shape, self.scan.axis - 1
        if self.kind == "deskewed":
            image[axis] += math.ceil(round_pixels((planes - 1) * self.scan.shift))
        elif self.kind == "rotated":
            planes, image[axis] = measure_extent(self.scan, planes, image[axis])
        return planes, image[0], image[1]

    @property
    def origin(self) -> tuple[float, float, float]:
        """Place of the first voxel, in voxels of this geometry along (z, y, x)."""
        start, axis = [0.0, 0.0, 0.0], self.scan.axis
        first = self.raw_shape[axis] - 1
        if self.kind == "deskewed" and self.scan.direction == -1:
            start[axis] = -round_pixels((self.raw_shape[0] - 1) * self.scan.shift)
        elif self.kind == "rotated" and self.scan.direction == -1:
            start[axis] = first * math.cos(self.scan.angle) - (self.shape[axis] - 1)
        elif self.kind == "rotated":
            start[0] = 1.0 - self.shape[0]
        return start[0], start[1], start[2]

    def measure_voxels(self, raw: Mapping[str, float]) -> dict[str, float]:
        """Return the voxel size in micrometre, from that of the raw volume, whose z is step * sin(angle)."""
        size = {axis: raw[axis] for axis in "zyx"}
        return {**size, "z": raw["zyx"[self.scan.axis]]} if self.kind == "rotated" else size

    def find_origin(self, raw: Mapping[str, float]) -> tuple[float, ...]:
        """Return the place of the first voxel in micrometre, from the voxel size of the raw volume."""
        voxels = self.measure_voxels(raw)
        return tuple(start * voxels[axis] for axis, start in zip("zyx", self.origin, strict=True))

    def describe_affine(self) -> list[list[float]]:
        """Return the matrix (3, 4) from micrometres (z, y, x) of the raw volume to places.

        Those are the places of the geometry `deskewed` for `raw`.
        """
        matrix, axis, angle, direction = np.eye(3, 4), self.scan.axis, self.scan.angle, self.scan.direction
        if self.kind == "rotated":
            matrix[0, 0], matrix[0, axis] = 0, -direction * math.sin(angle)
            matrix[axis, 0], matrix[axis, axis] = direction / math.sin(angle), math.cos(angle)
        else:
            matrix[axis, 0] = direction / math.tan(angle)
        return [[float(value) for value in row] for row in matrix]

    def move(self, place: Sequence[float]) -> tuple[float, ...]:
        """Return where a place (z, y, x) of the raw volume lies, all in micrometre."""
        if self.kind == "raw":
            return tuple(place)
        return tuple(float(value) for value in np.array(self.describe_affine()) @ [*place, 1])

    def find_support(self) -> np.ndarray[Any, Any]:
        """Return which voxels were measured: bool (z, y or x), along the axis that moves, alike along the other one."""
        planes, width = self.raw_shape[0], self.raw_shape[self.scan.axis]
        length = self.shape[self.scan.axis]
        if self.kind == "deskewed":
            return list_measured_planes(self.scan, planes, width, length)
        if self.kind == "rotated":
            return list_measured_levels(self.scan, planes, width, length)
        return np.ones((planes, width), bool)
