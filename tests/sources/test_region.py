"""A part of a mosaic is read like a slice of the whole, whatever lies where."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from blake3 import blake3
from hypothesis import given, strategies

from lightsheet.sources import Tiles, digest_pixels, digest_sources, open_mosaic
from tests.support import examples

GRID, TILE = (2, 1, 2), (3, 8, 5)
SHAPE = tuple(n * count for n, count in zip(TILE, GRID, strict=True))


@pytest.fixture(scope="module", params=["plain", "compressed"])
def tiles(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Tiles, np.ndarray]:
    folder = tmp_path_factory.mktemp("tiles")
    volume = np.random.default_rng(3).integers(0, 1000, SHAPE).astype(np.uint16)
    options = {"compression": "zlib", "rowsperstrip": 3} if request.param == "compressed" else {}
    tiles = []
    for place in itertools.product(*map(range, GRID)):
        region = tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, TILE, strict=True))
        path = folder / "_".join(map(str, place))
        tifffile.imwrite(path, volume[region], photometric="minisblack", **options)
        tiles.append((place, [(str(path), None)]))
    return tiles, volume


def spans() -> strategies.SearchStrategy[list[list[int]]]:
    axes = [strategies.tuples(strategies.integers(0, n - 1), strategies.integers(1, n)) for n in SHAPE]
    return strategies.tuples(*axes).map(
        lambda pairs: [[min(a, b - 1), max(a + 1, b), n] for (a, b), n in zip(pairs, SHAPE, strict=True)]
    )


@examples.take(2)
@given(region=spans(), data=strategies.data())
def test_a_part_is_the_slice(
    tiles: tuple[Tiles, np.ndarray], region: list[list[int]], data: strategies.DataObject
) -> None:
    source, volume = tiles
    part = volume[tuple(slice(a, b) for a, b, _ in region)]
    z, y = (sorted(data.draw(strategies.tuples(*[strategies.integers(0, n)] * 2))) for n in part.shape[:2])
    with open_mosaic(source, part.shape, "uint16", region) as view:
        assert view.shape == part.shape
        np.testing.assert_array_equal(view[:, :], part)
        np.testing.assert_array_equal(view[slice(*z), slice(*y)], part[slice(*z), slice(*y)])
    assert digest_pixels(part, source, region) == digest_sources(source, part.shape, "uint16", region)


def test_the_digest_of_a_part_is_that_of_its_pixels(tiles: tuple[Tiles, np.ndarray]) -> None:
    source, volume = tiles
    digests = digest_sources(source, (2, 8, 3), "uint16", [[0, 2, 6], [0, 8, 8], [1, 4, 10]])
    empty = blake3().hexdigest()
    assert digests == [blake3(volume[0:2, :, 1:4].tobytes()).hexdigest(), empty, empty, empty]


def test_only_rows_of_the_part_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.arange(20 * 32 * 16, dtype=np.uint16).reshape(20, 32, 16), photometric="minisblack")
    read = []
    preadv = os.preadv

    def count(handle: int, buffers: list[memoryview], place: int) -> int:
        read.append(sum(len(buffer) for buffer in buffers))
        result: int = preadv(handle, buffers, place)
        return result

    monkeypatch.setattr("os.preadv", count)
    region = [[4, 8, 20], [10, 14, 32], [3, 9, 16]]
    with open_mosaic([((0, 0, 0), [(str(path), None)])], (4, 4, 6), "uint16", region) as part:
        assert part[:, :].shape == (4, 4, 6)
    assert sum(read) == 4 * 4 * 16 * 2
