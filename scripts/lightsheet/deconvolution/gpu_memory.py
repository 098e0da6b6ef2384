"""Memory of engine `gpu`: what a volume needs of the device, what there is, and pinned buffers of the host."""

import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from math import prod
from threading import RLock
from types import ModuleType
from typing import Any
from weakref import finalize

import numpy as np

from lightsheet.deconvolution.blocks import MemoryLimit
from lightsheet.deconvolution.gpu_backend import MOST_VOXELS, measure_in_place, round_up_for_cufft
from lightsheet.deconvolution.gpu_kernels import SUMS_BYTES
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.padding import Shape, make_frame
from lightsheet.system import InputError

IN_FLIGHT = 3
"""Volumes that may be on the device at a time: one that comes, one that computes, one that leaves."""

USABLE = 0.95
"""Of the device's free memory: CUDA loads parts of its libraries late, and CuPy's pool has gaps."""

FLOAT = 4  # bytes

COMPUTING_BYTES = 12
"""A voxel of the volume that computes: raw at most 4, the image 4, the result 4; with a mask 1 more."""

WAITING_BYTES = 8
"""A voxel of one that comes, as raw, or leaves: what is stored of it, at most 4, and its pyramid, less than as much."""


@cache
def find_memory_budget() -> int:
    """Return the bytes of the device that volumes here may use: of what is free at the first call."""
    free, _ = import_module("cupy").cuda.runtime.memGetInfo()
    return int(USABLE * free)


def estimate_memory(shape: Shape, psf: Shape, method: Method, is_masked: bool = False) -> int:
    """Return the bytes of device memory that a volume (z, y, x) needs with a PSF of that shape.

    Of the cyclic size the FFT's buffer, the OTF, the prediction and cuFFT's work area, with momentum one or two more,
    with a mask its weights; what else a volume needs that computes, and those that come or leave meanwhile. What is
    made of a result takes less than the iterations, whose memory is free then.
    """
    arrays = 4 + {"none": 0, "heavy-ball": 1, "biggs": 2}[method.acceleration] + is_masked
    cyclic = prod(measure_in_place(make_frame(shape, psf, method.boundary, round_up_for_cufft).shape))
    sums = SUMS_BYTES if method.acceleration == "biggs" else 0
    voxel = COMPUTING_BYTES + is_masked + (IN_FLIGHT - 1) * WAITING_BYTES
    return FLOAT * arrays * cyclic + voxel * prod(shape) + sums


def list_limits(psf: Shape, method: Method, is_masked: bool = False) -> list[MemoryLimit]:
    """Return what a volume or a block of it must fit into: the device's memory, and cuFFT's plans."""

    def measure_array(shape: Shape) -> int:
        return FLOAT * prod(measure_in_place(make_frame(shape, psf, method.boundary, round_up_for_cufft).shape))

    return [
        MemoryLimit("the GPU", find_memory_budget(), lambda shape: estimate_memory(shape, psf, method, is_masked)),
        MemoryLimit("an FFT of cuFFT", FLOAT * MOST_VOXELS, measure_array),
    ]


class PinnedBuffers:
    """Buffers of the host that the device reads and writes by itself, used again by volumes of the same size.

    CuPy's pool keeps all that it ever had, and rounds sizes up; this one has as many as are in use at a time.
    """

    def __init__(self) -> None:
        self.lock = RLock()  # the garbage collector may end a loan within another's begin
        self.idle: list[Any] = []  # memory of CuPy's class PinnedMemory
        self.lent: set[int] = set()  # addresses

    def allocate(self, cupy: ModuleType, shape: Shape, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
        """Return an array, content undefined, whose memory comes back here with the last view of it.

        InputError if the host has no memory left for it.
        """
        size = np.dtype(dtype).itemsize * prod(shape)
        with self.lock:
            if self.idle and self.idle[0].size != size:  # volumes of another size are over
                self.idle.clear()
            memory = self.idle.pop() if self.idle else _pin(cupy, size)
            self.lent.add(memory.ptr)
        loan = _Loan(memory.ptr, size)
        finalize(loan, self._take_back, memory).atexit = False
        return np.ndarray(shape, dtype, cupy.cuda.PinnedMemoryPointer(loan, 0))

    def has_lent(self, array: np.ndarray[Any, Any]) -> bool:
        """Tell whether an array begins where one of these buffers does."""
        with self.lock:
            return array.ctypes.data in self.lent

    def _take_back(self, memory: Any) -> None:
        with self.lock:
            self.lent.discard(memory.ptr)
            self.idle.append(memory)


def _pin(cupy: ModuleType, size: int) -> Any:
    try:
        return cupy.cuda.PinnedMemory(size)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if "emory" not in str(error):  # cudaErrorMemoryAllocation, of the host's memory as of the device's
            raise
    raise InputError(
        f"the memory of {os.uname().nodename} does not suffice for {size / 1e9:.2f} GB that its GPU reaches by itself, "
        "or the system lets no process have as much in one place; give jobs more memory, or volumes fewer voxels"
    )


@dataclass
class _Loan:
    """What an array holds of a buffer, with the attributes of CuPy's class PinnedMemory."""

    ptr: int
    size: int  # bytes
