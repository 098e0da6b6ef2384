"""The bytes of a Zarr v3 shard file: encoded chunks with their checksums, and the index at the end.

A damaged file always raises a `ValueError`: no byte reaches a codec before its crc32c is checked.
"""

import os
import zlib
from typing import Any, BinaryIO

import google_crc32c
import numcodecs
import numpy as np

Codec = dict[str, Any]
"""A Zarr v3 codec: `name` (blosc, zstd or gzip) and `configuration`."""

DEFAULTS: dict[str, dict[str, Any]] = {
    # With Zstandard, Blosc's own choice of block is 32 kB: half as fast, both ways, and float32 a fifth larger.
    "blosc": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle", "blocksize": 1 << 19},
    "zstd": {"level": 1},
    "gzip": {"level": 5},
}
"""Settings that a codec's configuration may leave out."""

CRC_BYTES = 4

CRC_OF_CRC = 0x48674BC7
"""The crc32c of any content with its own crc32c behind it; with four other bytes behind it, content has another one."""

INDEX_DTYPE = np.dtype("<u8")
LEAST_CHUNK = CRC_BYTES + 1
"""Bytes of an inner chunk with its checksum: no codec makes nothing of something."""

CHUNK_MARGIN = 1000
"""Bytes that a codec, the checksum and the place in the index may add to what cannot be compressed."""

MOST_EXPANSION = 1 << 16
"""A volume has at most so many times the bytes of its shard: Zstandard, the densest, stores 128 KiB in 4 bytes."""

MOST_CHUNK_BYTES = 2**31 - 1
"""Blosc's own limit."""

MOST_CHUNKS = 1 << 22
"""More than ten times what `choose_chunk` makes of a volume of 2 TB."""


def complete_codec(codec: Codec) -> Codec:
    """Fill in the defaults of a codec's configuration, because a shard's metadata must name all its settings."""
    return {"name": codec["name"], "configuration": {**DEFAULTS[codec["name"]], **codec.get("configuration", {})}}


def make_compressor(codec: Codec) -> Any:
    """Translate a Zarr v3 codec to numcodecs, whose Blosc takes the item size from the array."""
    settings = complete_codec(codec)["configuration"]
    match codec["name"]:
        case "blosc":
            shuffles = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
            shuffle = shuffles[settings["shuffle"]]
            return numcodecs.Blosc(settings["cname"], settings["clevel"], shuffle, settings["blocksize"])
        case "zstd":
            return numcodecs.Zstd(level=settings["level"])
        case _:
            return numcodecs.GZip(level=settings["level"])


def append_crc(content: bytes) -> tuple[bytes, bytes]:
    """Return content and the crc32c that follows it in the file."""
    return content, int(google_crc32c.value(content)).to_bytes(CRC_BYTES, "little")


def check_claim(file: BinaryIO, volume: int, chunk: int) -> None:
    """Refuse a shard that is too small for a volume of so many bytes, or too large, before memory is taken for it."""
    size = os.fstat(file.fileno()).st_size
    chunks = volume // chunk
    is_normal = chunk <= MOST_CHUNK_BYTES and chunks <= MOST_CHUNKS
    if not (is_normal and volume // MOST_EXPANSION <= size <= 2 * volume + CHUNK_MARGIN * chunks):
        raise ValueError(f"has a size, {size} bytes, that no volume as its zarr.json describes it comes to")


def read_index(file: BinaryIO, chunks: int) -> np.ndarray:
    """Return offset and length of every inner chunk; chunks follow one another from the first byte without gaps."""
    length = chunks * 2 * INDEX_DTYPE.itemsize + CRC_BYTES
    start = os.fstat(file.fileno()).st_size - length
    content = _strip_crc(os.pread(file.fileno(), length, start)) if start >= chunks * LEAST_CHUNK else None
    if content is not None:
        index = np.frombuffer(content, INDEX_DTYPE).reshape(chunks, 2)
        offsets, lengths = index.T
        if (index <= start).all() and (lengths >= LEAST_CHUNK).all():  # or the sums might overflow
            ends = np.append(offsets[1:], np.array(start, INDEX_DTYPE))
            if offsets[0] == 0 and (offsets + lengths == ends).all():
                return index
    raise ValueError("has a damaged shard index")


def read_chunk(file: BinaryIO, offset: int, length: int) -> memoryview:
    """Return an inner chunk, encoded."""
    content = _strip_crc(os.pread(file.fileno(), length, offset))
    if content is None:
        raise ValueError(f"has a damaged inner chunk at byte {offset}")
    return content


def decode_chunk(codec: Any, content: memoryview, chunk: np.ndarray) -> None:
    """Decode an inner chunk into all of `chunk`; where it is too short, codecs would leave the rest as it was."""
    if isinstance(codec, numcodecs.Blosc):  # it trusts the sizes in the header and would run beyond buffers
        decoded_bytes, _, encoded_bytes = np.frombuffer(bytes(content[4:16]).ljust(12, b"\0"), "<u4").tolist()
        if (decoded_bytes, encoded_bytes) != (chunk.nbytes, len(content)):
            raise ValueError("has an inner chunk of another size")
    out = chunk.reshape(-1).view(np.uint8)
    try:
        for mark in (0x55, 0xAA):  # two marks, because the last byte may truly have the value of one
            out[-1] = mark
            codec.decode(content, out)
            if out[-1] != mark:
                return
    except (RuntimeError, ValueError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"has an inner chunk that {codec.codec_id} cannot decode") from error
    raise ValueError("has an inner chunk of another size")


def _strip_crc(content: bytes) -> memoryview | None:
    """Return the content before the crc32c, or None if the checksum differs.

    It is not cut out to be digested, which would be a copy of it.
    """
    if len(content) < LEAST_CHUNK or google_crc32c.value(content) != CRC_OF_CRC:
        return None
    return memoryview(content)[:-CRC_BYTES]
