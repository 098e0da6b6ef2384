"""A volume that is read band by band, whatever holds it."""

from typing import Any, Protocol

import numpy as np


class BandSource(Protocol):
    """A volume (z, y, x) that is read by bands, from several threads: an array, a TIFF stack, a shard."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along (z, y, x)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the voxels."""

    def __getitem__(self, region: tuple[slice, slice], /) -> np.ndarray:
        """Return the voxels of some planes and rows."""


def count_joint_rows(volume: BandSource) -> int:
    """Return how many rows a source decodes at once, even to read one: whole planes in some compressed files."""
    return getattr(volume, "rows", 1)
