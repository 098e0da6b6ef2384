"""What a rerun does, counted from records: no more than what is missing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from lightsheet.simulation import simulate
from lightsheet.store.paths import shard_path
from tests.support.project import CHANNELS, ONE_WORKER, SHAPE, Project, redone

pytestmark = pytest.mark.workflow


def shard(project: Project, kind: str, channel: int, timepoint: int) -> Path:
    return shard_path(project.results / "work" / kind / CHANNELS[channel], 0, (timepoint,))


def times(project: Project) -> dict[str, int]:
    """When each shard of the work area was written."""
    shards = (project.results / "work").rglob("c/*/0/0/0")
    return {str(path.relative_to(project.results)): path.stat().st_mtime_ns for path in shards}


def test_with_nothing_changed_nothing_is_done(project: Project) -> None:
    before = {p: p.stat().st_mtime_ns for p in project.results.rglob("*")}
    assert "Nothing to be done" in project.succeed()
    assert {p: p.stat().st_mtime_ns for p in project.results.rglob("*")} == before


def series_per_page(path: Path, volume: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        for plane in volume:
            file.write(plane, contiguous=False)


UNUSUAL: dict[str, Callable[[Path, np.ndarray], Any]] = {
    "one series per page": series_per_page,
    "big-endian": lambda path, volume: tifffile.imwrite(path, volume, byteorder=">"),
    "zlib": lambda path, volume: tifffile.imwrite(path, volume, compression="zlib"),
    "LZW with predictor": lambda path, volume: tifffile.imwrite(path, volume, compression="lzw", predictor=True),
}


def test_changed_and_new_files_cost_their_own_volumes(project: Project) -> None:
    """One file has other pixels, four are stored in another way, a timepoint is new, one file has another date."""
    result, store, written = project.finished("result"), project.digests(), times(project)
    files = project.tiffs()
    pixels = tifffile.imread(files[1])
    pixels[5, 20, 20] += 500
    tifffile.imwrite(files[1], pixels)
    for path, write in zip([files[0], *files[3:]], UNUSUAL.values(), strict=True):
        write(path, tifffile.imread(path))
    os.utime(files[2])
    for channel, source in enumerate(files[::3]):
        _, image = simulate.simulate_volume(channel, 3, SHAPE)
        name = source.name.replace("stack0000", "stack0003").replace("_0000000msec", "_0131244msec")
        tifffile.imwrite(source.with_name(name), image)
    unfinished = shard(project, "raw", 0, 1).with_name(".part.0.x")
    unfinished.write_text("half, left by a killed job")

    project.succeed("consolidate", *ONE_WORKER)

    changed = [f"{CHANNELS[number // 3]}/t{number % 3:04d}" for number in (0, 1, 3, 4, 5)]
    assert redone(result, project.finished("result")) == sorted([*changed, *(f"{c}/t0003" for c in CHANNELS)])
    rewritten = {name for name, when in written.items() if times(project)[name] != when}
    assert rewritten == {
        f"work/{kind}/{CHANNELS[number // 3]}/0/c/{number % 3}/0/0/0"
        for kind in ("raw", "result")
        for number in (0, 1, 3, 4, 5)
    }, "the one with another date is not"
    different = [name for name, digest in project.digests().items() if store.get(name) != digest]
    assert "raw/CamA_ch0_488nm.ome.zarr/0/c/1/0/0/0" in different
    assert all("/c/1/" in name or "/c/3/" in name or name.endswith("zarr.json") for name in different)
    assert zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r").shape == (4, 2, *SHAPE)
    assert not unfinished.exists()


def test_readers_keep_the_old_store_while_a_rerun_fails_and_other_iterations_redo_no_ingest(project: Project) -> None:
    raw, result, store = project.finished("raw"), project.finished("result"), project.digests()
    opened = zarr.open_array(project.results / "small.ome.zarr" / "0", mode="r")
    first = np.asarray(opened[0, 0])
    project.configure(deconvolution={"iterations": 5})
    path = project.tiffs()[0]
    good = path.read_bytes()
    path.write_bytes(b"damaged")
    assert path.name in project.fail()
    assert project.digests() == store
    np.testing.assert_array_equal(opened[0, 0], first)
    path.write_bytes(good)
    project.succeed("--until", "deconvolve", *ONE_WORKER)
    assert redone(raw, project.finished("raw")) == ["CamA_ch0_488nm/t0000"], "the one that was damaged"
    assert len(redone(result, project.finished("result"))) == 6


def test_other_blocks_redo_nothing(project: Project) -> None:
    raw, result, store = project.finished("raw"), project.finished("result"), project.digests()
    project.configure(deconvolution={"timepoints_per_job": 2})
    project.succeed("consolidate")
    assert redone(raw, project.finished("raw")) == redone(result, project.finished("result")) == []
    assert project.digests() == store


PUBLISHED = [
    *("small.ome.zarr", "small.ome.zarr/0/c/0/1/0/0/0", "raw/CamA_ch0_488nm.ome.zarr/0/c/1"),
    *("ro-crate-metadata.json", "provenance/config.yaml"),
]


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_each_deletion_is_noticed(project: Project) -> None:
    """Of what no rule declares as its output; Snakemake sees the rest."""
    shards = {"ingest.CamA_ch1_560nm.t0000": ("raw", 1, 2), "deconvolve.t0000": ("result", 0, 0)}
    published = {"consolidate", "report"}
    due = {str(shard(project, *key)): {manifest, *published} for manifest, key in shards.items()}
    due |= dict.fromkeys(PUBLISHED, published)
    assert project.list_due() == set()
    for name, outputs in due.items():
        path = project.results / name
        path.rename(project.folder / "aside")
        assert project.list_due() == outputs, name
        (project.folder / "aside").rename(path)


def test_what_is_deleted_is_made_again_and_nothing_else(project: Project) -> None:
    raw, result, store = project.finished("raw"), project.finished("result"), project.digests()
    for path in (shard(project, "raw", 1, 2), shard(project, "result", 0, 0)):
        path.unlink()
    for name in [*PUBLISHED[1:], "inventory.csv", "psf/CamA_ch1_560nm.png"]:
        remove(project.results / name)
    project.succeed()
    assert redone(raw, project.finished("raw")) == ["CamA_ch1_560nm/t0002"]
    assert redone(result, project.finished("result")) == ["CamA_ch0_488nm/t0000"]
    assert project.digests() == store
    for name in [*PUBLISHED, "inventory.csv", "psf/CamA_ch1_560nm.png"]:
        assert (project.results / name).exists(), name
    assert "Nothing to be done" in project.succeed()


def test_flipped_bits_are_noticed_by_consolidation_and_their_volumes_redone(project: Project) -> None:
    store, before = project.digests(), {kind: project.finished(kind) for kind in ("raw", "result")}
    damaged = {"raw": shard(project, "raw", 0, 1), "result": shard(project, "result", 1, 2)}
    for path in damaged.values():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 16
        path.write_bytes(content)
    output = project.fail("--forcerun", "consolidate")
    assert "These jobs look once" in output, "nothing else says why there are jobs"
    for words in (
        f"{damaged['raw'].relative_to(project.folder)} (raw CamA_ch0_488nm timepoint 1)",
        f"{damaged['result'].relative_to(project.folder)} (result CamA_ch1_560nm timepoint 2)",
    ):
        assert f"{words} differs from the digest" in output
    project.succeed("consolidate", *ONE_WORKER)
    assert redone(before["raw"], project.finished("raw")) == ["CamA_ch0_488nm/t0001"]
    assert redone(before["result"], project.finished("result")) == ["CamA_ch1_560nm/t0002"]
    assert project.digests() == store
