"""A volume cut into the inner chunks of its shard, each in one piece: what is decoded and encoded without a copy."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lightsheet.store.pyramid import Shape


@dataclass(frozen=True)
class CutVolume:
    """A volume as a `BandSource`."""

    shape: Shape  # (z, y, x), whole multiples of a chunk's
    chunks: np.ndarray  # (chunk, z, y, x), in C order of their places

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the voxels."""
        return self.chunks.dtype

    def __getitem__(self, region: tuple[slice, ...], /) -> np.ndarray:
        """Return a part of the volume, as a copy."""
        return self.assemble()[region]

    def assemble(self) -> np.ndarray:
        """Return the volume (z, y, x)."""
        grid = [n // c for n, c in zip(self.shape, self.chunks.shape[1:], strict=True)]
        split = self.chunks.reshape(*grid, *self.chunks.shape[1:])
        return np.ascontiguousarray(split.transpose(0, 3, 1, 4, 2, 5)).reshape(self.shape)
