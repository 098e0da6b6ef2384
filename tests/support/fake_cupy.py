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
from typing import Any, Self

import numpy as np
import pytest
import scipy.fft

from lightsheet.deconvolution import choice, gpu, gpu_memory, gpu_transfer, gpu_trial, mask
from tests.support import fake_device
from tests.support.cuda_on_cpu import Kernel, list_parameters
from tests.support.fake_device import GUARD, Device, OutOfMemoryError, Pointer, Stream


class CUDARuntimeError(RuntimeError):
    """As CuPy has it."""


class CuFFTError(RuntimeError):
    """As CuPy has it."""


class Array:
    """An array on the device."""

    def __init__(self, pointer: Pointer, host: Any) -> None:
        self.pointer, self.host = pointer, host
        self.shape, self.dtype, self.strides = host.shape, host.dtype, host.strides
        self.device = types.SimpleNamespace(id=pointer.mem.device)
        self.size, self.ndim, self.nbytes, self.itemsize = host.size, host.ndim, host.nbytes, host.itemsize

    def use(self, writes: bool = False) -> Any:
        """Return its voxels, for a piece of work in the current stream."""
        self.pointer.mem.use(writes)
        return self.host

    def __array__(self, *_: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __bool__(self) -> bool:
        raise TypeError("a truth value of the device's memory: an implicit copy to the host")

    def __float__(self) -> float:
        return float(self.get())

    def __len__(self) -> int:
        return int(self.shape[0])

    def __iter__(self) -> Iterator["Array"]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: Any) -> "Array":
        if isinstance(index, Array):
            return keep(self.use()[index.use()])
        parts = index if isinstance(index, tuple) else (index,)
        assert all(isinstance(part, slice | int | np.integer) for part in parts), "only views"
        view = self.host[index]
        return Array(self.pointer, view if isinstance(view, np.ndarray) else self.host[(*parts, ...)])

    def __setitem__(self, index: Any, value: Any) -> None:
        value = take(value)
        self.use(writes=True)[index.use() if isinstance(index, Array) else index] = value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method != "__call__" or any(isinstance(operand, np.ndarray) for operand in inputs):
            return NotImplemented
        assert options.keys() <= {"dtype", "casting"}, "CuPy knows no `where` of ufuncs"
        values = [take(operand) for operand in inputs]
        if out is None:
            return keep(ufunc(*values, **options))
        (target,) = out
        ufunc(*values, out=target.use(writes=True), **options)
        return target

    def __array_function__(self, function: Any, types_: Any, arguments: Any, options: Any) -> Any:
        if function is np.broadcast_to:
            array, shape = arguments
            return Array(array.pointer, np.broadcast_to(array.host, shape))
        if function is np.zeros_like:
            return zeros_like(empty(arguments[0].shape, arguments[1]))
        assert function is np.empty_like
        return empty(options["shape"], arguments[1])

    def __imul__(self, other: Any) -> Self:
        return np.multiply(self, other, out=(self,))  # type: ignore[call-overload,no-any-return]

    def __lt__(self, other: Any) -> Any:
        return np.less(self, other)  # type: ignore[call-overload]

    def __rtruediv__(self, other: Any) -> Any:
        return np.true_divide(other, self)  # type: ignore[call-overload]

    def min(self) -> "Array":
        return keep(self.use().min())

    def max(self) -> "Array":
        return keep(self.use().max())

    def sum(self, **options: Any) -> "Array":
        return keep(self.use().sum(**options))

    def copy(self) -> "Array":
        return keep(np.ascontiguousarray(self.use()))

    def transpose(self, *axes: int) -> "Array":
        return Array(self.pointer, self.host.transpose(*axes))

    def reshape(self, *shape: int) -> "Array":
        assert self.host.flags.c_contiguous, "only views"
        return Array(self.pointer, self.host.reshape(*shape))

    def view(self, dtype: Any) -> "Array":
        return Array(self.pointer, self.host.view(dtype))

    def get(self) -> Any:
        """Copy to the host, which waits for it, and keeps a core busy if anything else is to be done before."""
        stream = fake_device.DEVICE.current
        stream.wait_awake()
        values = np.array(self.use())
        stream.record(fake_device.Event(block=True)).synchronize()
        fake_device.DEVICE.downloads.append(values.nbytes)
        return values

    def set(self, source: Any, stream: Stream) -> None:
        """Copy from the host, some time before the stream has done it."""
        assert isinstance(source, np.ndarray)
        assert (source.dtype, source.shape) == (self.dtype, self.shape)
        assert source.flags.c_contiguous
        assert self.host.flags.c_contiguous, "CuPy refuses it"
        with stream:
            target = self.use(writes=True)
        fake_device.DEVICE.uploads.append(source.nbytes)
        stream.copies.append(lambda: np.copyto(target, source))


def take(operand: Any) -> Any:
    """Return the voxels of an operand, which must not be an array of NumPy."""
    assert not isinstance(operand, np.ndarray), "an array of NumPy among CuPy's"
    return operand.use() if isinstance(operand, Array) else operand


def keep(values: Any) -> Array:
    """Return a new array of these values."""
    array = empty(np.shape(values), np.asarray(values).dtype)
    array.use(writes=True)[...] = values
    return array


def empty(shape: Any, dtype: Any) -> Array:
    shape, dtype = (shape,) if isinstance(shape, int) else tuple(shape), np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    pointer = fake_device.DEVICE.malloc(size)
    return Array(pointer, pointer.mem.bytes[GUARD : GUARD + size].view(dtype).reshape(shape))


def zeros_like(array: Array) -> Array:
    new = empty(array.shape, array.dtype)
    new[...] = 0
    return new


def asarray(values: Any, dtype: Any = None) -> Array:
    """As CuPy's: an array of the device is returned as it is, if its type is right."""
    if isinstance(values, Array):
        return values if dtype is None or values.dtype == dtype else keep(values.use().astype(dtype))
    array = keep(np.ascontiguousarray(values, dtype))
    fake_device.DEVICE.uploads.append(array.nbytes)
    return array


def sort(array: Array) -> Array:
    return keep(np.sort(array.use()))


def ascontiguousarray(values: Array, dtype: Any = None) -> Array:
    array = asarray(values, dtype)
    return array if array.host.flags.c_contiguous else array.copy()


def asnumpy(array: Array, stream: Stream, out: Any, blocking: bool = True) -> Any:
    """Copy to the host, some time before the stream has done it, for which CuPy waits unless it is told not to."""
    assert out.flags.c_contiguous
    assert array.host.flags.c_contiguous, "CuPy would copy it first, on the device"
    assert (out.dtype, out.shape) == (array.dtype, array.shape)
    with stream:
        source = array.use()
    fake_device.DEVICE.downloads.append(source.nbytes)
    stream.copies.append(lambda: np.copyto(out, source))
    if blocking:
        stream.synchronize()
    return out


class PinnedMemory:
    """Memory of the host that the device can reach."""

    def __init__(self, size: int) -> None:
        self.bytes = np.full(size, 0xFF, np.uint8)
        self.ptr, self.size = self.bytes.ctypes.data, size
        with fake_device.DEVICE.lock:
            if fake_device.DEVICE.pinned + size > fake_device.DEVICE.most_pinned:
                raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")
            fake_device.DEVICE.pinned += size
            fake_device.DEVICE.pinnings += 1
            fake_device.DEVICE.pinned_peak = max(fake_device.DEVICE.pinned_peak, fake_device.DEVICE.pinned)
        weakref.finalize(self, forget_pinned, size).atexit = False


def forget_pinned(size: int) -> None:
    with fake_device.DEVICE.lock:
        fake_device.DEVICE.pinned -= size


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
