"""How the kernels of `gpu_code` are started."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from lightsheet.deconvolution.backend import Setup
from lightsheet.deconvolution.gpu_code import CODE
from lightsheet.deconvolution.gpu_wait import fetch
from lightsheet.deconvolution.momentum import TINY
from lightsheet.deconvolution.padding import Weights

Array = Any  # of cupy

THREADS = 128
"""Of a block: rows have hundreds of voxels, and few threads are without any in the last turn."""

GRID = 2048
"""Blocks of the kernels that sum, of which each thread writes its part, and of those that work on whole arrays."""

PARTS = 2048
"""Threads that add these parts up; the sums of each are added on the host, always in the same order."""

SUMS_BYTES = 2 * 8 * (GRID * THREADS + PARTS)
"""Of device memory, for doubles of both."""


class Kernels:
    """The kernels, with the arguments of the functions of `backend` for NumPy."""

    def __init__(self, cupy: ModuleType) -> None:
        self.cupy = cupy
        self.module = cupy.RawModule(code=CODE)

    def multiply(self, spectrum: Array, otf: Array) -> None:
        """Multiply a spectrum by the OTF."""
        self._start("multiply", GRID, spectrum, otf, np.uint64(spectrum.size))

    def multiply_by_conjugate(self, spectrum: Array, otf: Array) -> None:
        """Multiply a spectrum by the OTF's conjugate."""
        self._start("multiply_by_conjugate", GRID, spectrum, otf, np.uint64(spectrum.size))

    def place(self, target: Array, image: Array, indices: Sequence[Array]) -> None:
        """See `backend.place_voxels`; an index of -1 stands for 0."""
        rows, *size = _measure_rows(target)
        self._start("place", rows, target, image, *indices, *_convert_sizes(*image.shape[1:]), rows, *size)

    def make_divider(self, image: Array, setup: Setup, threshold: Any) -> Callable[[Array], None]:
        """See `backend.make_divider`."""
        arguments = (image, *setup.places, *_convert_sizes(*image.shape[1:]), np.float32(threshold))

        def divide(blurred: Array) -> None:
            self._start_rows("divide", blurred, *arguments)

        return divide

    def correct(self, blurred: Array, prediction: Array, weights: Weights, clips: bool) -> None:
        """See `backend.correct_planes`."""
        self._start_rows("correct", blurred, prediction, *_list_weights(weights), np.int32(clips))

    def correct_and_extrapolate(
        self, blurred: Array, prediction: Array, previous: Array, weights: Weights, more: Any, less: Any
    ) -> None:
        """See `backend.correct_and_extrapolate`."""
        factors = (np.float32(more), np.float32(less), np.float32(TINY))
        self._start_rows("correct_and_extrapolate", blurred, prediction, previous, *_list_weights(weights), *factors)

    def correct_and_compare(
        self, blurred: Array, prediction: Array, change: Array, weights: Weights
    ) -> tuple[float, float]:
        """See `backend.correct_and_compare`; the sums are of doubles, and the same on every run."""
        half = GRID * THREADS
        parts, sums = self.cupy.empty((2, half), np.float64), self.cupy.empty((2, PARTS), np.float64)
        arrays = (blurred, prediction, change, parts, *_list_weights(weights))
        self._start("correct_and_compare", GRID, *arrays, *_measure_rows(blurred), _find_pitch(blurred))
        self._start("add_parts", PARTS // THREADS, parts, sums, np.uint32(half))
        product, square = fetch(self.cupy, sums).sum(axis=1)
        return float(product), float(square)

    def extrapolate(self, blurred: Array, prediction: Array, previous: Array, more: Any, less: Any) -> None:
        """See `momentum.extrapolate`."""
        rows, _, nx = _measure_rows(blurred)
        factors = (np.float32(more), np.float32(less), np.float32(TINY))
        self._start("extrapolate", rows, blurred, prediction, previous, *factors, rows, nx, _find_pitch(blurred))

    def _start_rows(self, name: str, blurred: Array, *arguments: Any) -> None:
        rows, *size = _measure_rows(blurred)
        self._start(name, rows, blurred, *arguments, rows, *size, _find_pitch(blurred))

    def _start(self, name: str, blocks: Any, *arguments: Any) -> None:
        """Start a kernel in the current stream. Scalars must be of the very types that it takes: CuPy checks none."""
        self.module.get_function(name)((int(blocks),), (THREADS,), arguments)


def _convert_sizes(*sizes: int) -> list[np.uint32]:
    return [np.uint32(size) for size in sizes]


def _measure_rows(array: Array) -> list[np.uint32]:
    """Return how many rows there are, how many of a plane, and how long they are."""
    z, y, x = array.shape
    return _convert_sizes(z * y, y, x)


def _find_pitch(array: Array) -> np.uint32:
    return np.uint32(array.strides[1] // array.itemsize)


def _list_weights(weights: Weights) -> list[Any]:
    return [weights.table, *weights.indices, *_convert_sizes(*weights.table.shape[1:])]
