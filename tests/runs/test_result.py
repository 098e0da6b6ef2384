"""A run from TIFF to the published stores: valid, complete, and closer to the truth."""

import contextlib
import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
import yaozarrs
import zarr
from ome_zarr_models import open_ome_zarr

from lightsheet.system import files
from tests.support import roc
from tests.support.project import CHANNELS, ROOT, SHAPE, Project
from tests.support.tiny_run import finish

pytestmark = pytest.mark.workflow


def test_the_stores_hold_every_volume_and_satisfy_both_validators(finished: Project) -> None:
    stores = {finished.results / "small.ome.zarr": (3, 2, *SHAPE)}
    stores |= {finished.results / "raw" / f"{channel}.ome.zarr": (3, *SHAPE) for channel in CHANNELS}
    for store, shape in stores.items():
        yaozarrs.validate_zarr_store(str(store))
        open_ome_zarr(zarr.open_group(store, mode="r"))
        assert zarr.open_array(store / "0", mode="r").shape == shape
    for number, path in enumerate(finished.tiffs()):
        raw = zarr.open_array(finished.results / "raw" / f"{CHANNELS[number // 3]}.ome.zarr" / "0", mode="r")
        np.testing.assert_array_equal(raw[number % 3], tifffile.imread(path))


def test_scales_channels_and_times_are_those_of_the_acquisition(finished: Project) -> None:
    ome = files.read_json(finished.results / "small.ome.zarr" / "zarr.json")["attributes"]["ome"]
    scale = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == pytest.approx([43.748, 1, 0.3, 0.104, 0.104])
    assert [channel["label"] for channel in ome["omero"]["channels"]] == list(CHANNELS)
    for channel in ome["omero"]["channels"]:
        assert 0 <= channel["window"]["start"] < channel["window"]["end"] <= channel["window"]["max"]
    rows = list(csv.DictReader((finished.results / "inventory.csv").read_text().splitlines()))
    assert sorted({row["channel"] for row in rows}) == list(CHANNELS)
    assert len(rows) == 6


def test_the_provenance_satisfies_the_workflow_run_profile(finished: Project) -> None:
    assert roc.validate(finished.results) == []


def test_everything_that_the_readme_promises_is_there(finished: Project) -> None:
    for name in ("inventory.csv", "report.html", "ro-crate-metadata.json"):
        assert (finished.results / name).stat().st_size > 0
    for channel in CHANNELS:
        for suffix in (".tif", ".png", ".json"):
            assert (finished.results / "psf" / f"{channel}{suffix}").stat().st_size > 0
    assert finished.record("result", 1, 2)["statistics"]["sum"] > 0


def assert_closer_to_the_truth(project: Project, channel: str, index: tuple[int, int]) -> None:
    result = zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r")
    raw = zarr.open_array(project.results / "raw" / f"{channel}.ome.zarr" / "0", mode="r")
    truth = tifffile.imread(project.folder / "data" / "truth" / f"{channel}_t{index[0]:04d}.tif")
    before = np.linalg.norm(np.clip(raw[index[0]] - 100.0, 0, None) - truth)
    # points stay blurred beyond the band limit, so the error falls by a fraction only
    assert np.linalg.norm(result[index] - truth) < 0.9 * before


def test_the_result_is_closer_to_the_truth_than_the_image(finished: Project) -> None:
    for c, channel in enumerate(CHANNELS):
        for t in range(3):
            assert_closer_to_the_truth(finished, channel, (t, c))


def test_so_is_that_of_engine_itk(small: Project, finished: Project) -> None:
    small.configure_one_channel(deconvolution={"engine": "itk", "boundary": "replicate"})
    with contextlib.chdir(small.folder):
        finish(small.prepare())
    shutil.copytree(finished.folder / "data" / "truth", small.folder / "data" / "truth")
    assert_closer_to_the_truth(small, CHANNELS[0], (0, 0))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize(("engine", "iterations", "expected"), [("itk", 10, 0.5745), ("cpu", 30, 0.6663)])
def test_bars_correlate_to_the_truth_as_published(
    tmp_path: Path, shared_data: Path, engine: str, iterations: int, expected: float
) -> None:
    """`bars` through the whole workflow, by `cpu` without Snakemake; numbers of shared/data/README.md, to 3 digits."""
    bars = shared_data / "bars_flowdec"
    (tmp_path / "data").mkdir()
    shutil.copy(bars / "bars-25pct_data.tif", tmp_path / "data" / "bars_ch0_000.tif")
    one = {"z": 0.1, "y": 0.1, "x": 0.1}
    config: dict[str, Any] = {
        "name": "small",
        "input": {"folder": "data", "pattern": "bars_ch{channel}_{timepoint}.tif"},
        "voxel_size": one,
        "psf": {"files": {"ch0": str(bars / "bars-25pct_kernel.tif")}, "voxel_size": one, "background": 0},
        "deconvolution": {"engine": engine, "boundary": "replicate", "iterations": iterations, "background": 0},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    project = Project(tmp_path)
    if engine == "itk":
        project.succeed("consolidate")
    else:
        with contextlib.chdir(tmp_path):
            finish(project.prepare())
    result = zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r")[0, 0]
    similarity = correlation(np.asarray(result), tifffile.imread(bars / "bars-25pct_actual.tif"))
    assert similarity == pytest.approx(expected, abs=0.0005)


def test_a_dry_run_says_what_will_be_made_and_writes_nothing(fresh: Project) -> None:
    output = fresh.succeed("-n")
    assert "3 timepoints x 2 channels (CamA_ch0_488nm, CamA_ch1_560nm) = 6 volumes of (12, 40, 36) uint16" in output
    assert not (fresh.folder / "results").exists()


def test_the_users_own_configuration_replaces_the_shipped_one(fresh: Project) -> None:
    """Snakemake would merge it into config/config.yaml, and a key left out would silently be another experiment's."""
    shipped = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    assert shipped["input"]["ignore"], "or this test shows nothing"
    fresh.configure(input={"folder": "data", "ignore": []})
    name = shipped["input"]["ignore"][0].replace("*", "left_out")
    shutil.copy(fresh.tiffs()[0], fresh.folder / "data" / name)
    fresh.succeed("results/small/inventory.csv")
    log = (fresh.results / "logs" / "inventory.log").read_text()
    assert "does not fit the pattern 'lattice': reading stopped at its beginning" in log
    assert "ignored by" not in log


def test_snakemakes_own_linter_finds_nothing(fresh: Project) -> None:
    assert "Congratulations" in fresh.succeed("--lint")
