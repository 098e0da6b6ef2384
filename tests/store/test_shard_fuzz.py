"""Damaged shards: `fault` finds any damage; reading says which file to delete, or returns the true pixels.

`make fuzz` tries longer.
"""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from lightsheet.store import volumes
from lightsheet.store.paths import shard_path
from lightsheet.store.pyramid import Level
from lightsheet.store.shard import Shard, WrittenShard, find_fault, iterate_chunks, write_shard
from lightsheet.system import files
from lightsheet.system.errors import InputError
from tests.support import examples

SHAPE, CHUNK, CHUNKS = (4, 16, 24), (2, 8, 12), 8
PLACES = list(iterate_chunks(SHAPE, CHUNK))
PIXELS = np.random.default_rng(0).poisson(100, SHAPE).astype(np.uint16)
CODECS: dict[str, dict[str, Any]] = {
    "blosc zstd": {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "shuffle"}},
    "blosc lz4": {"name": "blosc", "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "bitshuffle"}},
    "zstd": {"name": "zstd"},
    "gzip": {"name": "gzip"},
}
MOST_MEMORY = 10e6
FUZZ = examples.take(3)

a_codec = st.sampled_from(list(CODECS))
a_chunk = st.integers(0, CHUNKS - 1)
a_damage = st.tuples(
    st.sampled_from(["flip", "write", "insert", "truncate", "extend"]),
    st.one_of(st.floats(0, 0.1), st.floats(0, 1, exclude_max=True)),  # where: often in the codec's header
    st.one_of(st.binary(min_size=1, max_size=1), st.binary(min_size=1, max_size=300)),
)
an_entry = st.tuples(
    a_chunk,
    st.integers(0, 1),
    st.one_of(st.integers(0, 2000), st.integers(0, 2**64 - 1), st.sampled_from([2**63 - 1, 2**63, 2**64 - 1])),
)


class Sound(NamedTuple):
    """A whole shard in a work area, and its inner chunks, each with its crc32c."""

    work: Path
    codec: dict[str, Any]
    record: WrittenShard
    content: bytes
    chunks: list[bytes]

    @property
    def path(self) -> Path:
        return shard_path(self.work, 0, (0,))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sound]:
    return {name: _write(tmp_path_factory.mktemp("work"), codec) for name, codec in CODECS.items()}


def _write(work: Path, codec: dict[str, Any]) -> Sound:
    layout = volumes.StoreLayout((Level(SHAPE, CHUNK, (1, 1, 1)),), "uint16", codec)
    [shard], _ = volumes.write_volume(work, 0, PIXELS, layout, 1)
    content = shard_path(work, 0, (0,)).read_bytes()
    index = np.frombuffer(content[-CHUNKS * 16 - 4 : -4], "<u8").reshape(CHUNKS, 2).tolist()
    chunks = [content[offset : offset + length] for offset, length in index]
    assert b"".join(chunks) + _index(chunks) == content
    return Sound(work, codec, WrittenShard(shard["bytes"], shard["blake3"], []), content, chunks)


def _index(chunks: list[bytes]) -> bytes:
    """Return the index of such chunks, one after the other."""
    lengths = [len(chunk) for chunk in chunks]
    return _with_crc(np.stack([np.cumsum([0, *lengths[:-1]]), lengths], axis=1).astype("<u8").tobytes())


def _with_crc(content: bytes) -> bytes:
    return content + int(google_crc32c.value(content)).to_bytes(4, "little")


def _damage(content: bytes, damages: list[tuple[str, float, bytes]]) -> bytes:
    for how, place, value in damages:
        at = int(place * len(content))
        before, after = content[:at], content[at:]
        match how:
            case "flip":
                content = before + bytes(byte ^ 1 << value[0] % 8 for byte in after[:1]) + after[1:]
            case "write":
                content = before + value[: len(after)] + after[len(value) :]
            case "insert":
                content = before + value + after
            case "truncate":
                content = before
            case "extend":
                content = content + value
    return content


@contextmanager
def _little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


def _read(sound: Sound, content: bytes) -> np.ndarray | None:
    """Read a damaged shard, None where that is refused, as it must be in words; its digest must give it away."""
    sound.path.write_bytes(content)
    assert find_fault(sound.path, CHUNKS, sound.record.bytes, sound.record.blake3)
    refusal: InputError
    with _little_memory():
        try:
            return volumes.read_volume(sound.work, 0)
        except InputError as error:
            refusal = error
        with pytest.raises(ValueError, match=r"^has an? "):
            Shard(sound.path, SHAPE, CHUNK, "uint16", sound.codec)[:, :]
    assert str(refusal).startswith(f"{sound.path} has a")
    assert "; run the same command again, and its volume is ingested anew" in str(refusal)
    return None


def _read_with(sound: Sound, place: int, chunk: bytes) -> np.ndarray | None:
    """Read a shard with another chunk in one place, whose crc is right, as is the index."""
    chunks = [*sound.chunks[:place], _with_crc(chunk), *sound.chunks[place + 1 :]]
    return _read(sound, b"".join(chunks) + _index(chunks))


@given(codec=a_codec, damages=st.lists(a_damage, min_size=1, max_size=4))
@FUZZ
def test_damaged_bytes_are_found_even_without_the_digest(sounds: dict[str, Sound], codec: str, damages: list) -> None:
    sound = sounds[codec]
    content = _damage(sound.content, damages)
    assume(content != sound.content)
    assert _read(sound, content) is None
    assert "damaged" in str(find_fault(sound.path, CHUNKS, len(content), files.digest_blake3(sound.path)))


@given(codec=a_codec, entries=st.lists(an_entry, min_size=1, max_size=4))
@FUZZ
def test_an_index_that_is_wrong_though_its_crc_is_right(sounds: dict[str, Sound], codec: str, entries: list) -> None:
    sound = sounds[codec]
    index = np.frombuffer(_index(sound.chunks)[:-4], "<u8").reshape(CHUNKS, 2).copy()
    for chunk, column, value in entries:
        index[chunk, column] = value
    content = b"".join(sound.chunks) + _with_crc(index.tobytes())
    assume(content != sound.content)
    assert _read(sound, content) is None


@given(
    codec=a_codec, place=a_chunk, garbage=st.none() | st.binary(max_size=600), damages=st.lists(a_damage, max_size=4)
)
@FUZZ
def test_garbage_with_a_right_crc_is_no_crash(
    sounds: dict[str, Sound], codec: str, place: int, garbage: bytes | None, damages: list
) -> None:
    """Such a chunk may even decode, to pixels that only the digest proves wrong; those of the others are true."""
    sound = sounds[codec]
    chunk = _damage(sound.chunks[place][:-4] if garbage is None else garbage, damages)
    assume(chunk != sound.chunks[place][:-4])
    read = _read_with(sound, place, chunk)
    if read is not None:
        read[PLACES[place]] = PIXELS[PLACES[place]]
        np.testing.assert_array_equal(read, PIXELS)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("planes", [1, 3])
def test_a_chunk_of_another_size_is_refused(tmp_path: Path, sounds: dict[str, Sound], codec: str, planes: int) -> None:
    """Codecs themselves accept a short one, and pixels of the chunk before it would show behind its own."""
    other = np.ones((planes, *CHUNK[1:]), np.uint16)
    write_shard(tmp_path / "other", other, other.shape, sounds[codec].codec, 1)
    assert _read_with(sounds[codec], 3, (tmp_path / "other").read_bytes()[: -4 - 16 - 4]) is None


@pytest.mark.parametrize("codec", ["blosc zstd", "blosc lz4"])
@pytest.mark.parametrize("at", [4, 12], ids=["decoded", "encoded"])
def test_sizes_that_blosc_would_trust_are_refused(sounds: dict[str, Sound], codec: str, at: int) -> None:
    chunk = sounds[codec].chunks[3][:-4]
    true = int.from_bytes(chunk[at : at + 4], "little")
    for claimed in (0, 1, 16, true - 1, true + 1, 2**31 - 1, 2**32 - 1):
        assert _read_with(sounds[codec], 3, chunk[:at] + claimed.to_bytes(4, "little") + chunk[at + 4 :]) is None


@pytest.mark.parametrize("value", [0x5555, 0xAAAA])
def test_the_bytes_that_mark_what_is_not_decoded_may_be_pixels(tmp_path: Path, value: int) -> None:
    write_shard(tmp_path / "a", np.full(SHAPE, value, np.uint16), CHUNK, {"name": "zstd"}, 1)
    assert (Shard(tmp_path / "a", SHAPE, CHUNK, "uint16", {"name": "zstd"})[:, :] == value).all()


@pytest.mark.slow
@given(codec=a_codec, order=st.permutations(range(CHUNKS)), index_too=st.booleans())
@FUZZ
def test_swapped_chunks_are_read_only_where_the_index_fits(
    sounds: dict[str, Sound], codec: str, order: list[int], index_too: bool
) -> None:
    """Only the digest sees whole chunks in others' places where the index fits: rewritten too, or of equal lengths."""
    sound = sounds[codec]
    chunks = [sound.chunks[place] for place in order]
    assume(chunks != sound.chunks)
    fits = index_too or _index(chunks) == _index(sound.chunks)
    read = _read(sound, b"".join(chunks) + _index(chunks if index_too else sound.chunks))
    assert (read is not None) == fits
    if read is not None:
        for place, origin in zip(PLACES, order, strict=True):
            np.testing.assert_array_equal(read[place], PIXELS[PLACES[origin]])
