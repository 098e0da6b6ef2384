"""One Zarr v3 shard file: a volume at one pyramid level, written whole or not at all, checked, and read.

zarr-python holds an encoded shard in memory, does not flush it to disk and gives no digest; here a volume is read,
encoded and appended band by band, in threads and in C order, so that no volume need be in memory and equal volumes
give equal bytes (benchmarks/ingest.py compares). The format is that of the Zarr v3 `sharding_indexed` codec, index at
the end; in the tests zarr-python, TensorStore and Neuroglancer read it.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
from blake3 import blake3

from lightsheet.store.cut_volume import CutVolume
from lightsheet.store.last_bits import round_last_bits
from lightsheet.store.shard_codec import (
    CRC_BYTES,
    INDEX_DTYPE,
    Codec,
    append_crc,
    check_claim,
    decode_chunk,
    make_compressor,
    read_chunk,
    read_index,
)
from lightsheet.system import BandSource, begin_writeback, count_joint_rows, digest_blake3, write_whole

T = TypeVar("T")
Item = TypeVar("Item")

SLAB_BYTES = 1 << 21
"""Bytes of rows that are read at a time where a file is read as it lies: about what a core's cache holds."""


class WrittenShard(NamedTuple):
    """A shard on the disk."""

    bytes: int
    blake3: str
    summaries: list[Any]  # what `summarise` returned of each chunk, in C order


def write_shard(
    path: Path,
    volume: BandSource,
    chunk: tuple[int, ...],
    codec: Codec,
    threads: int,
    summarise: Callable[[np.ndarray], Any] | None = None,
    bits: int | None = None,
) -> WrittenShard:
    """Write a volume as one shard; two bands of it, rows of chunks along x, are in memory.

    Parameters
    ----------
    path : Path, the shard; an older one is removed first, so that no reader takes it for the new volume
    volume : BandSource (z, y, x), of any dtype that Zarr stores
    chunk : tuple of int, inner chunk (z, y, x), which must divide the volume's shape
    codec : Codec, by which inner chunks are compressed; a crc32c follows each
    threads : int, chunks that are encoded at a time
    summarise : callable, optional, called with each chunk while it is in memory
    bits : int, optional, to which values are rounded, see `round_last_bits`; by default they are written as they are
    """
    _check_division(volume.shape, chunk)
    path.unlink(missing_ok=True)
    compressor = make_compressor(codec)

    def encode(piece: np.ndarray) -> tuple[bytes, Any]:
        piece = np.ascontiguousarray(piece)
        if bits:
            piece = piece.copy()
            round_last_bits(piece, bits)
        return compressor.encode(piece), summarise(piece) if summarise else None

    digest, index, summaries, offset = blake3(), list[tuple[int, int]](), list[Any](), 0
    with ThreadPoolExecutor(threads) as pool, write_whole(path) as part, part.open("wb") as file:
        for content, summary in _map_ahead(pool, encode, _read_chunks(volume, chunk), 2 * threads):
            summaries.append(summary)
            index.append((offset, len(content) + CRC_BYTES))
            offset += _append(content, file, digest)
            begin_writeback(file)
        offset += _append(np.array(index, INDEX_DTYPE).tobytes(), file, digest)
    return WrittenShard(offset, digest.hexdigest(), summaries)


def _read_chunks(volume: BandSource, chunk: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield the inner chunks of a volume in C order, one band in memory."""
    if isinstance(volume, CutVolume) and volume.chunks.shape[1:] == tuple(chunk):
        yield from volume.chunks
        return
    depth, height, width = chunk
    rows = height if count_joint_rows(volume) <= height else volume.shape[1]
    read = _cut_slabs if getattr(volume, "is_direct", False) else _cut_band
    for z, y in iterate_chunks(volume.shape[:2], (depth, rows)):
        yield from read(volume, z, y, (height, width))


def _cut_band(volume: BandSource, z: slice, y: slice, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Read a band at once, and yield its chunks as views."""
    band = volume[z, y]
    for top, left in itertools.product(range(0, band.shape[1], size[0]), range(0, band.shape[2], size[1])):
        yield band[:, top : top + size[0], left : left + size[1]]


def _cut_slabs(volume: BandSource, z: slice, y: slice, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Read a band in slabs, each copied into its chunks while it is in a core's cache."""
    height, width = size
    rows = np.dtype((np.void, width * volume.dtype.itemsize))  # NumPy copies a row of a chunk as one element, so faster
    down, across = (y.stop - y.start) // height, volume.shape[2] // width
    chunks = [np.empty((z.stop - z.start, *size), volume.dtype) for _ in range(down * across)]
    planes = max(1, SLAB_BYTES // ((y.stop - y.start) * across * rows.itemsize))
    for start in range(z.start, z.stop, planes):
        stop = min(start + planes, z.stop)
        slab = volume[start:stop, y].view(rows)
        for piece, (top, left) in zip(chunks, itertools.product(range(down), range(across)), strict=True):
            part = slab[:, top * height : (top + 1) * height, left : left + 1]
            piece.view(rows)[start - z.start : stop - z.start] = part
    yield from chunks


def find_fault(path: Path, chunks: int, size: int, digest: str) -> str | None:
    """Compare a shard with its record; return what is wrong with it, in words, or None.

    Parameters
    ----------
    path : Path, the shard
    chunks : int, inner chunks that it holds; the crc32c of each, and of the index, is checked
    size : int, bytes, as recorded
    digest : str, BLAKE3 in hexadecimal, as recorded
    """
    if not path.exists():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes where its record says {size}"
    if digest_blake3(path) != digest:
        return "differs from the digest in its record: it was damaged or changed on the disk"
    try:
        with path.open("rb") as file:
            for offset, length in read_index(file, chunks).tolist():
                read_chunk(file, offset, length)
    except ValueError as error:
        return str(error)
    return None


class Shard:
    """A shard as a `BandSource`: a volume and its inner chunks (z, y, x).

    ValueError, here or when a band is read, if what is needed of the file is damaged.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], chunk: tuple[int, ...], dtype: Any, codec: Codec) -> None:
        _check_division(shape, chunk)
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.chunk, self._path, self._codec = chunk, path, make_compressor(codec)
        self._grid = tuple(n // c for n, c in zip(shape, chunk, strict=True))
        with path.open("rb") as file:
            check_claim(file, math.prod(shape) * self.dtype.itemsize, math.prod(chunk) * self.dtype.itemsize)
            self._index = read_index(file, math.prod(self._grid))

    def __getitem__(self, region: tuple[slice, slice], /) -> np.ndarray:
        """Read and decode the chunks of a band."""
        spans = [slice(*s.indices(n)) for s, n in zip((*region, slice(None)), self.shape, strict=True)]
        band = np.empty([span.stop - span.start for span in spans], self.dtype)
        chunk = np.empty(self.chunk, self.dtype)
        chunk_ranges = (range(s.start // c, -(-s.stop // c)) for s, c in zip(spans, self.chunk, strict=True))
        with self._path.open("rb") as file:
            for corner in itertools.product(*chunk_ranges):
                place = [slice(i * c, (i + 1) * c) for i, c in zip(corner, self.chunk, strict=True)]
                lows = [max(span.start, p.start) for span, p in zip(spans, place, strict=True)]
                highs = [min(span.stop, p.stop) for span, p in zip(spans, place, strict=True)]
                self._decode(file, int(np.ravel_multi_index(corner, self._grid)), chunk)
                band[_shift(lows, highs, spans)] = chunk[_shift(lows, highs, place)]
        return band

    def decode_into(self, chunk: np.ndarray, number: int) -> None:
        """Read an inner chunk, by its number in C order, and decode it in the place of `chunk`."""
        with self._path.open("rb") as file:
            self._decode(file, number, chunk)

    def _decode(self, file: BinaryIO, number: int, chunk: np.ndarray) -> None:
        decode_chunk(self._codec, read_chunk(file, *self._index[number].tolist()), chunk)


def _shift(lows: Iterable[int], highs: Iterable[int], origin: Iterable[slice]) -> tuple[slice, ...]:
    """Return the region from `lows` to `highs`, counted from the first voxel of `origin`."""
    return tuple(slice(low - o.start, high - o.start) for low, high, o in zip(lows, highs, origin, strict=True))


def iterate_chunks(shape: tuple[int, ...], chunk: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield the regions of inner chunks in C order, the order of the shard's index; `chunk` must divide `shape`."""
    _check_division(shape, chunk)
    starts = (range(0, n, c) for n, c in zip(shape, chunk, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(slice(a, a + c) for a, c in zip(corner, chunk, strict=True))


def _check_division(shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    if any(n % c for n, c in zip(shape, chunk, strict=True)):
        raise ValueError(f"chunk {chunk} does not divide {shape}")


def _map_ahead(
    pool: ThreadPoolExecutor, function: Callable[[Item], T], items: Iterable[Item], ahead: int
) -> Iterator[T]:
    """Map in threads and in order; at most `ahead` items are computed beyond the one that is yielded."""
    futures: deque[Future[T]] = deque()
    for item in items:
        futures.append(pool.submit(function, item))
        if len(futures) > ahead:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def _append(content: bytes, file: BinaryIO, digest: blake3) -> int:
    """Write content and its crc32c, and return their size."""
    for piece in append_crc(content):
        file.write(piece)
        digest.update(piece)
    return len(content) + CRC_BYTES
