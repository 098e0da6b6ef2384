"""What a volume takes of its worker, from which follows how many of them it has in hand: bytes, and seconds."""

import math
from collections.abc import Sequence

from lightsheet.cluster import Needs
from lightsheet.deconvolution import Method, gpu_model, round_up_shape
from lightsheet.processing.memory import estimate_memory, find_process_bytes

MOST_IN_HAND = 16
"""The most volumes that a worker of engine cpu has in hand; more threads of Python in one process were not tried."""

LONG_SECONDS = 600.0
"""Of engine cpu on one core: longer volumes are done one at a time, or a worker's walltime might not do for any."""

VOXEL_SECONDS = 1.5e-8
"""Of engine cpu on one core, for a voxel of the cyclic array and an iteration; with momentum, which takes longer."""

FEW_ITERATIONS, MANY_ITERATIONS = 10, 60
"""As which `auto` is taken on a GPU, which would need more volumes in hand with fewer, and by engine cpu."""

BESIDE_GPU = {"float32": 9.0e-9, "uint16": 6.8e-9}
"""Core-seconds of a voxel beside engine gpu, by dtype of the result: to read, decode, encode, digest and write, as
benchmarks/beside_gpu.py measures them; what its driver takes is not among them."""

ALONE_BESIDE_GPU = 0.3
"""Of these, the share that one thread does: bands are read, digested and written in order."""


def plan_needs(
    shape: Sequence[int],
    psf: Sequence[int],
    engine: str,
    acceleration: str,
    has_fill: bool = False,
    *,
    iterations: int | str = FEW_ITERATIONS,
    boundary: str = "extended",
    dtype: str = "float32",
) -> Needs:
    """Return what a volume takes of a worker; of other engines than cpu and gpu it has one in hand.

    Parameters
    ----------
    shape, psf, engine, acceleration, has_fill : as for `estimate_memory`
    iterations, boundary : as for `richardson_lucy`
    dtype : str, of the result
    """
    process = find_process_bytes(engine)
    volume = estimate_memory(shape, psf, engine, acceleration, has_fill) - process
    if engine == "cpu":
        number = MANY_ITERATIONS if isinstance(iterations, str) else iterations
        padded_voxels = math.prod(round_up_shape(n + k for n, k in zip(shape, psf, strict=True)))
        is_long = VOXEL_SECONDS * padded_voxels * number > LONG_SECONDS
        return Needs(process, volume, 1 if is_long else MOST_IN_HAND)
    if engine != "gpu":
        return Needs(process, volume)
    number = FEW_ITERATIONS if isinstance(iterations, str) else iterations
    (z, y, x), (depth, height, width) = shape, psf
    method = Method(number, boundary, acceleration=acceleration)
    gpu_seconds = gpu_model.estimate_seconds((z, y, x), (depth, height, width), method)
    core_seconds = BESIDE_GPU[dtype] * math.prod(shape)
    return Needs(process, volume, math.inf, core_seconds, ALONE_BESIDE_GPU, gpu_seconds)
