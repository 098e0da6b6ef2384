"""Damaged TIFF files: an error that names the file, another shape or dtype (which ingest refuses), or the true pixels.

`make fuzz` tries longer.
"""

import itertools
import tracemalloc
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile
from hypothesis import given, strategies as st

from lightsheet.sources import tiff_stack
from lightsheet.system.errors import InputError
from tests.support import examples

VOLUME = np.random.default_rng(0).integers(0, 4000, (5, 12, 20)).astype(np.uint16)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "BigTIFF": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "big-endian BigTIFF": {"byteorder": ">", "bigtiff": True},
    "ImageJ": {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 0.3}},
    "OME": {"ome": True, "metadata": {"axes": "ZYX"}},
    "strips": {"rowsperstrip": 5},
    "tiles": {"tile": (16, 16)},
    "zlib with predictor": {"compression": "zlib", "predictor": True},
    "LZW": {"compression": "lzw", "rowsperstrip": 5},
    "zstd": {"compression": "zstd"},
    "zlib tiles": {"compression": "zlib", "tile": (16, 16)},
    "one page for all": {"imagej": True, "truncate": True},
    "a series a page": {"contiguous": False},
}
ORDER = {"write": 3, "flip": 3, "insert": 2, "truncate": 1}
"""What is done first; insertions from the end of the file on, so that places stay what they were."""
MOST_MEMORY = 100e6
NUMBERS = itertools.count()
FUZZ = examples.take(5)


class Sound(NamedTuple):
    """A whole file, and which of its bytes are pixels."""

    content: bytes
    pixels: np.ndarray


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def sound(folder: Path) -> dict[str, Sound]:
    return {name: _write(folder / "sound.tif", **way) for name, way in WAYS.items()}


def _write(path: Path, contiguous: bool = True, bigtiff: bool = False, **way: Any) -> Sound:
    how = {key: way.pop(key) for key in ("imagej", "ome", "byteorder") if key in way}
    with tifffile.TiffWriter(path, bigtiff=bigtiff, **how) as file:
        for part in [VOLUME] if contiguous else VOLUME:
            file.write(part, contiguous=contiguous, align=2, **way)  # no unused bytes beside the pixels
    pixels = np.zeros(path.stat().st_size, bool)
    with tifffile.TiffFile(path) as file:
        for page in file.pages:
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                pixels[offset : offset + (VOLUME.nbytes if "truncate" in way else count)] = True
    return Sound(path.read_bytes(), pixels)


@st.composite
def damages(draw: st.DrawFn) -> list[tuple[str, float, bytes]]:
    """Up to four: what is done, where (a fraction), and the bytes that are written or inserted."""
    one = st.tuples(
        st.sampled_from(["write", "flip", "insert", "truncate"]),
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.binary(min_size=1, max_size=1), st.binary(min_size=1, max_size=12)),
    )
    return draw(st.lists(one, min_size=1, max_size=4))


def _damage(sound: Sound, damages: list[tuple[str, float, bytes]]) -> bytes:
    """Damage what is not pixels; bytes are inserted only where headers follow the pixels that they push along."""
    damaged, headers = bytearray(sound.content), np.flatnonzero(~sound.pixels)
    for how, place, value in sorted(damages, reverse=True, key=lambda damage: (ORDER[damage[0]], damage[1])):
        at = int(headers[int(place * len(headers))])
        if how == "truncate":
            del damaged[int(place * len(damaged)) :]
        elif how == "insert" and sound.pixels[at : headers[-1]].any():
            damaged[at:at] = value
        elif how != "insert":
            for byte, old in enumerate(value, start=at):
                if byte in headers:
                    damaged[byte] = damaged[byte] ^ 1 << old % 8 if how == "flip" else old
    return bytes(damaged)


def _read(path: Path) -> np.ndarray | InputError:
    """Read a file, with the error if it says one, and in bounded memory."""
    tracemalloc.start()
    try:
        return tiff_stack.read_stack(path)
    except InputError as error:
        return error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MOST_MEMORY


def _check(folder: Path, content: bytes, *, pixels_too: bool = True) -> None:
    path = folder / f"damaged{next(NUMBERS)}.tif"  # a new name, as headers are remembered
    path.write_bytes(content)
    read = _read(path)
    path.unlink()
    if isinstance(read, InputError):
        assert path.name in str(read)
    elif (read.shape, read.dtype) == (VOLUME.shape, VOLUME.dtype) and pixels_too:
        np.testing.assert_array_equal(read, VOLUME)


@given(way=st.sampled_from(list(WAYS)), damages=damages())
@FUZZ
def test_damaged_headers_are_never_read_as_others(
    folder: Path, sound: dict[str, Sound], way: str, damages: list[tuple[str, float, bytes]]
) -> None:
    _check(folder, _damage(sound[way], damages))


@given(
    way=st.sampled_from([name for name, way in WAYS.items() if "compression" in way]),
    place=st.floats(0, 1, exclude_max=True),
    value=st.binary(min_size=1, max_size=8),
)
@FUZZ
def test_damaged_compressed_pixels_are_never_read_as_others(
    folder: Path, sound: dict[str, Sound], way: str, place: float, value: bytes
) -> None:
    whole = sound[way]
    pixels = np.flatnonzero(whole.pixels)
    at = int(pixels[int(place * len(pixels))])
    inside = pixels[(pixels >= at) & (pixels < at + len(value))]
    content = np.frombuffer(whole.content, np.uint8).copy()
    content[inside] = np.frombuffer(value, np.uint8)[inside - at]
    _check(folder, content.tobytes(), pixels_too=way.startswith("zlib"))
