"""A device that is none: its memory, in CuPy's pool, and its streams, each with what it can know of the others."""

import threading
import weakref
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Self

import numpy as np

UNIT = 512  # bytes to which CuPy's pool rounds up
GUARD = 64  # bytes around a block, which nobody may write


class RaceError(AssertionError):
    """An array is used in a stream that cannot know whether another one has done with it."""


class OutOfMemoryError(MemoryError):
    """As CuPy says it."""


class Event:
    """The moment in a stream up to which it has done its work."""

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self.block, self.disable_timing = block, disable_timing
        self.seen: dict[Stream, int] = {}

    def synchronize(self) -> None:
        """Let the host wait, asleep only if the event was made for that."""
        with DEVICE.lock:
            waits = any(DEVICE.host.get(stream, 0) < work for stream, work in self.seen.items())
            DEVICE.spins += waits and not self.block
            DEVICE.host_sees(self.seen)


class Stream:
    """Work in its order; `seen` is how much of other streams' work is done before what comes next."""

    def __init__(self, non_blocking: bool = False, name: str = "") -> None:
        self.name = name or f"stream {id(self):x}"
        self.non_blocking = non_blocking
        self.work = 0
        self.seen: dict[Stream, int] = {}
        self.copies: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        DEVICE.stack.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        assert DEVICE.stack.pop() is self

    def begin(self) -> int:
        """Begin a piece of work: what was put off is done, and all is seen that the host waited for."""
        with DEVICE.lock:  # other volumes are waited for meanwhile, and some share the default stream
            self.do_copies()
            for stream, work in DEVICE.host.items():
                self.seen[stream] = max(work, self.seen.get(stream, 0))
            self.work += 1
            return self.work

    def do_copies(self) -> None:
        with DEVICE.lock:
            copies, self.copies = self.copies, []
            for copy in copies:
                copy()

    def record(self, event: Event | None = None) -> Event:
        self.do_copies()
        event = event or Event()
        event.seen = {**self.seen, self: self.work}
        return event

    def wait_event(self, event: Event) -> None:
        for stream, work in event.seen.items():
            self.seen[stream] = max(work, self.seen.get(stream, 0))

    def synchronize(self) -> None:
        self.record().synchronize()

    def wait_awake(self) -> None:
        """Let the host wait for work that is not done, if there is any."""
        if self.work:
            self.synchronize()


class Block:
    """Memory of the device, with who used it last."""

    def __init__(self, size: int, home: Stream) -> None:
        self.size, self.home, self.device = size, home, DEVICE.number
        self.used = size  # bytes, of those that the pool rounded up
        self.bytes = np.full(size + 2 * GUARD, 0xFF, np.uint8)
        self.written: tuple[Stream, int] | None = None
        self.read: dict[Stream, int] = {}

    def use(self, writes: bool) -> None:
        """Note a use in the current stream, or raise `RaceError`."""
        stream = DEVICE.current
        with DEVICE.lock:
            now = stream.begin()
            before = [self.written] if self.written else []
            for other, work in [*before, *(self.read.items() if writes else ())]:
                if other is not stream and stream.seen.get(other, 0) < work:
                    raise RaceError(f"{stream.name} uses what {other.name} may not have done with")
            if writes:
                self.written, self.read = (stream, now), {}
            else:
                self.read[stream] = now

    def check_guards(self) -> None:
        assert (self.bytes[:GUARD] == 0xFF).all(), "written before the array"
        assert (self.bytes[GUARD + self.used :] == 0xFF).all(), "written behind the array"


class Pointer:
    """CuPy's MemoryPointer; the block goes back to the pool with the last array of it."""

    def __init__(self, block: Block) -> None:
        self.mem = block
        weakref.finalize(self, DEVICE.take_back, block).atexit = False


class Device:
    """The device's memory, CuPy's pool, and which streams have been waited for by the host."""

    def __init__(self, memory: int = 10**9) -> None:
        self.memory, self.number = memory, 0
        self.lock = threading.RLock()
        self.in_use = self.peak = self.pinned = self.pinned_peak = self.pinnings = 0
        self.most_pinned = 10**9  # bytes of the host
        self.others = 0  # bytes of other programs
        self.failure = ""  # what has broken it
        self.spins = 0  # how often the host waited for work that was not done, and kept a core busy
        self.uploads: list[int] = []  # bytes of each copy to the device, and back
        self.downloads: list[int] = []
        self.free: dict[Stream, list[Block]] = defaultdict(list)
        self.null = Stream(name="the default stream")
        self.host: dict[Stream, int] = {}
        self.threads = threading.local()

    @property
    def stack(self) -> list[Stream]:
        if not hasattr(self.threads, "stack"):
            self.threads.stack = [self.null]
        return self.threads.stack

    @property
    def current(self) -> Stream:
        return self.stack[-1]

    def host_sees(self, seen: dict[Stream, int]) -> None:
        with self.lock:
            for stream, work in seen.items():
                self.host[stream] = max(work, self.host.get(stream, 0))

    @property
    def cached(self) -> int:
        with self.lock:
            blocks = [block for blocks in list(self.free.values()) for block in list(blocks)]  # the last use may end
            return sum(block.size for block in blocks)

    def malloc(self, used: int) -> Pointer:
        size = -(-used // UNIT) * UNIT
        with self.lock:
            blocks = self.free[self.current]
            fitting = [block for block in blocks if block.size == size]
            if fitting:
                blocks.remove(fitting[0])
                fitting[0].bytes[...] = 0xFF
            else:
                if self.in_use + self.cached + self.others + size > self.memory:
                    self.free.clear()
                if self.in_use + self.others + size > self.memory:
                    raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
                fitting = [Block(size, self.current)]
            self.in_use += size
            self.peak = max(self.peak, self.in_use)
        fitting[0].used = used
        return Pointer(fitting[0])

    def take_back(self, block: Block) -> None:
        with self.lock:
            self.in_use -= block.size
            self.free[block.home].append(block)

    def free_all_blocks(self) -> None:
        with self.lock:
            self.free.clear()

    def count_free(self) -> tuple[int, int]:
        with self.lock:
            return self.memory - self.in_use - self.cached - self.others, self.memory


DEVICE = Device()
