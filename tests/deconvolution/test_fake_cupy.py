"""The stand-in for CuPy: that it refuses what it is there to refuse."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.support import fake_cupy
from tests.support.fake_device import OutOfMemoryError, RaceError


@pytest.fixture
def device(monkeypatch):
    return fake_cupy.install(monkeypatch)


@pytest.fixture
def cupy(device):  # noqa: ARG001 (which is installed)
    return sys.modules["cupy"]


def make_streams(cupy):
    return [cupy.cuda.Stream(non_blocking=True) for _ in range(2)]


def test_a_stream_that_waits_for_nobody_may_not_use_what_another_one_makes(cupy):
    first, second = make_streams(cupy)
    with first:
        array = cupy.asarray(np.ones(3, np.float32))
    with second, pytest.raises(RaceError):
        array.copy()
    with second, pytest.raises(RaceError):
        array[...] = 0
    second.wait_event(first.record())
    with second:
        array[...] = 2
    with first, pytest.raises(RaceError):
        array.copy()
    second.synchronize()
    with first:
        assert array.get().tolist() == [2, 2, 2]


def test_memory_that_is_read_elsewhere_is_not_used_again(cupy):
    first, second = make_streams(cupy)
    with first:
        array = cupy.asarray(np.ones(3, np.float32))
    first.synchronize()
    with second:
        array.copy()
    del array
    with first, pytest.raises(RaceError):
        cupy.asarray(np.ones(3, np.float32))


def test_copies_are_done_when_somebody_waits(cupy):
    stream, _ = make_streams(cupy)
    pinned = np.zeros(3, np.float32)
    with stream:
        array = cupy.asarray(np.arange(3, dtype=np.float32))
    cupy.asnumpy(array, stream=stream, out=pinned, blocking=False)
    assert pinned.tolist() == [0, 0, 0]
    stream.synchronize()
    assert pinned.tolist() == [0, 1, 2]
    array.set(pinned, stream)
    pinned += 5  # too early
    stream.synchronize()
    assert array.get().tolist() == [5, 6, 7]


def test_volumes_beside_each_other_do_not_disturb_the_device(cupy, device):
    """The bookkeeping is shared by all threads: one counts streams while another one adds its own."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def use_streams(number):
        for _ in range(60):
            stream = cupy.cuda.Stream(non_blocking=True)
            with stream:
                array = cupy.asarray(np.full(number + 1, number, np.float32))
                array *= 2
                assert (array.get() == 2 * number).all()
            cupy.cuda.runtime.memGetInfo()

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(use_streams, range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert device.in_use == 0


def test_waits_that_keep_a_core_busy_are_counted(cupy, device):
    array, pinned = cupy.asarray(np.ones(3, np.float32)), np.empty(3, np.float32)
    stream = cupy.cuda.get_current_stream()
    for event, spins in ((cupy.cuda.Event(block=True), 0), (cupy.cuda.Event(), 1)):
        array[...] = 2
        stream.record(event).synchronize()
        assert device.spins == spins
    array.get()
    assert device.spins == 1, "nothing else was to be done"
    cupy.asnumpy(array, stream=stream, out=pinned)
    assert (device.spins, pinned.tolist()) == (2, [2, 2, 2])
    array[...] = 3
    array.get()
    assert device.spins == 3


def test_nothing_of_the_host_gets_in_and_nothing_out_unasked(cupy):
    array = cupy.asarray(np.ones(3, np.float32))
    for mistake in (
        lambda: array + np.ones(3),
        lambda: np.multiply(array, np.ones(3)),
        lambda: np.asarray(array),
        lambda: bool(array.max()),
        lambda: [1][array.max()],
    ):
        with pytest.raises((TypeError, IndexError)):
            mistake()
    with pytest.raises(AssertionError, match="NumPy"):
        array[...] = np.ones(3)
    with pytest.raises(AssertionError, match="where"):
        np.add(array, 1, where=False)
    stream, every_other = cupy.cuda.get_current_stream(), array[::2]
    with pytest.raises(AssertionError, match="refuses"):
        every_other.set(np.ones(2, np.float32), stream)
    with pytest.raises(AssertionError, match="copy"):
        cupy.asnumpy(every_other, stream=stream, out=np.ones(2, np.float32))
    assert float(array.max()) == 1


def test_memory_ends_and_what_is_new_holds_nothing(cupy, device):
    device.memory = 10**6
    arrays = [cupy.empty((10, 1000), np.float32) for _ in range(24)]
    assert np.isnan(arrays[0].get()).all()
    with pytest.raises(OutOfMemoryError):
        cupy.empty((10, 1000), np.float32)
    arrays[0][...] = 1
    arrays.pop(0)
    assert np.isnan(cupy.empty((10, 1000), np.float32).get()).all()


CODE = """
typedef float* Voxels;
extern "C" {
__global__ void fill(Voxels target, float value, unsigned size) {
    for (unsigned x = threadIdx.x; x < size; x += blockDim.x) target[x] = value;
}
}
"""


def test_kernels_stay_within_their_arrays_and_take_what_they_declare(cupy):
    fill, array = cupy.RawModule(code=CODE).get_function("fill"), cupy.empty((5,), np.float32)
    fill((1,), (4,), (array, np.float32(3), np.uint32(5)))
    assert array.get().tolist() == [3] * 5
    for arguments in (
        (array, 3.0, np.uint32(5)),
        (array, np.float32(3), 5),
        (cupy.empty((5,), np.float64), np.float32(3), np.uint32(5)),
        (np.empty(5, np.float32), np.float32(3), np.uint32(5)),
    ):
        with pytest.raises(AssertionError):
            fill((1,), (4,), arguments)
    for grid, block in ((0, 4), (2**31, 4), (1, 2048)):
        with pytest.raises(AssertionError):
            fill((grid,), (block,), (array, np.float32(3), np.uint32(5)))
    with pytest.raises(AssertionError, match="behind"):
        fill((1,), (4,), (array, np.float32(3), np.uint32(6)))
