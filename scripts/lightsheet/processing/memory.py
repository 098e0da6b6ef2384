"""Memory that the deconvolution of one volume takes, and the blocks that fit into what there is."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.fft import next_fast_len

from lightsheet.deconvolution import MemoryLimit, Method, choose_block_shape, count_slots, gpu, measure_halo
from lightsheet.system import find_memory_limit

PROCESS_BYTES = 500_000_000
"""Python with its libraries, and as much again to be safe."""

LEAST_BYTES = 1_000_000_000
"""No volume is cut for want of less: a worker that has less is killed, and its successor gets twice as much."""

BYTES_PER_PADDED_VOXEL = {"cpu": 17, "gpu": 0, "itk": 92, "skimage": 50}

BYTES_PER_VOXEL = {"cpu": 8, "gpu": 14, "itk": 8, "skimage": 8}

MOMENTUM_BYTES = {"none": 0, "heavy-ball": 4, "biggs": 8}
"""Measured by `benchmarks/memory.py`, and a little more; momentum's are per padded voxel, of engine cpu."""


def find_available_memory() -> int:
    """Return the bytes that volumes here may use at a time, all worker processes of the machine or job together."""
    return max(find_memory_limit(), LEAST_BYTES)


def estimate_memory(shape: Sequence[int], psf: Sequence[int], engine: str, acceleration: str) -> int:
    """Return the memory that `deconvolve` needs for a volume, its process included.

    Parameters
    ----------
    shape, psf : sequence of int
        (z, y, x) of the volume and of the PSF used.
    engine : str
        One of `deconvolution.ENGINES`.
    acceleration : str
        One of `deconvolution.ACCELERATIONS`.

    Returns
    -------
    int
        Bytes of host memory, for as many volumes as a worker has in hand.
    """
    padded: int = math.prod(next_fast_len(n + k, real=True) for n, k in zip(shape, psf, strict=True))
    each = BYTES_PER_PADDED_VOXEL[engine] + (MOMENTUM_BYTES[acceleration] if engine == "cpu" else 0)
    volume = each * padded + BYTES_PER_VOXEL[engine] * math.prod(shape)
    return PROCESS_BYTES + count_slots(engine) * volume


def choose_volume_blocks(
    shape: Sequence[int], chunk: Sequence[int], psf: np.ndarray, settings: Mapping[str, Any], memory: int
) -> tuple[int, ...]:
    """Choose the blocks in which to deconvolve a volume.

    Parameters
    ----------
    shape, chunk : sequence of int
        (z, y, x) of the volume and of an inner chunk of its shard.
    psf : numpy.ndarray
        The PSF used, (z, y, x).
    settings : mapping
        See `deconvolve`.
    memory : int
        Bytes that the process may use; it shares them among as many volumes as it has in hand.

    Returns
    -------
    tuple of int
        (z, y, x) without halo, in whole chunks; the volume's shape if it fits.

    Raises
    ------
    InputError
        If not even one chunk with its halo fits.
    """
    engine = settings["engine"]
    method = Method(1, settings["boundary"], acceleration=settings["acceleration"])
    limits = [
        MemoryLimit("the worker", memory, lambda block: estimate_memory(block, psf.shape, engine, method.acceleration))
    ]
    if engine == "gpu":
        limits.append(
            MemoryLimit(
                "the GPU", gpu.find_memory_budget(), lambda block: gpu.estimate_memory(block, psf.shape, method)
            )
        )
    return choose_block_shape(tuple(shape), psf.shape, measure_halo(psf), limits, tuple(chunk))
