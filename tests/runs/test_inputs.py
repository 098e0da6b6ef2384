"""What microscopes leave in a folder: holes, several volumes in a file, planes in files, volumes that still arrive."""

import contextlib
import csv
import io
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
import zarr

from lightsheet.provenance import verify_volumes
from lightsheet.simulation import simulate
from lightsheet.system import files
from tests.support.project import CHANNELS, CONFIG, ONE_WORKER, SHAPE, VOXEL, Project, redone
from tests.support.tiny_run import finish

pytestmark = pytest.mark.workflow


def array(project: Project, store: str) -> zarr.Array:
    movie: zarr.Array = zarr.open_array(project.results / store / "0", mode="r")
    return movie


def inventory(project: Project) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((project.results / "inventory.csv").read_text())))


def rename(path: Path, timepoint: int) -> Path:
    """Return a later timepoint's name."""
    name = path.name.replace("stack0000", f"stack{timepoint:04d}")
    return path.with_name(name.replace("_0000000msec", f"_{timepoint * 43748:07d}msec"))


def test_a_missing_volume_is_a_recorded_hole_until_it_comes(project: Project) -> None:
    result = project.finished("result")
    gone = project.tiffs()[1]
    shutil.move(gone, project.folder)
    assert "CamA_ch0_488nm lacks timepoint 1" in (sentence := project.refusal())
    assert "input.missing: fill" in sentence
    project.configure(input={"missing": "fill"})
    project.succeed()
    assert redone(result, project.finished("result")) == ["CamA_ch0_488nm/t0001"]
    assert np.isnan(array(project, "small.ome.zarr")[1, 0]).all()
    assert np.isfinite(array(project, "small.ome.zarr")[1, 1]).all()
    assert not array(project, f"raw/{CHANNELS[0]}.ome.zarr")[1].any()
    attributes = files.read_json(project.results / "small.ome.zarr" / "zarr.json")["attributes"]["lightsheet"]
    assert attributes["missing"] == [{"channel": CHANNELS[0], "timepoint": 1}]
    assert attributes["seconds"] == pytest.approx([0, 43.748, 87.496])
    assert [row["timepoint"] for row in inventory(project) if row["missing"]] == ["1"]
    assert "1 of 6 volumes is missing" in (project.results / "report.html").read_text()
    assert "5 of 5 volumes agree" in verify(project, 9)
    assert "Nothing to be done" in project.succeed()
    shutil.move(project.folder / gone.name, gone)
    project.succeed("consolidate")
    assert np.isfinite(array(project, "small.ome.zarr")[1, 0]).all()
    assert "missing" not in project.record("result", 0, 1)


def verify(project: Project, volumes: int) -> str:
    """Verify so many volumes by the command; the Snakefile's own target takes two."""
    command = [sys.executable, "-m", "lightsheet.cli", "verify", str(project.results), "--volumes", str(volumes)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return ended.stdout + ended.stderr


def test_channels_and_timepoints_in_one_file_are_volumes(fresh: Project) -> None:
    """An ImageJ hyperstack (t, z, c, y, x) whose tags tell voxel size and time step."""
    pixels = np.stack(
        [np.stack([tifffile.imread(fresh.tiffs()[3 * c + t]) for c in range(2)], axis=1) for t in range(3)]
    )
    folder = fresh.folder / "all"
    folder.mkdir()
    tags = {"axes": "TZCYX", "spacing": VOXEL["z"], "unit": "um", "finterval": 5.0}
    resolution = (1 / VOXEL["y"], 1 / VOXEL["x"])
    tifffile.imwrite(folder / "embryo.tif", pixels, imagej=True, resolution=resolution, metadata=tags)
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    config["input"] = {"folder": "all", "pattern": "{any}.tif"}
    del config["voxel_size"]
    config["psf"]["files"] = {
        f"ch{c}": str(fresh.folder / "data" / "psf" / f"{w}.tif") for c, w in enumerate((488, 560))
    }
    (fresh.folder / "my.yaml").write_text(yaml.safe_dump(config))
    output = fresh.succeed("inventory")
    assert re.search(r"timepoints +3, one every 5 s", output)
    assert re.search(r"voxels of 0\.3 x 0\.104 x 0\.104 micrometre", output)
    assert not (fresh.results / "work" / "raw").exists()
    fresh.succeed("consolidate", *ONE_WORKER)
    for c in range(2):
        np.testing.assert_array_equal(array(fresh, f"raw/ch{c}.ome.zarr")[:], pixels[:, :, c])
    assert [outcome["identical"] for outcome in verify_volumes(fresh.results, 6, 2)] == [True] * 6
    config["voxel_size"] = {**VOXEL, "z": 0.5}
    (fresh.folder / "my.yaml").write_text(yaml.safe_dump(config))
    sentence = fresh.refusal()
    assert "0.5" in sentence
    assert "0.3" in sentence
    assert "embryo.tif" in sentence


def test_planes_of_a_mosaic_in_files_of_their_own(small: Project) -> None:
    """One tile beside another, a plane a file, in names with brackets and blanks; the result in uint16."""
    volume = tifffile.imread(small.tiffs()[0])
    folder = small.folder / "planes"
    folder.mkdir()
    half = SHAPE[2] // 2
    for x, z in np.ndindex(2, SHAPE[0]):
        name = f"14-22-21_TH-s3_UltraII[{x:02d} x 00]_C00_xyz-Table Z{z:04d}.ome.tif"
        tifffile.imwrite(folder / name, volume[z, :, x * half : (x + 1) * half])
    psfs = {"ch0": str(small.folder / "data" / "psf" / "488.tif")}
    small.configure(
        input={"folder": "planes", "pattern": "ultramicroscope"},
        psf={"files": psfs},
        output={"dtype": "uint16", "scale": 400},
    )
    with contextlib.chdir(small.folder):
        finish(small.prepare())
    np.testing.assert_array_equal(array(small, "raw/ch0.ome.zarr")[0], volume)
    assert len(inventory(small)) == 2 * SHAPE[0]
    result = array(small, "small.ome.zarr")
    assert result.dtype == np.uint16
    record = files.read_json(small.results / "records" / "result" / "ch0" / "t0000.json")
    clipped = record["statistics"]["clipped_voxels"]
    assert 0 < clipped <= np.count_nonzero(result[0, 0] == 65535)
    assert [outcome["identical"] for outcome in verify_volumes(small.results, 1, 2)] == [True]


def test_runs_beside_the_microscope_take_what_has_arrived(small: Project) -> None:
    """A writer drops a timepoint every few seconds, each file in two halves, and runs follow it."""
    (first,) = small.tiffs()
    small.configure_one_channel(input={"settle": 2}, deconvolution={"iterations": 2})
    written, enough = [tifffile.imread(first)], threading.Event()

    def write() -> None:
        while not enough.is_set():
            image, content = simulate.simulate_volume(0, len(written), SHAPE)[1], io.BytesIO()
            tifffile.imwrite(content, image)
            with rename(first, len(written)).open("wb") as file:
                file.write(content.getvalue()[:5000])
                file.flush()
                time.sleep(0.5)  # a stall must not make it as long as files take to settle
                file.write(content.getvalue()[5000:])
            written.append(image)
            time.sleep(1)

    time.sleep(2)
    microscope = threading.Thread(target=write)
    microscope.start()
    sizes: list[int] = []
    while len(sizes) < 12 and (microscope.is_alive() or sizes[-1] < len(written)):
        before = small.finished("result")
        small.succeed("consolidate", *ONE_WORKER)
        after = small.finished("result")
        assert {name: after[name] for name in before} == before, "nothing is done twice"
        sizes.append(array(small, "small.ome.zarr").shape[0])
        if len(set(sizes)) == 2:
            enough.set()
            microscope.join()
            time.sleep(2)
    assert sizes[-1] == len(written)
    np.testing.assert_array_equal(array(small, f"raw/{CHANNELS[0]}.ome.zarr")[:], written)


def test_the_inventory_is_printed_before_psfs_are_named(fresh: Project) -> None:
    fresh.configure(psf={"files": dict.fromkeys(CHANNELS, "TODO")})
    output = fresh.succeed("inventory")
    assert "this was understood of the folder" in output
    assert len((fresh.results / "inventory.csv").read_text().splitlines()) > 1
    assert f"still to be said (TODO): psf.files.{CHANNELS[0]}, psf.files.{CHANNELS[1]};" in fresh.refusal()


def test_jobs_read_a_section_of_the_command_line_as_the_run_does(small: Project) -> None:
    small.succeed("--until", "ingest", "--config", "input={select: {timepoints: 0:1, z: [2, 10]}}")
    assert small.record("raw", 0, 0)["layout"]["levels"][0][0] == [8, *SHAPE[1:]]
