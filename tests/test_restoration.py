from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet import deconvolution, files, records, restoration
from lightsheet.errors import InputError
from lightsheet.results import Results
from lightsheet.store import Layout, read_volume, shard_path, write_volume

SHAPE = (6, 20, 18)
VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}
CODEC = {"name": "zstd"}
VOLUME = np.random.default_rng(0).poisson(120, SHAPE).astype(np.uint16)
RAW = Layout.plan(SHAPE, VOXEL, "uint16", CODEC)
RESULT = Layout.plan(SHAPE, VOXEL, "float32", CODEC)
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


def deconvolve(results: Results, psf: Path, **changes: Any) -> records.Record:
    layout = Layout.plan(SHAPE, VOXEL, changes.get("dtype", "float32"), CODEC)
    return restoration.deconvolve(results, "ch0", 0, psf, {**SETTINGS, **changes}, layout, files.digest(changes), 2)


@pytest.fixture
def psf(tmp_path: Path) -> Path:
    z, y, x = np.ogrid[-1:2, -2:3, -2:3]
    path = tmp_path / "psf.tif"
    kernel = np.exp(-(z**2) - (y**2 + x**2) / 2).astype(np.float32)
    tifffile.imwrite(path, kernel, photometric="minisblack")
    return path


def test_deconvolve_stores_what_the_engine_returns(results: Results, psf: Path) -> None:
    record = deconvolve(results, psf)
    image = np.clip(VOLUME.astype(np.float32) - 100, 0, None)
    expected = deconvolution.richardson_lucy(
        image, tifffile.imread(psf), iterations=2, engine="cpu", boundary="replicate"
    )
    np.testing.assert_array_equal(read_volume(results.work("result", "ch0"), 0), expected)
    assert record["statistics"]["flux_before"] == pytest.approx(image.sum(), rel=1e-6)
    assert record["statistics"]["negative_voxels"] == np.count_nonzero(VOLUME < 100)
    assert record == records.read(results.record("result", "ch0", 0))


def test_a_volume_that_is_done_already_is_left_alone(results: Results, psf: Path) -> None:
    record = deconvolve(results, psf)
    place = shard_path(results.work("result", "ch0"), 0, (0,))
    before = place.stat().st_mtime_ns
    assert deconvolve(results, psf) == record
    assert place.stat().st_mtime_ns == before
    deconvolve(results, psf, iterations=3)
    assert place.stat().st_mtime_ns != before


@pytest.mark.parametrize("engine", ["cpu", "itk"])
def test_more_memory_is_asked_for_than_is_needed(engine: str) -> None:
    reference = restoration.memory_bytes((201, 1024, 768), (34, 64, 64), engine)
    padded = 240 * 1080 * 840
    needed = {"cpu": 21, "itk": 89}[engine] * padded + 6 * 201 * 1024 * 768
    assert needed < reference < 1.5 * needed


def test_uint16_is_scaled_rounded_and_clipped_with_a_count(results: Results, psf: Path) -> None:
    deconvolve(results, psf)
    exact = read_volume(results.work("result", "ch0"), 0)
    scale = 2 * 65535 / float(exact.max())
    record = deconvolve(results, psf, dtype="uint16", scale=scale)
    stored = read_volume(results.work("result", "ch0"), 0)
    np.testing.assert_array_equal(stored, np.clip(np.rint(exact * np.float32(scale)), 0, 65535))
    assert record["statistics"]["clipped_voxels"] == np.count_nonzero(np.rint(exact * np.float32(scale)) > 65535) > 0


def test_deconvolve_without_its_raw_volume_is_an_error(results: Results, psf: Path) -> None:
    shard_path(results.work("raw", "ch0"), 0, (0,)).unlink()
    with pytest.raises(InputError, match="is missing"):
        deconvolve(results, psf)


def test_the_background_is_found_below_the_light() -> None:
    rng = np.random.default_rng(2)
    volume = rng.normal(104, 3, (16, 64, 64))
    volume[4:12, 16:48, 16:48] += rng.poisson(300, (8, 32, 32))
    # the mean of 512 voxels of noise 3 has a standard error of 0.13; the 1st percentile lies 2.3 of these below
    assert restoration.estimate_background(volume.astype(np.uint16)) == pytest.approx(103.5, abs=0.6)


@pytest.mark.parametrize("shape", [(1, 5, 9), (7, 3, 2), (9, 17, 33)])
def test_the_background_of_small_volumes(shape: tuple[int, ...]) -> None:
    assert restoration.estimate_background(np.full(shape, 7, np.uint16)) == 7


@pytest.mark.parametrize(
    "change",
    [{"iterations": 3}, {"boundary": "extended"}, {"background": 99}, {"dtype": "uint16"}, {"engine": "itk"}],
)
def test_what_changes_pixels_changes_the_fingerprint(change: dict[str, Any]) -> None:
    raw = {"shards": [{"sha256": "a"}]}
    same = restoration.fingerprint_of(raw, "p", SETTINGS, RESULT)
    assert same == restoration.fingerprint_of(raw, "p", dict(reversed(SETTINGS.items())), RESULT)
    assert same != restoration.fingerprint_of(raw, "p", {**SETTINGS, **change}, RESULT)
    assert same != restoration.fingerprint_of(raw, "q", SETTINGS, RESULT)
    assert same != restoration.fingerprint_of({"shards": [{"sha256": "b"}]}, "p", SETTINGS, RESULT)
