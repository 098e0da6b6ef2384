"""How the kernels of `gpu_code` are started."""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from lightsheet.processing.gpu_code import make_code

THREADS = 128
"""Of a block."""

MOST_BLOCKS = 1024
"""Of the kernels that go through all voxels, of which each thread writes its part of a sum."""

LEAST_VOXELS = 16
"""Of a thread of these, so that what they write is small beside a volume."""

MOST_FOLDING = 1024
"""Threads that add these up; what is left of each is added on the host."""

RULES = {"sum": 0, "min": 1, "max": 2}


class Kernels:
    """The kernels for voxels of two dtypes."""

    def __init__(self, cupy: ModuleType, raw: str, stored: str) -> None:
        self.cupy = cupy
        self.module = cupy.RawModule(code=make_code(raw, stored))
        self.no_flags = cupy.empty((1,), np.uint8)

    def start(self, name: str, blocks: int, *arguments: Any) -> None:
        """Start a kernel in the current stream. Scalars must be of the very types that it takes: CuPy checks none."""
        self.module.get_function(name)((int(blocks),), (THREADS,), arguments)

    def list_flags(self, mask: Any) -> tuple[Any, np.int32]:
        """Return the arguments of a kernel that takes a `GpuMask`, or None."""
        return (mask.flags, np.int32(1)) if mask else (self.no_flags, np.int32(0))

    def start_voxels(self, name: str, size: int, *arguments: Any) -> None:
        """Start a kernel that goes through `size` voxels, which follows its arguments."""
        self.start(name, min(4 * MOST_BLOCKS, -(-size // THREADS)), *arguments, np.uint64(size))

    def sum_voxels(self, name: str, rules: tuple[str, ...], size: int, *arguments: Any) -> list[float]:
        """Start a kernel that goes through `size` voxels, and fold what its threads sum up, by each rule.

        `parts` is put in the place of None among the arguments, and `size` follows them.
        """
        blocks = min(MOST_BLOCKS, -(-size // (LEAST_VOXELS * THREADS)))
        folding = min(MOST_FOLDING, blocks * THREADS)
        parts = self.cupy.empty((len(rules), blocks * THREADS), np.float64)
        sums = self.cupy.empty((len(rules), folding), np.float64)
        self.start(name, blocks, *(parts if argument is None else argument for argument in arguments), np.uint64(size))
        for row, rule in enumerate(rules):
            numbers = (np.uint32(blocks * THREADS), np.int32(RULES[rule]))
            self.start("fold_parts", folding // THREADS, parts[row], sums[row], *numbers)
        return [float(getattr(row, rule)()) for row, rule in zip(sums.get(), rules, strict=True)]


@cache
def get_kernels(cupy: ModuleType, raw: str, stored: str) -> Kernels:
    """Return the process's kernels for two dtypes."""
    return Kernels(cupy, raw, stored)
