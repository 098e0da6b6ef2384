import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lightsheet.store import pyramid

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
sizes = st.integers(1, 300)


def test_the_reference_volume_has_the_levels_and_chunks_of_the_design() -> None:
    levels = pyramid.plan_levels((201, 1024, 768), VOXEL)
    assert [level.shape for level in levels] == [(201, 1024, 768), (201, 512, 384), (101, 256, 192), (51, 128, 96)]
    assert [level.factor for level in levels] == [(1, 1, 1), (1, 2, 2), (2, 4, 4), (4, 8, 8)]
    assert levels[0].chunk == (67, 128, 128)


def test_an_isotropic_volume_shrinks_along_every_axis() -> None:
    levels = pyramid.plan_levels((256, 256, 256), {"z": 0.1, "y": 0.1, "x": 0.1})
    assert [level.shape for level in levels] == [(256,) * 3, (128,) * 3]


@given(st.tuples(sizes, sizes, sizes))
def test_chunks_divide_every_level_and_levels_cover_the_volume(shape: tuple[int, int, int]) -> None:
    levels = pyramid.plan_levels(shape, VOXEL)
    assert max(levels[-1].shape) <= pyramid.COARSEST
    for level in levels:
        assert all(n % c == 0 for n, c in zip(level.shape, level.chunk, strict=True))
        assert all(n * f >= whole > (n - 1) * f for n, f, whole in zip(level.shape, level.factor, shape, strict=True))


def test_a_large_prime_volume_gets_chunks_of_bounded_size() -> None:
    assert math.prod(pyramid.choose_chunk((211, 1021, 1019))) <= 4 * math.prod(pyramid.CHUNK_GOAL)


@given(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[st.sampled_from([1, 2])] * 3),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.integers(0, 2**32 - 1),
)
def test_downsampling_is_the_mean_of_blocks(
    shape: tuple[int, ...], step: tuple[int, int, int], dtype: type, seed: int
) -> None:
    volume = np.random.default_rng(seed).integers(0, 255, shape).astype(dtype)
    padded = np.pad(volume.astype(np.float64), [(0, -n % s) for n, s in zip(shape, step, strict=True)], "edge")
    split = padded.reshape([m for n, s in zip(padded.shape, step, strict=True) for m in (n // s, s)])
    expected = split.mean(axis=(1, 3, 5))
    got = pyramid.downsample(volume, step)
    assert got.dtype == dtype
    # integers are rounded to the nearest, and float32 holds these means exactly
    np.testing.assert_allclose(got, expected, atol=0 if dtype is np.float32 else 0.5)


def test_downsampling_does_not_overflow() -> None:
    for dtype in (np.uint16, np.int32, np.uint32):
        largest = np.iinfo(dtype).max
        assert pyramid.downsample(np.full((2, 2, 2), largest, dtype), (2, 2, 2)) == np.array([[[largest]]])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 600, 600), (300, 1, 1)])
def test_flat_volumes_have_a_pyramid(shape: tuple[int, int, int]) -> None:
    assert max(pyramid.plan_levels(shape, VOXEL)[-1].shape) <= pyramid.COARSEST
