"""A stage scan in the geometry in which it is shown, computed band by band when it is read."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lightsheet.scan.deskew import move_planes
from lightsheet.scan.geometry import Array
from lightsheet.scan.output_geometry import OutputGeometry
from lightsheet.scan.rotate import turn_levels


class OutputVolume:
    """A volume in an `OutputGeometry` as a `BandSource`; 0 where it was never measured.

    `volume` (z, y, x) is of the raw shape; it and the bands are of the array module `xp`, NumPy or CuPy. Of each band
    (float32), `convert` makes what is stored as `dtype`. `is_slow` tells that a shard is read faster.
    """

    def __init__(
        self,
        volume: Array,
        geometry: OutputGeometry,
        convert: Callable[[Array], Array] | None = None,
        dtype: str = "float32",
        xp: Any = np,
    ) -> None:
        self.shape, self.dtype = geometry.shape, np.dtype(dtype)
        self.is_slow = geometry.kind == "rotated"
        self._volume, self._geometry, self._convert, self._xp = volume, geometry, convert, xp

    def __getitem__(self, region: tuple[slice, slice], /) -> Array:
        """Compute the voxels of some planes and rows."""
        planes, rows = (slice(*s.indices(n)[:2]) for s, n in zip(region, self.shape, strict=False))
        kind, scan = self._geometry.kind, self._geometry.scan
        band = self._xp.empty((planes.stop - planes.start, rows.stop - rows.start, self.shape[2]), np.float32)
        if kind == "rotated":
            turn_levels(self._volume, scan, planes, rows, band, xp=self._xp)
        elif kind == "deskewed":
            band[...] = 0
            move_planes(self._volume, scan, planes, rows, band)
        else:
            band[...] = self._volume[planes, rows]
        return self._convert(band) if self._convert else band
