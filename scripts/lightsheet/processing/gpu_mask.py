"""Which voxels of a volume on a GPU were measured: what `deconvolution.measured` finds, over CuPy's arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightsheet.deconvolution import LEAST_RUN
from lightsheet.processing.gpu_kernels import Kernels

Array = Any  # of cupy


@dataclass(frozen=True)
class GpuMask:
    """A mask as `richardson_lucy` takes it, of images that are 0 where they were not measured."""

    kernels: Kernels
    flags: Array  # (z, y, x) uint8: 1 where the volume was measured
    number: int  # of the measured voxels
    key: bytes  # which no other mask has

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the volume, (z, y, x)."""
        return tuple(self.flags.shape)

    def __getitem__(self, place: int | tuple[slice, ...]) -> Any:
        """Return a plane, or the mask of a part: itself of all, else an array of the host."""
        if isinstance(place, tuple):
            part = self.flags[place]
            return self if part.shape == self.flags.shape else part.get().astype(bool)
        return self.flags[place].view(np.bool_)

    def tobytes(self) -> bytes:
        """Return the key."""
        return self.key

    def has(self, value: bool) -> bool:
        """Tell whether the mask is `value` anywhere."""
        return self.number > 0 if value else self.number < self.flags.size

    def erase(self, volume: Array) -> None:
        """Set to 0 what was never measured of a float32 volume (z, y, x), in place."""
        self.kernels.start_voxels("erase", self.flags.size, volume, self.flags)


def find_mask(kernels: Kernels, raw: Array, settings: Mapping[str, Any]) -> GpuMask | None:
    """See `fill.find_mask`."""
    fill = settings.get("fill")
    return find_measured(kernels, raw, fill["values"], fill["rim"]) if fill else None


def find_measured(kernels: Kernels, raw: Array, values: Sequence[float], rim: int) -> GpuMask | None:
    """See `deconvolution.find_measured`."""
    cupy, (nz, ny, nx) = kernels.cupy, raw.shape
    exact = np.asarray(values, raw.dtype if raw.dtype.kind == "f" else np.float64)  # as NumPy compares
    fill = cupy.asarray(exact.astype(np.float64))
    runs = []
    for length, step, rows, row_step, columns, column_step in (
        (nz, ny * nx, ny, nx, nx, 1),
        (ny, nx, nz, ny * nx, nx, 1),
        (nx, 1, nz, ny * nx, ny, nx),
    ):
        runs.append(cupy.empty((2, rows, columns), np.int32))
        line = (np.uint32(length), np.uint64(step), np.uint32(columns), np.uint64(row_step), np.uint64(column_step))
        ends = (np.uint32(min(LEAST_RUN, length)), np.uint32(rim))
        kernels.start_voxels("measure_runs", rows * columns, raw, fill, np.uint32(len(exact)), runs[-1], *line, *ends)
    flags = cupy.empty(raw.shape, np.uint8)
    sizes = map(np.int32, raw.shape)
    (number,) = kernels.sum_voxels("mark_measured", ("sum",), raw.size, *runs, flags, None, *sizes)
    if number == raw.size:
        return None
    key = b"".join([str(raw.shape).encode(), *(run.get().tobytes() for run in runs)])
    return GpuMask(kernels, flags, int(number), key)
