"""One Zarr v3 shard file: a volume at one pyramid level, written whole or not at all, proven whole, and read.

zarr-python holds an encoded shard in memory, does not flush it to disk and gives no digest; here a volume is read,
encoded and appended band by band, in threads and in C order, so that no volume need be in memory and equal volumes
give equal bytes (benchmarks/ingest.py compares). The format is that of the Zarr v3 `sharding_indexed` codec, index at
the end; in the tests zarr-python, TensorStore and Neuroglancer read it.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
from blake3 import blake3

from lightsheet.store.shard_codec import (
    CRC_BYTES,
    INDEX_DTYPE,
    Codec,
    append_crc,
    decode_chunk,
    make_compressor,
    read_chunk,
    read_index,
)
from lightsheet.system import begin_writeback, digest_blake3, write_whole
from lightsheet.system.bands import BandSource, count_joint_rows

T = TypeVar("T")
Item = TypeVar("Item")


class WrittenShard(NamedTuple):
    """A shard on the disk: its size, its BLAKE3 digest, and what was seen in each chunk of the volume."""

    bytes: int
    blake3: str
    seen: list[Any]


def write_shard(
    path: Path,
    volume: BandSource,
    chunk: tuple[int, ...],
    codec: Codec,
    threads: int,
    look: Callable[[np.ndarray], Any] | None = None,
) -> WrittenShard:
    """Write a volume as one shard.

    Parameters
    ----------
    path : Path
        The shard's file; an older one is removed first, so that no reader takes it for the new volume.
    volume : Source
        (z, y, x), any dtype that Zarr stores.
    chunk : tuple of int
        Inner chunk (z, y, x); it divides the volume's shape.
    codec : dict
        How inner chunks are compressed; each is followed by its crc32c.
    threads : int
        How many chunks are encoded at a time; two bands of the volume, rows of chunks along x, are in memory.
    look : callable, optional
        Called with each chunk while it is there.

    Returns
    -------
    Written
        Its `seen` holds what `look` returned, in C order.
    """
    _check_division(volume.shape, chunk)
    path.unlink(missing_ok=True)
    digest, index, seen, offset = blake3(), list[tuple[int, int]](), list[Any](), 0
    with ThreadPoolExecutor(threads) as pool, write_whole(path) as part, part.open("wb") as file:
        work = partial(_encode, make_compressor(codec), look)
        for content, sight in _in_threads(pool, work, _chunks(volume, chunk), 2 * threads):
            seen.append(sight)
            index.append((offset, len(content) + CRC_BYTES))
            offset += _append(content, file, digest)
            begin_writeback(file)
        offset += _append(np.array(index, INDEX_DTYPE).tobytes(), file, digest)
    return WrittenShard(offset, digest.hexdigest(), seen)


def _chunks(volume: BandSource, chunk: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield the inner chunks of a volume in C order, one band in memory."""
    depth, height, width = chunk
    rows = height if count_joint_rows(volume) <= height else volume.shape[1]
    for z, y in iterate_chunks(volume.shape[:2], (depth, rows)):
        band = volume[z, y]
        for top, left in itertools.product(range(0, rows, height), range(0, volume.shape[2], width)):
            yield band[:, top : top + height, left : left + width]
        del band  # or it would be kept while the next one is read


def _encode(codec: Any, look: Callable[[np.ndarray], Any] | None, chunk: np.ndarray) -> tuple[bytes, Any]:
    chunk = np.ascontiguousarray(chunk)
    return codec.encode(chunk), look(chunk) if look else None


def find_fault(path: Path, chunks: int, size: int, digest: str) -> str | None:
    """Compare a shard with its record: size, digest, and the crc32c of every inner chunk and of the index.

    Parameters
    ----------
    path : Path
        The shard's file.
    chunks : int
        How many inner chunks it holds.
    size : int
        Its size in bytes, as recorded.
    digest : str
        Its BLAKE3 digest, as recorded.

    Returns
    -------
    str or None
        What is wrong with it, in words, or None.
    """
    if not path.exists():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes where its record says {size}"
    if digest_blake3(path) != digest:
        return "differs from the digest in its record: it was damaged or changed on the disk"
    try:
        with path.open("rb") as file:
            for place in read_index(file, chunks):
                read_chunk(file, *place)
    except ValueError as error:
        return str(error)
    return None


class Shard:
    """A shard as a `Source`.

    Parameters
    ----------
    path : Path
        The shard's file.
    shape, chunk : tuple of int
        (z, y, x) of the volume and of an inner chunk.
    dtype : numpy.dtype
        Of the voxels.
    codec : dict
        How inner chunks are compressed.

    Raises
    ------
    ValueError
        Here or when a band is read, if what is needed of the file is damaged.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], chunk: tuple[int, ...], dtype: Any, codec: Codec) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.chunk, self._path, self._codec = chunk, path, make_compressor(codec)
        self._places = list(iterate_chunks(shape, chunk))
        with path.open("rb") as file:
            self._index = read_index(file, len(self._places))

    def __getitem__(self, where: tuple[slice, slice], /) -> np.ndarray:
        """Read and decode the chunks of a band."""
        wanted = [slice(*s.indices(n)) for s, n in zip((*where, slice(None)), self.shape, strict=True)]
        band = np.empty([w.stop - w.start for w in wanted], self.dtype)
        chunk = np.empty(self.chunk, self.dtype)
        with self._path.open("rb") as file:
            for place, (offset, length) in zip(self._places, self._index, strict=True):
                lows = [max(w.start, p.start) for w, p in zip(wanted, place, strict=True)]
                highs = [min(w.stop, p.stop) for w, p in zip(wanted, place, strict=True)]
                if any(low >= high for low, high in zip(lows, highs, strict=True)):
                    continue
                decode_chunk(self._codec, read_chunk(file, offset, length), chunk)
                band[_within(lows, highs, wanted)] = chunk[_within(lows, highs, place)]
        return band


def _within(lows: Iterable[int], highs: Iterable[int], place: Iterable[slice]) -> tuple[slice, ...]:
    """Return the region from `lows` to `highs` as seen from the corner of `place`."""
    return tuple(slice(low - p.start, high - p.start) for low, high, p in zip(lows, highs, place, strict=True))


def iterate_chunks(shape: tuple[int, ...], chunk: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield where inner chunks lie, in C order, the order of the shard's index; `chunk` divides `shape`."""
    _check_division(shape, chunk)
    starts = (range(0, n, c) for n, c in zip(shape, chunk, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(slice(a, a + c) for a, c in zip(corner, chunk, strict=True))


def _check_division(shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    if any(n % c for n, c in zip(shape, chunk, strict=True)):
        raise ValueError(f"chunk {chunk} does not divide {shape}")


def _in_threads(
    pool: ThreadPoolExecutor, function: Callable[[Item], T], items: Iterable[Item], ahead: int
) -> Iterator[T]:
    """Map in threads, in order, with so many results ahead of the one that is asked for."""
    waiting: deque[Future[T]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _append(content: bytes, file: BinaryIO, digest: blake3) -> int:
    """Write content and its crc32c, and return their size."""
    for piece in append_crc(content):
        file.write(piece)
        digest.update(piece)
    return len(content) + CRC_BYTES
