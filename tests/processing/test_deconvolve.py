from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from lightsheet.deconvolution import engines, gpu_memory
from lightsheet.deconvolution.method import Method
from lightsheet.processing import memory as memory_module
from lightsheet.processing.deconvolve import deconvolve_pixels, deconvolve_volume
from lightsheet.processing.memory import PROCESS_BYTES, choose_volume_blocks, estimate_memory
from lightsheet.store import pyramid, records, round_last_bits
from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.volumes import StoreLayout, read_volume, write_volume
from lightsheet.system import read_json
from lightsheet.system.errors import InputError
from tests.support.families import parametrize

SHAPE = (6, 20, 18)
VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}
CODEC = {"name": "zstd"}
VOLUME = np.random.default_rng(0).poisson(120, SHAPE).astype(np.uint16)
RAW = StoreLayout.plan(SHAPE, VOXEL, "uint16", CODEC)
RESULT = StoreLayout.plan(SHAPE, VOXEL, "float32", CODEC)
SETTINGS: dict[str, Any] = {
    "engine": "cpu",
    "iterations": 2,
    "boundary": "replicate",
    "acceleration": "none",
    "background": 100,
    "dtype": "float32",
    "scale": 1,
}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """One raw volume, ingested."""
    results = Results(tmp_path / "results" / "a")
    write_volume(results.work("raw", "ch0"), 0, VOLUME, RAW, 2)
    return results


def run(results: Results, psf: Path, memory: int | None = None, **changes: Any) -> records.Record:
    settings = {**SETTINGS, **changes}
    layout = StoreLayout.plan(SHAPE, VOXEL, settings["dtype"], CODEC)
    inputs = {"settings": settings, "memory": memory}
    return deconvolve_volume(results, VolumeKey("result", "ch0", 0), psf, settings, layout, inputs, 2, memory)


@pytest.fixture
def psf(tmp_path: Path) -> Path:
    z, y, x = np.ogrid[-1:2, -2:3, -2:3]
    path = tmp_path / "psf.tif"
    kernel = np.exp(-(z**2) - (y**2 + x**2) / 2).astype(np.float32)
    tifffile.imwrite(path, kernel, photometric="minisblack")
    return path


def test_deconvolve_stores_what_the_engine_returns(results: Results, psf: Path) -> None:
    record = run(results, psf)
    image = np.clip(VOLUME.astype(np.float32) - 100, 0, None)
    expected = engines.richardson_lucy(image, tifffile.imread(psf), iterations=2, engine="cpu", boundary="replicate")
    np.testing.assert_array_equal(read_volume(results.work("result", "ch0"), 0), expected)
    assert record["statistics"]["flux_before"] == pytest.approx(image.sum(), rel=1e-6)
    assert record["statistics"]["negative_voxels"] == np.count_nonzero(VOLUME < 100)
    assert record == read_json(results.record(VolumeKey("result", "ch0", 0)))


def test_a_volume_that_is_done_already_is_left_alone(results: Results, psf: Path) -> None:
    record = run(results, psf)
    place = results.shard(VolumeKey("result", "ch0", 0), 0)
    before = place.stat().st_mtime_ns
    assert run(results, psf) == record
    assert place.stat().st_mtime_ns == before
    run(results, psf, iterations=3)
    assert place.stat().st_mtime_ns != before


@pytest.mark.parametrize(
    ("engine", "acceleration", "measured"),
    [
        *(("cpu", "none", 13.6), ("cpu", "heavy-ball", 17.6), ("cpu", "biggs", 21.6)),
        *(("cpu-sweeps", "none", 16.3), ("cpu-sweeps", "biggs", 20.8), ("itk", "none", 90.6)),
    ],
)
def test_more_memory_is_asked_for_than_is_needed(engine: str, acceleration: str, measured: float) -> None:
    """Bytes per padded voxel are those of benchmarks/results/memory.md, the most of both boundaries."""
    reference = estimate_memory((201, 1024, 768), (34, 64, 64), engine, acceleration)
    needed = measured * 240 * 1080 * 840 + 6 * 201 * 1024 * 768
    assert needed < reference < 1.6 * needed


def test_uint16_is_scaled_rounded_and_clipped_with_a_count(results: Results, psf: Path) -> None:
    run(results, psf)
    exact = read_volume(results.work("result", "ch0"), 0)
    scale = 2 * 65535 / float(exact.max())
    record = run(results, psf, dtype="uint16", scale=scale)
    stored = read_volume(results.work("result", "ch0"), 0)
    np.testing.assert_array_equal(stored, np.clip(np.rint(exact * np.float32(scale)), 0, 65535))
    assert record["statistics"]["clipped_voxels"] == np.count_nonzero(np.rint(exact * np.float32(scale)) > 65535) > 0


@parametrize(("dtype", "bits", "step"), [("float32", 5, 2**-6), ("uint16", 11, 16)])
def test_a_rounded_result_has_its_error_in_the_record(
    results: Results, psf: Path, dtype: str, bits: int, step: float
) -> None:
    run(results, psf, dtype=dtype, scale=100 if dtype == "uint16" else 1)
    exact = read_volume(results.work("result", "ch0"), 0).astype(np.float64)
    settings = {**SETTINGS, "dtype": dtype, "scale": 100 if dtype == "uint16" else 1, "precision": bits}
    layout = StoreLayout.plan(SHAPE, VOXEL, dtype, CODEC)
    key, inputs = VolumeKey("result", "ch0", 0), {"settings": settings}
    record = deconvolve_volume(results, key, psf, settings, layout, inputs, 2, noise=0.05)
    stored = read_volume(results.work("result", "ch0"), 0)
    error = np.linalg.norm(stored - exact) / np.linalg.norm(exact)
    assert np.abs(stored - exact).max() <= (step * exact.max() if dtype == "float32" else step)
    statistics = record["statistics"]
    assert statistics["rounding_error"] == pytest.approx(error, rel=1e-5 if dtype == "float32" else 0.05)
    assert statistics["rounding_to_noise"] == pytest.approx(statistics["rounding_error"] / 0.05)


def test_coarser_levels_are_rounded_as_well(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).random((4, 300, 20), np.float32)
    layout = StoreLayout.plan(volume.shape, VOXEL, "float32", CODEC)
    round_last_bits(volume, 7)
    write_volume(tmp_path, 0, volume, layout, 2, bits=7)
    for number, level in enumerate(layout.levels):
        words = zarr.open_array(tmp_path / str(number), mode="r")[0].view(np.uint32)
        assert words.shape == level.shape
        assert not (words & 0xFFFF).any()


def test_deconvolve_without_its_raw_volume_is_an_error(results: Results, psf: Path) -> None:
    results.shard(VolumeKey("raw", "ch0", 0), 0).unlink()
    with pytest.raises(InputError, match="is missing"):
        run(results, psf)


def in_blocks(shape: tuple[int, ...]) -> int:
    """Return the memory for not much more than half of such a volume."""
    whole = estimate_memory(shape, (3, 5, 5), "cpu", "none")
    return PROCESS_BYTES + (whole - PROCESS_BYTES) * 6 // 10


@parametrize("dtype", ["float32", "uint16"])
def test_a_volume_that_does_not_fit_is_done_in_blocks(tmp_path: Path, psf: Path, dtype: str) -> None:
    shape = (6, 240, 256)
    raw = np.random.default_rng(1).poisson(np.linspace(95, 300, 256), shape).astype(np.uint16)
    raw[2, 100:103, 128] = 65535
    settings = {**SETTINGS, "boundary": "extended", "background": "auto", "dtype": dtype, "scale": 10}
    layout = StoreLayout.plan(shape, VOXEL, dtype, CODEC)
    outcomes = []
    for memory in (None, in_blocks(shape)):
        results = Results(tmp_path / str(memory))
        write_volume(results.work("raw", "ch0"), 0, raw, StoreLayout.plan(shape, VOXEL, "uint16", CODEC), 1)
        record = deconvolve_volume(
            results, VolumeKey("result", "ch0", 0), psf, settings, layout, {"settings": settings}, 2, memory
        )
        work = results.work("result", "ch0")
        outcomes.append((read_volume(work, 0).astype(float), record["statistics"]))
        left = {str(path.relative_to(work)) for path in work.rglob("*") if path.is_file()}
        assert left == {f"{level}/{name}" for level in range(2) for name in ("zarr.json", "c/0/0/0/0")}
        expected = pyramid.downsample(read_volume(work, 0), (1, 2, 2))
        np.testing.assert_array_equal(zarr.open_array(work / "1", mode="r")[0], expected)
    (whole, one), (blocked, many) = outcomes
    # Only neighbours within the halo are missing: far below the 1e-3 of `tests/deconvolution/test_tiling.py`.
    assert np.linalg.norm(blocked - whole) <= 1e-4 * np.linalg.norm(whole)
    for key in ("background", "negative_voxels", "saturated_voxels", "flux_before"):
        assert one[key] == many[key]
    assert (one["saturated_voxels"], one["blocks"], one["block"]) == (3, 1, list(shape))
    assert many["blocks"] > 1
    assert many["clipped_voxels"] == one["clipped_voxels"] == (0 if dtype == "float32" else np.sum(whole == 65535))
    for key in ("min", "max", "mean", "sum"):
        assert many[key] == pytest.approx(one[key], rel=1e-3, abs=1e-3)


@pytest.mark.slow
def test_a_volume_in_blocks_can_be_made_again_bit_for_bit(tmp_path: Path, psf: Path) -> None:
    """The record says which blocks."""
    raw = np.random.default_rng(1).poisson(120, (6, 240, 256)).astype(np.uint16)
    layout = StoreLayout.plan(raw.shape, VOXEL, "float32", CODEC)
    results = Results(tmp_path)
    write_volume(results.work("raw", "ch0"), 0, raw, StoreLayout.plan(raw.shape, VOXEL, "uint16", CODEC), 1)
    record = deconvolve_volume(
        results, VolumeKey("result", "ch0", 0), psf, SETTINGS, layout, {"settings": SETTINGS}, 2, in_blocks(raw.shape)
    )
    again, statistics = deconvolve_pixels(raw, tifffile.imread(psf), SETTINGS, 2, record["statistics"]["block"])
    np.testing.assert_array_equal(again, read_volume(results.work("result", "ch0"), 0))
    assert statistics.items() <= record["statistics"].items()  # which judges the result too


def test_memory_for_no_block_at_all_is_an_error_with_the_numbers(results: Results, psf: Path) -> None:
    with pytest.raises(InputError, match=r"the worker has 0\.40 GB where that needs 0\.\d\d GB"):
        run(results, psf, memory=400_000_000)


def test_a_gpu_limits_the_blocks_and_its_volumes_share_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    shape, chunk, psf = (64, 512, 512), (64, 128, 128), np.ones((3, 5, 5), np.float32)
    settings = {**SETTINGS, "engine": "gpu"}
    method = Method(1, settings["boundary"])
    need = gpu_memory.estimate_memory(shape, psf.shape, method)
    monkeypatch.setattr(gpu_memory, "find_memory_budget", lambda: need)
    assert choose_volume_blocks(shape, chunk, psf, settings, 10**12) == shape
    monkeypatch.setattr(gpu_memory, "find_memory_budget", lambda: need // 2)
    assert choose_volume_blocks(shape, chunk, psf, settings, 10**12) < shape
    with pytest.raises(InputError, match="the worker has 0\\.50 GB"):
        choose_volume_blocks(shape, chunk, psf, settings, PROCESS_BYTES)


def test_a_small_volume_is_not_cut_where_memory_is_scarce(
    results: Results, psf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightsheet.processing.memory.find_memory_limit", lambda: 1)
    assert run(results, psf)["statistics"]["blocks"] == 1


def test_memory_that_a_worker_keeps_cuts_no_later_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers that the driver pins are no free memory, and the worker's own."""
    monkeypatch.setattr(memory_module, "find_worker_memory", cache(memory_module.find_worker_memory.__wrapped__))
    for available in (8 * 10**9, 2 * 10**9):
        monkeypatch.setattr(memory_module, "find_memory_limit", lambda available=available: available)
        assert memory_module.find_worker_memory() == 8 * 10**9
        assert memory_module.find_available_memory() == available
