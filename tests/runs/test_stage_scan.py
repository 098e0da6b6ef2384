"""A stage scan through the workflow: points of known places, stores that validators accept, and what reads them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr_models.v05 import Image
from yaozarrs import validate_zarr_store

from lightsheet.provenance import compare_results, verify_volumes
from lightsheet.run import find_backlog, prepare_run
from lightsheet.store import find_finished, read_image
from lightsheet.viewing import export_volumes
from tests.support.project import CHANNELS, ONE_WORKER, Project
from tests.support.stage_scan import scan_points

pytestmark = pytest.mark.workflow

SCAN = {"angle": 31.5, "step": 0.3, "axis": "y", "direction": -1}
VOXEL = {"z": 0.3 * math.sin(math.radians(31.5)), "y": 0.1, "x": 0.1}
SHAPE, OFFSET = (30, 44, 40), 100
POINTS = {CHANNELS[0]: [[14.2, 21.3, 12.6]], CHANNELS[1]: [[16.7, 19.4, 28.1]]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two channels, of a round point each, with a bead of its width."""
    project = Project(tmp_path_factory.mktemp("scan"))
    (project.folder / "data" / "psf").mkdir(parents=True)
    z, y, x = np.indices((41, 32, 32)) - np.array([20, 16, 16])[:, None, None, None]
    bead = np.round(100 + 3000 * np.exp(-(z**2 + y**2 + x**2) / (2 * 2.0**2))).astype(np.uint16)
    for channel, points in POINTS.items():
        camera, number, wavelength = channel.split("_")
        name = f"a_{camera}_{number}_CAM1_stack0000_{wavelength}_0000000msec_0000000000msecAbs_000x_000y_000z_0000t.tif"
        light = scan_points(SHAPE, points, {**SCAN, "pixel": 0.1}, width=2.0)
        tifffile.imwrite(project.folder / "data" / name, np.round(OFFSET + 3000 * light).astype(np.uint16))
        tifffile.imwrite(project.folder / "data" / "psf" / f"{wavelength[:3]}.tif", bead)
    configure(project, "rotated")
    project.succeed(*ONE_WORKER)
    return project


def configure(project: Project, geometry: str) -> None:
    lateral = {axis: VOXEL[axis] for axis in "yx"}
    project.configure(
        input={"scan": {"kind": "stage", **SCAN}},
        voxel_size=None,
        psf={"voxel_size": {"z": 0.1, **lateral}},
        deconvolution={"iterations": 4, "background": OFFSET},
        output={"geometry": geometry},
    )
    path = project.folder / "my.yaml"
    path.write_text(path.read_text().replace("voxel_size: null", f"voxel_size: {json.dumps(lateral)}"))


def read_transformations(store: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return the size and the place of the first voxel, (z, y, x) in micrometre, and our own attributes."""
    attributes = json.loads((store / "zarr.json").read_text())["attributes"]
    steps = attributes["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    origin = steps[1]["translation"][-3:] if len(steps) > 1 else [0, 0, 0]
    return np.array(steps[0]["scale"][-3:]), np.array(origin), attributes["lightsheet"]


def test_points_lie_where_the_metadata_says(project: Project) -> None:
    """Within 0.1 voxel: by scale and translation of the result, and by the matrix of the raw store."""
    size, origin, about = read_transformations(project.results / "small.ome.zarr")
    result = zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r")
    assert (about["geometry"], about["unmeasured"]["value"], about["raw_shape"]) == ("rotated", 0, list(SHAPE))
    np.testing.assert_allclose(size, 0.1)
    for number, (channel, points) in enumerate(POINTS.items()):
        raw_size, raw_origin, raw = read_transformations(project.results / "raw" / f"{channel}.ome.zarr")
        np.testing.assert_allclose(raw_size, list(VOXEL.values()), rtol=1e-8)
        place = np.array(raw["affine"]["matrix"]) @ [*(raw_origin + points[0] * raw_size), 1]
        volume = result[0, number]
        light = np.where(volume > volume.max() / 20, volume, 0)
        centre = [(index * light).sum() / light.sum() for index in np.indices(light.shape)]
        np.testing.assert_allclose(centre, (place - origin) / size, atol=0.1)
        record = project.record("result", number, 0)
        assert volume.sum() == pytest.approx(record["statistics"]["flux_before"] * VOXEL["z"] / 0.1, rel=0.01)


def test_the_stores_are_valid(project: Project) -> None:
    for store in (project.results / "small.ome.zarr", *project.results.glob("raw/*.ome.zarr")):
        validate_zarr_store(store)
        Image.from_zarr(zarr.open_group(store, mode="r"))


def test_a_rerun_does_nothing_and_another_geometry_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    assert not find_backlog(project.prepare()).volumes
    configure(project, "deskewed")
    run = project.prepare()
    reasons = find_backlog(run).volumes
    configure(project, "rotated")
    assert {key.kind for key in reasons} == {"result"}, "raw volumes stay"
    assert all("geometry rotated -> deskewed" in reason for reason in reasons.values())
    length = SHAPE[1] + math.ceil((SHAPE[0] - 1) * 0.3 * math.cos(math.radians(31.5)) / 0.1)
    assert run.layouts["result"].levels[0].shape == (SHAPE[0], length, SHAPE[2])
    assert run.layouts["raw"].levels[0].shape == SHAPE


def test_it_is_verified_compared_and_exported(project: Project, tmp_path: Path) -> None:
    assert all(outcome["identical"] for outcome in verify_volumes(project.results, 2, 2))
    assert all(outcome["identical"] for outcome in compare_results(project.results, project.results))
    image = read_image(find_finished(project.results), "result")
    (tiff,) = export_volumes(project.results, "ome-tiff", tmp_path)
    with tifffile.TiffFile(tiff) as file:
        assert file.series[0].shape == (2, *image.levels[0].shape)
        assert 'PhysicalSizeZ="0.1"' in (file.ome_metadata or "")
    (copy,) = export_volumes(project.results, "ome-zarr-0.4", tmp_path)
    attributes = json.loads((copy / ".zattrs").read_text())
    assert attributes["lightsheet"]["unmeasured"]["value"] == 0
    first = attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert first[1]["translation"][-3:] == pytest.approx(image.origin)


@pytest.mark.parametrize("form", ["ome-zarr-0.5", "ome-zarr-0.4"])
def test_what_was_never_measured_is_so_when_a_result_is_deconvolved_again(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """By what the store says, though measured darkness is 0 too."""
    monkeypatch.chdir(project.folder)
    store = project.results / "small.ome.zarr"
    if form == "ome-zarr-0.4":
        (store,) = export_volumes(project.results, form, tmp_path)
    run = prepare_run(
        {
            "name": "again",
            "input": {"folder": str(store)},
            "psf": {
                "files": {channel.replace("_", "-"): str(project.folder / "data/psf/488.tif") for channel in CHANNELS},
                "voxel_size": dict.fromkeys("zyx", 0.1),
            },
            "deconvolution": {"background": 0, "iterations": 1},
        }
    )
    assert run.settings["fill"] == 0
    assert run.config["voxel_size"] == pytest.approx(dict.fromkeys("zyx", 0.1))
