"""What a rerun does, counted from records: no more than what is missing."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from lightsheet.simulation import simulate

from .conftest import SHAPE, Project, redone

pytestmark = pytest.mark.workflow


def test_with_nothing_changed_nothing_is_done(project: Project) -> None:
    before = {p: p.stat().st_mtime_ns for p in project.results.rglob("*")}
    assert "Nothing to be done" in project.succeed()
    assert {p: p.stat().st_mtime_ns for p in project.results.rglob("*")} == before


def test_a_changed_tiff_costs_one_volume(project: Project) -> None:
    raw, result, store = project.finished("raw"), project.finished("result"), project.digests()
    path = project.tiffs()[1]
    volume = tifffile.imread(path)
    volume[5, 20, 20] += 500
    tifffile.imwrite(path, volume)
    project.succeed()
    assert redone(raw, project.finished("raw")) == ["CamA_ch0_488nm/t0001"]
    assert redone(result, project.finished("result")) == ["CamA_ch0_488nm/t0001"]
    changed = [name for name, digest in project.digests().items() if store[name] != digest]
    assert "raw/CamA_ch0_488nm.ome.zarr/0/c/1/0/0/0" in changed
    assert all("/c/1/" in name or name.endswith("zarr.json") for name in changed)


def test_a_touched_tiff_rewrites_no_shard(project: Project) -> None:
    before = {p: p.stat().st_mtime_ns for p in (project.results / "work").rglob("c/*/0/0/0")}
    os.utime(project.tiffs()[0])
    project.succeed()
    assert {p: p.stat().st_mtime_ns for p in (project.results / "work").rglob("c/*/0/0/0")} == before


def test_a_new_timepoint_is_appended(project: Project) -> None:
    raw, result = project.finished("raw"), project.finished("result")
    for channel, source in enumerate(project.tiffs()[::3]):
        _, image = simulate.simulate_volume(channel, 3, SHAPE)
        name = source.name.replace("stack0000", "stack0003").replace("_0000000msec", "_0131244msec")
        tifffile.imwrite(source.with_name(name), image)
    project.succeed()
    assert redone(raw, project.finished("raw")) == ["CamA_ch0_488nm/t0003", "CamA_ch1_560nm/t0003"]
    assert redone(result, project.finished("result")) == ["CamA_ch0_488nm/t0003", "CamA_ch1_560nm/t0003"]
    assert zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r").shape == (4, 2, *SHAPE)


def test_other_iterations_redo_no_ingest(project: Project) -> None:
    raw, result = project.finished("raw"), project.finished("result")
    project.configure(deconvolution={"iterations": 4})
    project.succeed()
    assert redone(raw, project.finished("raw")) == []
    assert len(redone(result, project.finished("result"))) == 6


def test_other_blocks_redo_nothing(project: Project) -> None:
    raw, result, store = project.finished("raw"), project.finished("result"), project.digests()
    project.configure(deconvolution={"timepoints_per_job": 1})
    project.succeed()
    assert redone(raw, project.finished("raw")) == redone(result, project.finished("result")) == []
    assert project.digests() == store


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_a_deleted_shard_is_noticed_and_redone(project: Project, kind: str) -> None:
    before, store = project.finished(kind), project.digests()
    (project.results / "work" / kind / "CamA_ch1_560nm" / "0" / "c" / "2" / "0" / "0" / "0").unlink()
    assert "Nothing to be done" not in project.succeed("-n")
    project.succeed()
    assert redone(before, project.finished(kind)) == ["CamA_ch1_560nm/t0002"]
    assert project.digests() == store
    assert "Nothing to be done" in project.succeed()


@pytest.mark.parametrize(
    "lost", ["small.ome.zarr/0/c/0/1/0/0/0", "raw/CamA_ch0_488nm.ome.zarr/0/c/1", "small.ome.zarr"]
)
def test_what_is_deleted_from_a_published_store_is_published_again(project: Project, lost: str) -> None:
    records, store = project.finished("result"), project.digests()
    path = project.results / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    project.succeed()
    assert project.digests() == store
    assert redone(records, project.finished("result")) == []


@pytest.mark.parametrize(
    "name", ["ro-crate-metadata.json", "provenance/config.yaml", "inventory.csv", "psf/CamA_ch1_560nm.png"]
)
def test_what_is_deleted_beside_the_stores_is_made_again(project: Project, name: str) -> None:
    records = project.finished("result")
    (project.results / name).unlink()
    project.succeed()
    assert (project.results / name).exists()
    assert redone(records, project.finished("result")) == []


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_a_flipped_bit_is_noticed_by_consolidation_and_its_volume_redone(project: Project, kind: str) -> None:
    store, before = project.digests(), project.finished(kind)
    shard = project.results / "work" / kind / "CamA_ch0_488nm" / "0" / "c" / "1" / "0" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 16
    shard.write_bytes(content)
    output = project.fail("--forcerun", "consolidate")
    assert f"{shard.relative_to(project.folder)} ({kind} CamA_ch0_488nm timepoint 1) differs from the digest" in output
    project.succeed()
    assert redone(before, project.finished(kind)) == ["CamA_ch0_488nm/t0001"]
    assert project.digests() == store


def test_readers_keep_the_old_store_while_a_rerun_works_and_if_it_fails(project: Project) -> None:
    store = project.digests()
    opened = zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r")
    first = np.asarray(opened[0, 0])
    project.configure(deconvolution={"iterations": 5})
    project.tiffs()[0].write_bytes(b"damaged")
    assert project.tiffs()[0].name in project.fail()
    assert project.digests() == store
    np.testing.assert_array_equal(opened[0, 0], first)


def test_unfinished_files_of_killed_jobs_are_swept(project: Project) -> None:
    left: Path = project.results / "work" / "raw" / "CamA_ch0_488nm" / "0" / "c" / "1" / "0" / "0" / ".part.0.x"
    left.write_text("half")
    project.succeed("--forcerun", "consolidate")
    assert not left.exists()
