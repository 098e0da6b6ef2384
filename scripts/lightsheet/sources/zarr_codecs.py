"""Bytes of a chunk to its voxels: with numcodecs, after the checks that its codecs leave to the caller.

What is damaged raises a `ValueError`. Blosc's decoder believes the sizes in its header, and Zstandard's takes as much
memory as the header says, so that both are compared with what a chunk must have first. Chunks whose codecs are not
read here go through zarr-python, see `zarr_chunks`.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import google_crc32c
import numpy as np

from lightsheet.sources.zarr_array import ArrayLayout, split_named

Array = np.ndarray[Any, np.dtype[Any]]
Decode = Callable[[bytes | memoryview], Array]

FAILURES = (RuntimeError, ValueError, EOFError, OSError, TypeError, KeyError, IndexError, OverflowError, zlib.error)
"""What codecs raise for bytes that are not theirs."""

KEEP_SIZE = ("numcodecs.shuffle", "shuffle")
"""Codecs behind which there are as many bytes as before."""

BYTES_CODECS = ("blosc", "gzip", "zstd", "crc32c", "zlib", "lz4", "lzma", "bz2", "lz4hc", "shuffle")
CHECKSUMS = ("crc32", "adler32", "fletcher32", "jenkins_lookup3")
"""Of numcodecs, whose codecs of bytes stand in version 3 with the prefix `numcodecs.`."""


def make_decoder(layout: ArrayLayout) -> Decode | None:
    """Make what decodes a file of an array that is not sharded; None where one of its codecs is not read here."""
    if layout.version == 2:
        return _make_decoder_v2(layout)
    return make_pipeline(layout.codecs, layout.chunk, layout.dtype)


def _make_decoder_v2(layout: ArrayLayout) -> Decode:
    size = math.prod(layout.chunk) * layout.dtype.itemsize
    names = [str(codec["id"]) for codec in layout.codecs]
    is_sized = all(name in KEEP_SIZE for name in names[:-1])
    steps = [_make_step(str(codec["id"]), codec, size if is_sized else None) for codec in reversed(layout.codecs)]

    def decode(content: bytes | memoryview) -> Array:
        data: Any = content
        for step in steps:
            data = step(data)
        return _shape_voxels(data, layout.dtype, layout.chunk, layout.order)

    return decode


def make_pipeline(codecs: Sequence[Mapping[str, Any]], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Decode | None:
    """Make what decodes a chunk of version 3 by its codecs, as they encoded it; None where one is not read here."""
    parts = [split_named(codec) for codec in codecs]
    orders = _take_orders(parts, len(shape))
    if orders is None or not parts or parts[0][0] != "bytes":
        return None
    for order in orders:
        shape = tuple(shape[axis] for axis in order)
    endian = parts.pop(0)[1].get("endian", "little")
    if endian not in ("little", "big"):
        return None
    stored_dtype = dtype.newbyteorder("<" if endian == "little" else ">")
    steps = _make_steps(parts, math.prod(shape) * dtype.itemsize)
    if steps is None:
        return None

    def decode(content: bytes | memoryview) -> Array:
        data: Any = content
        for step in steps:
            data = step(data)
        voxels = _shape_voxels(data, stored_dtype, shape, "C")
        for order in reversed(orders):
            voxels = voxels.transpose(np.argsort(order))
        return voxels

    return decode


def _take_orders(parts: list[tuple[str, Mapping[str, Any]]], axes: int) -> list[tuple[int, ...]] | None:
    """Take off the transpositions with which the codecs begin; None where one is no order of so many axes."""
    orders: list[tuple[int, ...]] = []
    while parts and parts[0][0] == "transpose":
        order = parts.pop(0)[1]["order"]
        if not isinstance(order, list) or sorted(order) != list(range(axes)):
            return None
        orders.append(tuple(order))
    return orders


def _make_steps(parts: Sequence[tuple[str, Mapping[str, Any]]], size: int) -> list[Callable[[Any], Any]] | None:
    """Make what decodes bytes to the `size` of a chunk's, the last codec first; None where one is not read here."""
    steps: list[Callable[[Any], Any]] = []
    for index, (name, settings) in enumerate(parts):
        short = name.removeprefix("numcodecs.")
        if short not in (*BYTES_CODECS, *CHECKSUMS):
            return None
        is_sized = all(previous in KEEP_SIZE for previous, _ in parts[:index])
        steps.insert(0, _make_step(short, {"id": short, **settings}, size if is_sized else None))
    return steps


def _shape_voxels(data: Any, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any) -> Array:
    """See decoded bytes as voxels; they must be as many as the chunk has."""
    if isinstance(data, np.ndarray):
        data = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    size = math.prod(shape) * dtype.itemsize
    if (count := memoryview(data).nbytes) != size:
        raise ValueError(f"it has {count} bytes of voxels instead of {size}")
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _make_step(name: str, settings: Mapping[str, Any], size: int | None) -> Callable[[Any], Any]:
    """Make what one codec does to bytes; `size` of what comes out, if it is known."""
    match name:
        case "crc32c" if "location" not in settings:
            return _strip_crc
        case "gzip" | "zlib" if size is not None:
            return lambda content: _inflate(content, 31 if name == "gzip" else 15, size)
        case "zstd" if size is not None:
            return lambda content: _decode_zstd(content, size)
    settings = {key: value for key, value in settings.items() if not (name == "blosc" and key == "typesize")}
    if name == "blosc" and isinstance(settings.get("shuffle"), str):
        settings["shuffle"] = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}[settings["shuffle"]]
    if name == "zstd":
        settings.pop("checksum", None)
    codec = import_module("numcodecs").get_codec({**settings, "id": name})
    return (lambda content: _decode_blosc(codec, content, size)) if name == "blosc" else codec.decode


def _decode_zstd(content: Any, size: int) -> Any:
    zstd = import_module("imagecodecs")  # here, because shards are looked at when the Snakefile is parsed
    data = zstd.zstd_decode(bytes(content), out=size + 1)  # one more, to see if there is more
    if len(data) != size:
        raise ValueError(f"it has {len(data)} bytes instead of {size}")
    return data


def _decode_blosc(codec: Any, content: Any, size: int | None) -> Any:
    content = bytes(content)
    decoded_bytes, _, encoded_bytes = np.frombuffer(content[4:16].ljust(12, b"\0"), "<u4").tolist()
    if encoded_bytes != len(content) or (size is not None and decoded_bytes != size):
        raise ValueError(
            f"Blosc's header has sizes {decoded_bytes} and {encoded_bytes}, but it is {size} in {len(content)} bytes"
        )
    return codec.decode(content)


def _inflate(content: Any, bits: int, size: int) -> bytes:
    """Decompress zlib or gzip, one member behind the other; its checksum is compared at the end of each."""
    rest, parts, bytes_left = bytes(content), list[bytes](), size
    while rest:
        inflater = zlib.decompressobj(bits)
        parts.append(inflater.decompress(rest, bytes_left + 1))
        bytes_left -= len(parts[-1])
        if bytes_left < 0 or not inflater.eof:
            raise ValueError("it is cut off" if bytes_left >= 0 else f"it has more than {size} bytes")
        rest = inflater.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _strip_crc(content: Any) -> memoryview:
    """Return what is before a crc32c, which must be right."""
    body, crc = memoryview(content)[:-4], bytes(memoryview(content)[-4:])
    if int(google_crc32c.value(bytes(body))) != int.from_bytes(crc, "little"):
        raise ValueError("its checksum differs")
    return body
