"""NumPy in CuPy's place: shows where arrays go, in what order, and that FFTs in place are taken apart right.

It shows nothing of the GPU itself: kernels in CUDA's language have a stand-in here.
"""

import sys
import types
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import scipy.fft


class Plan:
    """cuFFT's plan of a 3-D transform between real and half-complex numbers, which does not scale."""

    def __init__(self, shape: Any, inembed: Any, *rest: Any) -> None:
        onembed, kind, last_size = rest[2], rest[5], rest[-1]
        z, y, x = shape
        padded, half = (z, y, 2 * (x // 2 + 1)), (z, y, x // 2 + 1)
        assert (inembed, onembed, last_size) == ((padded, half, half[2]) if kind == "R2C" else (half, padded, x))
        self.shape, self.kind = shape, kind

    def fft(self, source: Any, out: Any, direction: int) -> None:
        assert direction == (-1 if self.kind == "R2C" else 1)
        assert np.shares_memory(source, out)
        if self.kind == "R2C":
            out[...] = scipy.fft.rfftn(source)
        else:
            out[...] = scipy.fft.irfftn(source, s=self.shape, norm="forward")


class Stream(nullcontext[Any]):
    def __init__(self, non_blocking: bool) -> None:
        assert non_blocking
        super().__init__(self)

    def synchronize(self) -> None:
        pass


def correct(table: Any, z: Any, y: Any, x: Any, *sizes_and_arrays: Any) -> None:
    """Do what the kernel of `gpu.CORRECT` does."""
    ny, nx, table_y, table_x, estimate, correction = sizes_and_arrays
    assert ((ny, nx), (table_y, table_x)) == (correction.shape[1:], table.shape[1:])
    assert {index.dtype for index in (z, y, x)} == {np.dtype(np.int64)}
    correction[...] = estimate * np.maximum(table[np.ix_(z, y, x)] * correction, 0)


def asnumpy(array: Any, stream: Stream, out: Any) -> Any:
    assert isinstance(stream, Stream)
    out[...] = array
    return out


def install(monkeypatch: pytest.MonkeyPatch, memory: int = 10**9) -> None:
    """Put the fake in CuPy's place, with a device of so many bytes, all free."""
    cufft = types.SimpleNamespace(PlanNd=Plan, CUFFT_R2C="R2C", CUFFT_C2R="C2R", CUFFT_FORWARD=-1, CUFFT_INVERSE=1)
    runtime = types.SimpleNamespace(memGetInfo=lambda: (memory, memory))
    cupy = types.ModuleType("cupy")
    vars(cupy).update(
        vars(np)
        | {
            "__version__": "14.0",
            "is_available": lambda: True,
            "asnumpy": asnumpy,
            "fuse": lambda function: function,
            "ElementwiseKernel": lambda *_: correct,
            "cuda": types.SimpleNamespace(Stream=Stream, cufft=cufft, runtime=runtime),
            "get_default_memory_pool": lambda: types.SimpleNamespace(free_all_blocks=lambda: None),
        }
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupyx", types.SimpleNamespace(empty_pinned=np.empty))  # type: ignore[arg-type]
