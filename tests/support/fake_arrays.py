"""Arrays of the stand-in for CuPy: stricter than its own, see `fake_cupy`."""

import types
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from tests.support import fake_device
from tests.support.fake_device import GUARD, Pointer, Stream


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
