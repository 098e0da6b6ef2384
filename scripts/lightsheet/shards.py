"""One Zarr v3 shard file: a volume at one pyramid level, written whole or not at all, and proven whole.

zarr-python holds an encoded shard in memory, does not flush it to disk and gives no digest; here inner chunks
are encoded in threads and appended in C order, so that memory stays small and equal volumes give equal bytes.
The format is that of the Zarr v3 `sharding_indexed` codec, index at the end; zarr-python reads it back in tests.
"""

import hashlib
import itertools
import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import google_crc32c
import numcodecs
import numpy as np

from lightsheet import files

Codec = dict[str, Any]
"""A Zarr v3 codec: `name` (blosc, zstd or gzip) and `configuration`."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "blosc": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"},
    "zstd": {"level": 1},
    "gzip": {"level": 5},
}
"""What a codec's configuration may leave out."""

CRC_BYTES = 4
INDEX_DTYPE = np.dtype("<u8")


def write(path: Path, volume: np.ndarray, chunk: tuple[int, ...], codec: Codec, threads: int) -> dict[str, Any]:
    """Write a volume as one shard.

    Parameters
    ----------
    path : Path
        The shard's file; an older one is removed first, so that no reader takes it for the new volume.
    volume : numpy.ndarray
        (z, y, x), any dtype that Zarr stores.
    chunk : tuple of int
        Inner chunk (z, y, x); it divides the volume's shape.
    codec : dict
        How inner chunks are compressed; each is followed by its crc32c.
    threads : int
        How many chunks are encoded at a time.

    Returns
    -------
    dict
        `bytes` and `sha256` of the file.
    """
    path.unlink(missing_ok=True)
    encode = _encoder(codec)
    digest = hashlib.sha256()
    index: list[tuple[int, int]] = []
    offset = 0
    with files.atomic(path) as part, part.open("wb") as file:
        for encoded in _in_threads(partial(_encode, volume, encode), slices(volume.shape, chunk), threads):
            file.write(encoded)
            digest.update(encoded)
            index.append((offset, len(encoded)))
            offset += len(encoded)
        tail = _with_crc(np.array(index, INDEX_DTYPE).tobytes())
        file.write(tail)
        digest.update(tail)
    return {"bytes": offset + len(tail), "sha256": digest.hexdigest()}


def complete(codec: Codec) -> Codec:
    """Fill in what a codec's configuration leaves out: shards are encoded so, and their metadata must say so."""
    return {"name": codec["name"], "configuration": {**DEFAULTS[codec["name"]], **codec.get("configuration", {})}}


def fault(path: Path, chunks: int, size: int, sha256: str) -> str | None:
    """Compare a shard with its record: size, digest, and the crc32c of every inner chunk and of the index.

    Parameters
    ----------
    path : Path
        The shard's file.
    chunks : int
        How many inner chunks it holds.
    size : int
        Its size in bytes, as recorded.
    sha256 : str
        Its digest, as recorded.

    Returns
    -------
    str or None
        What is wrong with it, in words, or None.
    """
    if not path.exists():
        return "is missing"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes where its record says {size}"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if hashlib.sha256(content).hexdigest() != sha256:
            return "differs from the digest in its record: it was damaged or changed on the disk"
        with memoryview(content) as view:
            return _fault_in_chunks(view, chunks)


def _fault_in_chunks(view: memoryview, chunks: int) -> str | None:
    """Check the crc32c of the index and of every inner chunk."""
    tail = chunks * 2 * INDEX_DTYPE.itemsize + CRC_BYTES
    if len(view) < tail or not _crc_fits(view[-tail:]):
        return "has a damaged shard index"
    for offset, length in np.frombuffer(view[-tail:-CRC_BYTES], INDEX_DTYPE).reshape(chunks, 2).tolist():
        if not _crc_fits(view[offset : offset + length]):
            return f"has a damaged inner chunk at byte {offset}"
    return None


def slices(shape: tuple[int, ...], chunk: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield where inner chunks lie, in C order, the order of the shard's index; `chunk` divides `shape`."""
    if any(n % c for n, c in zip(shape, chunk, strict=True)):
        raise ValueError(f"chunk {chunk} does not divide {shape}")
    starts = (range(0, n, c) for n, c in zip(shape, chunk, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(slice(a, a + c) for a, c in zip(corner, chunk, strict=True))


def _encode(volume: np.ndarray, encode: Callable[[np.ndarray], bytes], where: tuple[slice, ...]) -> bytes:
    return _with_crc(encode(np.ascontiguousarray(volume[where])))


def _in_threads(function: Callable[[Any], bytes], items: Iterable[Any], threads: int) -> Iterator[bytes]:
    """Map in threads, in order, with never more than two results a thread waiting."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[bytes]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _encoder(codec: Codec) -> Callable[[np.ndarray], bytes]:
    """Translate a Zarr v3 codec to numcodecs, whose Blosc tells the item size from the array."""
    settings = complete(codec)["configuration"]
    match codec["name"]:
        case "blosc":
            shuffles = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
            compressor = numcodecs.Blosc(settings["cname"], settings["clevel"], shuffles[settings["shuffle"]])
        case "zstd":
            compressor = numcodecs.Zstd(level=settings["level"])
        case _:
            compressor = numcodecs.GZip(level=settings["level"])
    return lambda chunk: bytes(compressor.encode(chunk))


def _with_crc(content: bytes) -> bytes:
    return content + int(google_crc32c.value(content)).to_bytes(CRC_BYTES, "little")


def _crc_fits(content: memoryview) -> bool:
    return int(google_crc32c.value(bytes(content[:-CRC_BYTES]))) == int.from_bytes(content[-CRC_BYTES:], "little")
