"""A stand-in for CuPy, stricter than it: for tests of what engine `gpu` does with a device, where there is none.

Arrays are of a class of its own. They refuse NumPy's as operands, truth values, and copies to the host that are not
asked for. What is done to an array happens in the current stream: used in another stream before that could know the
first to be done (an event, or the host that waited for it), it raises `RaceError`. Memory is that of a device of so
many bytes, with CuPy's pool: each stream has free blocks of its own. What is new holds NaN, and writes beside it are
noticed. Copies between the device and pinned memory are done when somebody waits for them, no earlier. Kernels are run
by `cuda_on_cpu`. It shows nothing of how CUDA compiles them, of speed, or of cuFFT's rounding.
"""

import ctypes
import sys
import threading
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.fft

from lightsheet.deconvolution import choice, gpu, gpu_memory, gpu_transfer, gpu_trial, mask
from tests.support import fake_device
from tests.support.cuda_on_cpu import Kernel, list_parameters
from tests.support.fake_arrays import Array, asarray, ascontiguousarray, asnumpy, empty, sort, zeros_like
from tests.support.fake_device import Device, OutOfMemoryError, Pointer, Stream


class CUDARuntimeError(RuntimeError):
    """As CuPy has it."""


class CuFFTError(RuntimeError):
    """As CuPy has it."""


class PinnedMemory:
    """Memory of the host that the device can reach."""

    def __init__(self, size: int) -> None:
        self.bytes = np.full(size, 0xFF, np.uint8)
        self.ptr, self.size = self.bytes.ctypes.data, size
        device = fake_device.DEVICE
        with device.lock:
            if device.pinned + size > device.most_pinned:
                raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")
            device.pinned += size
            device.pinnings += 1
            device.pinned_peak = max(device.pinned_peak, device.pinned)
        weakref.finalize(self, forget_pinned, device, size).atexit = False


def forget_pinned(device: Device, size: int) -> None:
    """Count it as given back to the device for which it was pinned: a later test has another."""
    with device.lock:
        device.pinned -= size


def point_to_pinned(memory: Any, offset: int) -> Any:
    """Return a buffer that keeps `memory` alive, as CuPy's class PinnedMemoryPointer does."""
    buffer = (ctypes.c_char * memory.size).from_address(memory.ptr + offset)
    buffer.memory = memory  # type: ignore[attr-defined]
    return buffer


class Plan:
    """cuFFT's plan of a 3-D transform between real and half-complex numbers, which does not scale."""

    def __init__(self, shape: Any, inembed: Any, *rest: Any) -> None:
        onembed, kind, last_size = rest[2], rest[5], rest[-1]
        z, y, x = shape
        padded, half = (z, y, 2 * (x // 2 + 1)), (z, y, x // 2 + 1)
        assert (inembed, onembed, last_size) == ((padded, half, half[2]) if kind == "R2C" else (half, padded, x))
        self.shape, self.kind = shape, kind
        self.work_area = get_allocator()(4 * int(np.prod(padded)))

    def fft(self, source: Array, out: Array, direction: int) -> None:
        assert direction == (-1 if self.kind == "R2C" else 1)
        assert np.shares_memory(source.host, out.host)
        self.work_area.mem.use(writes=True)
        values, target = source.use(), out.use(writes=True)
        if self.kind == "R2C":
            target[...] = scipy.fft.rfftn(values)
        else:
            target[...] = scipy.fft.irfftn(values, s=self.shape, norm="forward")


def get_allocator() -> Callable[[int], Pointer]:
    return getattr(fake_device.DEVICE.threads, "allocator", None) or fake_device.DEVICE.malloc


@contextmanager
def using_allocator(allocator: Callable[[int], Pointer]) -> Iterator[None]:
    fake_device.DEVICE.threads.allocator = allocator
    yield
    fake_device.DEVICE.threads.allocator = None


class RawModule:
    """Kernels; scalars must be of the very types of the parameters."""

    def __init__(self, *, code: str) -> None:
        self.code = code

    def get_function(self, name: str) -> Callable[..., None]:
        kernel, writes = Kernel(self.code, name), [p[2] for p in list_parameters(self.code)[name]]

        def start(grid: tuple[int], block: tuple[int], arguments: Any) -> None:
            assert 1 <= grid[0] < 2**31, "CuPy starts one block where there should be none"
            assert 1 <= block[0] <= 1024
            assert not any(isinstance(argument, np.ndarray) for argument in arguments)
            values = [a.use(w) if isinstance(a, Array) else a for a, w in zip(arguments, writes, strict=True)]
            kernel(*grid, *block, values)
            for argument in arguments:
                if isinstance(argument, Array):
                    argument.pointer.mem.check_guards()

        return start


def synchronize_device() -> None:
    """Wait for all streams; CUDA says here, too, what has broken the device before."""
    if fake_device.DEVICE.failure:
        raise CUDARuntimeError(fake_device.DEVICE.failure)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test begin, and leave, as if nothing had been asked of a GPU."""
    for module, name in ((gpu_trial, "explain_absence"), (gpu_memory, "find_memory_budget"), (choice, "_tell_of_gpu")):
        monkeypatch.setattr(module, name, cache(getattr(module, name).__wrapped__))
    for module, name, value in (
        (gpu, "CHANNELS", OrderedDict()),
        (gpu_transfer, "STREAMS", threading.local()),
        *((gpu, name, gpu_memory.PinnedBuffers()) for name in ("IMAGES", "RAW", "STORED")),
        (mask, "CACHE", {}),
    ):
        monkeypatch.setattr(module, name, value)


def install(monkeypatch: pytest.MonkeyPatch, memory: int = 10**9) -> Device:
    """Put the fake in CuPy's place, with a device of so many bytes, all free, in a process that has used none."""
    device = Device(memory)
    monkeypatch.setattr(fake_device, "DEVICE", device)
    forget(monkeypatch)
    pool = types.SimpleNamespace(
        free_all_blocks=lambda: fake_device.DEVICE.free_all_blocks(),
        malloc=lambda size: fake_device.DEVICE.malloc(size),
        used_bytes=lambda: fake_device.DEVICE.in_use,
        total_bytes=lambda: fake_device.DEVICE.in_use + fake_device.DEVICE.cached,
    )
    cuda = types.SimpleNamespace(
        Stream=Stream,
        Event=fake_device.Event,
        get_current_stream=lambda: fake_device.DEVICE.current,
        cufft=types.SimpleNamespace(
            PlanNd=Plan, CUFFT_R2C="R2C", CUFFT_C2R="C2R", CUFFT_FORWARD=-1, CUFFT_INVERSE=1, CuFFTError=CuFFTError
        ),
        runtime=types.SimpleNamespace(
            memGetInfo=lambda: fake_device.DEVICE.count_free(),
            getDeviceCount=lambda: 1,
            getDevice=lambda: fake_device.DEVICE.number,
            deviceSynchronize=synchronize_device,
            CUDARuntimeError=CUDARuntimeError,
        ),
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        using_allocator=using_allocator,
        PinnedMemory=PinnedMemory,
        PinnedMemoryPointer=point_to_pinned,
    )
    cupy = types.ModuleType("cupy")
    vars(cupy).update(
        __version__="14.0",
        asarray=asarray,
        ascontiguousarray=ascontiguousarray,
        asnumpy=asnumpy,
        cuda=cuda,
        empty=empty,
        get_default_memory_pool=lambda: pool,
        RawModule=RawModule,
        sort=sort,
        zeros_like=zeros_like,
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return device
