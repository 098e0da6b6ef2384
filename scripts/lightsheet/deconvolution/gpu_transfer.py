"""Voxels from the host to the GPU and back, in streams of their own: another volume computes meanwhile."""

from threading import local
from types import ModuleType
from typing import Any

import numpy as np

from lightsheet.deconvolution.backend import Array
from lightsheet.deconvolution.gpu_memory import PinnedBuffers
from lightsheet.deconvolution.gpu_wait import wait_for

STREAMS = local()
"""Of each thread its `copying` stream: CuPy keeps the memory of an array for the stream in which it was made."""


def upload(cupy: ModuleType, array: np.ndarray[Any, Any], dtype: Any, buffers: PinnedBuffers) -> Array:
    """Copy an array to the device, through a buffer if it is in none."""
    staging = array
    if array.dtype != dtype or not array.flags.c_contiguous or not buffers.has_lent(array):
        staging = buffers.allocate(cupy, array.shape, dtype)
        staging[...] = array
    with _get_copying_stream(cupy) as copying:
        on_device = cupy.empty(array.shape, dtype)
        on_device.set(staging, stream=copying)
        wait_for(cupy, copying)
    return on_device


def download(cupy: ModuleType, arrays: list[Array], buffers: PinnedBuffers) -> list[np.ndarray[Any, Any]]:
    """Copy arrays of one dtype to the host, into one buffer, one after the other."""
    buffer = buffers.allocate(cupy, (sum(array.size for array in arrays),), arrays[0].dtype)
    ends = np.cumsum([array.size for array in arrays])
    parts = [buffer[end - array.size : end].reshape(array.shape) for array, end in zip(arrays, ends, strict=True)]
    with _get_copying_stream(cupy) as copying:
        for array, part in zip(arrays, parts, strict=True):
            cupy.asnumpy(array, stream=copying, out=part, blocking=False)
        wait_for(cupy, copying)
    return parts


def _get_copying_stream(cupy: ModuleType) -> Any:
    if not hasattr(STREAMS, "copying"):
        STREAMS.copying = cupy.cuda.Stream(non_blocking=True)
    return STREAMS.copying
