"""Memory that the deconvolution of one volume takes, and the blocks that fit into the available memory."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from lightsheet.deconvolution import (
    MemoryLimit,
    Method,
    choose_block_shape,
    fused_memory,
    gpu_memory,
    measure_halo,
    round_up_shape,
)
from lightsheet.system import find_memory_limit

PROCESS_BYTES = 500_000_000
"""Python with its libraries, and as much again to be safe."""

LEAST_BYTES = 1_000_000_000
"""Memory on which every block size counts: a worker with less is killed, and its successor gets twice as much."""

# Measured by benchmarks/memory.py, and a little more.
BYTES_PER_PADDED_VOXEL = {"cpu": 0, "cpu-sweeps": 17, "gpu": 0, "itk": 92, "skimage": 50}
BYTES_PER_VOXEL = {"cpu": 8, "cpu-sweeps": 8, "gpu": 14, "itk": 8, "skimage": 8}
"""Of "gpu" a sum, not measured, of volumes that go NumPy's way: raw 2, the image 4, its pinned copy and later the
result 4, and 4 for what is made of it. One that goes its way on the device has raw voxels and what is stored there."""

CUDA_BYTES = 1_000_000_000
"""Of the driver and CUDA's libraries in a process of engine gpu; a guess, none was measured."""

MOMENTUM_BYTES = {"none": 0, "heavy-ball": 4, "biggs": 8}
"""Bytes that an acceleration adds per padded voxel of engine cpu-sweeps; engine cpu counts its own."""
MASK_BYTES = 4
"""Bytes that weights take per padded voxel of engine cpu-sweeps where there is fill; gpu keeps them on its device."""


def find_available_memory() -> int:
    """Return the bytes that all worker processes of this machine or SLURM job may use together."""
    return max(find_memory_limit(), LEAST_BYTES)


@cache
def find_worker_memory() -> int:
    """Return the bytes that this worker may use, as it was when it began its first volume.

    Asked later, what it keeps for reuse would count as taken: the next volume would be cut into blocks, and differ.
    """
    return find_available_memory()


def estimate_memory(
    shape: Sequence[int], psf: Sequence[int], engine: str, acceleration: str, has_fill: bool = False
) -> int:
    """Return the bytes of host memory that a worker needs with one volume in hand, its process included.

    Parameters
    ----------
    shape, psf : sequence of int, (z, y, x) of the volumes and of the PSF used
    engine, acceleration : str, as for `richardson_lucy`, but not "auto"
    has_fill : bool, whether part of the volumes was never measured
    """
    padded = round_up_shape(n + k for n, k in zip(shape, psf, strict=True))
    arrays = BYTES_PER_PADDED_VOXEL[engine] * math.prod(padded)
    if engine == "cpu":
        arrays = fused_memory.estimate_arrays(padded, acceleration, has_fill)
    elif engine == "cpu-sweeps":
        arrays += MOMENTUM_BYTES[acceleration] * math.prod(padded)
    if has_fill and engine == "cpu-sweeps":
        arrays += MASK_BYTES * math.prod(padded)
    return find_process_bytes(engine) + arrays + BYTES_PER_VOXEL[engine] * math.prod(shape)


def find_process_bytes(engine: str) -> int:
    """Return the bytes of a worker that has no volume in hand."""
    return PROCESS_BYTES + CUDA_BYTES * (engine == "gpu")


def choose_volume_blocks(
    shape: Sequence[int], chunk: Sequence[int], psf: np.ndarray, settings: Mapping[str, Any], memory: int
) -> tuple[int, ...]:
    """Choose the blocks in which to deconvolve a volume: (z, y, x) without halo, or the volume's shape if it fits.

    Blocks consist of whole inner chunks of the shard. `settings` are those of `deconvolve_volume`; `memory` are the
    bytes that the process may use. InputError if not even one chunk with its halo fits.
    """
    engine, has_fill = settings["engine"], "fill" in settings
    method = Method(1, settings["boundary"], acceleration=settings["acceleration"])
    limits = [
        MemoryLimit(
            "the worker", memory, lambda block: estimate_memory(block, psf.shape, engine, method.acceleration, has_fill)
        )
    ]
    if engine == "gpu":
        limits += gpu_memory.list_limits(psf.shape, method, has_fill)
    return choose_block_shape(tuple(shape), psf.shape, measure_halo(psf), limits, tuple(chunk))
