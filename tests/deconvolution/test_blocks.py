"""Blocks against the whole volume: the same pixels within the tolerance of the design, and no seam to be seen."""

from functools import cache
from math import prod

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.signal import fftconvolve

from lightsheet.deconvolution import blocks, padding
from lightsheet.deconvolution.engines import richardson_lucy
from lightsheet.simulation import optics, scene
from lightsheet.system.errors import InputError

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
MODEL = optics.model_image_psf(scene.CHANNELS[1], VOXEL)
NARROW = np.exp(-sum(o**2 / s**2 / 2 for o, s in zip(np.ogrid[-4:5, -6:7, -6:7], (0.8, 1.3, 1.3), strict=True)))
PSFS = {"microscope": MODEL, "narrow": NARROW, "hard-edged": np.full((5, 7, 7), 1 / 245, np.float32)}
SHAPE, BLOCK = (48, 56, 64), (24, 28, 32)
GREY_LEVEL = 1 / 4 / 255
"""Of the brightest voxel: one level of 8 bits at 4x contrast."""

lengths = st.integers(1, 40)
triples = st.tuples(lengths, lengths, lengths)


def photograph(psf: np.ndarray, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Points and stripes on a background of 5, peak 300, with the noise of photons and camera."""
    rng = np.random.default_rng(0)
    truth = np.zeros([n + k - 1 for n, k in zip(shape, psf.shape, strict=True)])
    lit = rng.random(truth.shape) < 0.005
    truth[lit] = rng.random(lit.sum()) ** 3
    truth += 0.02 * (np.sin(np.arange(truth.shape[2]) / 7) > 0)
    blurred = fftconvolve(truth, psf, mode="valid")
    photons = rng.poisson(np.maximum(blurred * 300 / blurred.max(), 0) + 5)
    return np.maximum(photons + rng.normal(0, 2, shape), 0).astype(np.float32)


@cache
def deconvolve_both(name: str, iterations: int, boundary: str) -> tuple[np.ndarray, np.ndarray]:
    """Deconvolve in 8 blocks, and whole."""
    psf = PSFS[name] / PSFS[name].sum()
    image = photograph(psf)

    def deconvolve(region: tuple[slice, ...]) -> np.ndarray:
        return richardson_lucy(image[region], psf, iterations=iterations, engine="cpu", boundary=boundary)

    cut = list(blocks.cut_blocks(image.shape, BLOCK, blocks.measure_halo(psf)))
    assert len(cut) == 8
    return blocks.assemble_blocks(deconvolve, cut, image.shape), deconvolve(())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("psf", "iterations", "boundary"),
    [
        ("microscope", 10, "extended"),
        ("narrow", 30, "extended"),
        ("hard-edged", 10, "extended"),
        ("microscope", 10, "replicate"),
    ],
)
def test_blocks_give_the_whole_volume(psf: str, iterations: int, boundary: str) -> None:
    """1e-3 is what issue 4 asks; no voxel may differ by a grey level of 8 bits at 4x contrast, or a line may be seen.

    Measured: 2e-6, 4e-6, 5e-5 and 8e-5. The last is ITK's frame, whose size depends on the block's, not the seams.
    """
    blocked, whole = deconvolve_both(psf, iterations, boundary)
    assert np.linalg.norm(blocked - whole) <= 1e-3 * np.linalg.norm(whole)
    assert np.abs(blocked - whole).max() < GREY_LEVEL * whole.max()


def test_no_step_at_a_seam() -> None:
    """Between the two planes at a seam the median step is no larger than between any others."""
    blocked, _ = deconvolve_both("microscope", 10, "extended")
    for axis, size in enumerate(BLOCK):
        others = tuple(other for other in range(3) if other != axis)
        steps = np.median(np.abs(np.diff(blocked, axis=axis)), axis=others)
        assert steps[size - 1] <= np.delete(steps, size - 1).max()


@pytest.mark.slow
def test_without_a_halo_the_seams_would_be_seen() -> None:
    image = photograph(MODEL)
    cut = list(blocks.cut_blocks(image.shape, BLOCK, (0, 0, 0)))
    result = blocks.assemble_blocks(
        lambda region: richardson_lucy(image[region], MODEL, iterations=10, engine="cpu"), cut, image.shape
    )
    _, whole = deconvolve_both("microscope", 10, "extended")
    assert np.abs(result - whole).max() > GREY_LEVEL * whole.max()


def test_the_halo_is_ten_widths() -> None:
    z, y, x = np.ogrid[-9:10, -12:13, -15:16]
    psf = np.exp(-(z**2) / 2 - y**2 / 8 - x**2 / 18)
    assert blocks.measure_halo(psf) == (
        10,
        20,
        30,
    )  # sums over integers give a Gaussian's width to 1e-8 and more; cut at 5
    assert blocks.measure_halo(np.ones((1, 1, 1))) == (0, 0, 0)
    delta = np.zeros((4, 4, 4))
    assert blocks.measure_halo(delta) == (0, 0, 0)
    delta[2, 2, 2] = 3
    assert blocks.measure_halo(delta) == (0, 0, 0)
    delta[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        blocks.measure_halo(delta)


@given(triples, triples, st.tuples(*[st.integers(0, 9)] * 3))
def test_cores_cover_the_volume_once_and_regions_are_alike(
    shape: tuple[int, ...], block: tuple[int, ...], margin: tuple[int, ...]
) -> None:
    places = np.arange(prod(shape)).reshape(shape)
    count = np.zeros(shape, int)
    regions = set()
    for core, region, inner in blocks.cut_blocks(shape, block, margin):
        count[core] += 1
        np.testing.assert_array_equal(places[region][inner], places[core])
        for n, h, c, r in zip(shape, margin, core, region, strict=True):
            assert 0 <= r.start <= max(0, c.start - h)
            assert min(n, c.stop + h) <= r.stop <= n
        regions.add(places[region].shape)
    assert (count == 1).all()
    assert len(regions) == 1


def test_one_block_is_not_copied() -> None:
    result = np.ones((2, 3, 4), np.float32)
    cut = list(blocks.cut_blocks(result.shape, (5, 5, 5), (1, 1, 1)))
    assert blocks.assemble_blocks(lambda region: result[region], cut, result.shape).base is result


@given(
    triples, triples, st.tuples(*[st.integers(0, 9)] * 3), st.tuples(*[st.integers(1, 9)] * 3), st.integers(1, 10**6)
)
def test_chosen_blocks_fit_and_are_whole_chunks(
    shape: tuple[int, ...], psf: tuple[int, ...], margin: tuple[int, ...], chunk: tuple[int, ...], budget: int
) -> None:
    def needs(block: tuple[int, ...]) -> int:
        return 4 * prod(padding.round_up_shape(n + k - 1 for n, k in zip(block, psf, strict=True)))

    limits = [blocks.MemoryLimit("the worker", budget, needs), blocks.MemoryLimit("the GPU", 2 * budget, needs)]
    try:
        block = blocks.choose_block_shape(shape, psf, margin, limits, chunk)
    except InputError:
        smallest = next(blocks.cut_blocks(shape, chunk, margin)).region
        assert needs(tuple(r.stop - r.start for r in smallest)) > budget
        return
    for _, region, _ in blocks.cut_blocks(shape, block, margin):
        assert needs(tuple(r.stop - r.start for r in region)) <= budget
    assert all(b == n or b % c == 0 for b, n, c in zip(block, shape, chunk, strict=True))
    assert (block == shape) == (needs(shape) <= budget)


def test_a_large_volume_takes_little_more_work_in_blocks() -> None:
    """The volume of issue 4 in 6 GB at 26 bytes a padded voxel: 16 blocks, 1.25 times as many voxels as whole."""
    shape, chunk, margin = (402, 2048, 2048), (67, 128, 128), blocks.measure_halo(MODEL)
    limit = blocks.MemoryLimit("the worker", 6 * 10**9, lambda block: 26 * prod(n + 32 for n in block))
    cut = list(blocks.cut_blocks(shape, blocks.choose_block_shape(shape, MODEL.shape, margin, [limit], chunk), margin))
    transformed = sum(prod(r.stop - r.start + 32 for r in region) for _, region, _ in cut)
    assert transformed <= 1.3 * prod(n + 32 for n in shape)


def test_what_does_not_fit_is_said_with_numbers() -> None:
    limits = [
        blocks.MemoryLimit("the worker", 10**9, lambda block: 10 * prod(block)),
        blocks.MemoryLimit("the GPU", 10**7, lambda block: 1000 * prod(block)),
    ]
    text = r"\(100, 100, 100\) voxels .* is \(42, 42, 42\) .*: the GPU has 0\.01 GB where that needs 0\.07 GB; give"
    with pytest.raises(InputError, match=text):
        blocks.choose_block_shape((100, 100, 100), (5, 5, 5), (5, 5, 5), limits)
