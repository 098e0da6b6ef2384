"""A run through what the scripts call, without Snakemake: blocks, consolidation, what is lost and found."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import inventory
import psf
from lightsheet.cluster import WorkerRequest
from lightsheet.processing import blocks, ingest_blocks
from lightsheet.run.backlog import find_backlog
from lightsheet.run.choices import choose_due
from lightsheet.run.consolidate import check_shards, publish_stores, write_manifest
from lightsheet.run.prepare import prepare_run
from lightsheet.run.progress import list_failed_volumes, list_outputs, summarise_run
from lightsheet.run.run import Run
from lightsheet.simulation import simulate
from lightsheet.store import records
from lightsheet.store.paths import VolumeKey
from lightsheet.system import files, read_json, write_json
from lightsheet.system.errors import InputError

pytestmark = pytest.mark.slow

CONFIG: dict[str, Any] = {
    "name": "a",
    "input": {"folder": "data"},
    "voxel_size": simulate.VOXEL_SIZE,
    "psf": {"files": {"CamA_ch0_488nm": "psf/488.tif"}, "voxel_size": {"z": 0.1, "y": 0.104, "x": 0.104}},
    "deconvolution": {"engine": "cpu", "iterations": 2, "background": 100, "timepoints_per_job": 2},
}
CHANNEL = "CamA_ch0_488nm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    simulate.simulate_acquisition(
        folder / "data", channels=1, timepoints=3, shape=(8, 24, 20), psf_shape=(31, 20, 20), progress=lambda _: None
    )
    return folder


def prepare(results: Path) -> Run:
    return prepare_run({**CONFIG, "output": {"folder": str(results)}})


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run up to consolidation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = prepare(tmp_path_factory.mktemp("finished"))
        paths = [run.results.psf(CHANNEL, suffix) for suffix in (".tif", ".png", ".json")]
        psf.prepare_psf(Path(run.find_psf_file(CHANNEL)), *paths, **run.psf_settings[CHANNEL])
        inventory.inventory(run.acquisition, run.describe_volume(), run.results.folder / "inventory.csv")
        choose_due(run)
        ingest_block(run, "t0000")
        for block in run.blocks:
            deconvolve_block(run, block)
    return run.results.folder


@pytest.fixture
def run(folder: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    shutil.copytree(finished, tmp_path / "results" / finished.name)
    return prepare(tmp_path / "results")


def ingest_block(run: Run, block: str) -> None:
    tiles = run.list_tiles(CHANNEL, run.ingest_blocks[block])
    done = ingest_blocks.ingest_block(run.results, CHANNEL, tiles, run.layouts["raw"], 2)
    files.write_json(Path(run.name_ingest_manifest(CHANNEL, block)), done)


def deconvolve_block(run: Run, block: str) -> None:
    request = WorkerRequest("local", 1, 2, run.results, block)
    volumes = list(run.channels), list(run.blocks[block])
    done = blocks.deconvolve_block(
        run.results, *volumes, run.settings, run.choice_bases, run.layouts["result"], request
    )
    files.write_json(Path(run.name_deconvolve_manifest(block)), done)


def consolidate(run: Run) -> None:
    all_records = check_shards(run, 2)
    publish_stores(run, all_records)
    write_manifest(all_records, run.results.manifest("consolidate"))


def due(run: Run) -> set[str]:
    """The names of the outputs whose jobs the Snakefile would have run."""
    return {Path(output).stem for output in list_outputs(run, find_backlog(run))}


def test_a_run_leaves_stores_records_and_manifests(run: Run) -> None:
    assert due(run) == {"consolidate", "report"}
    assert f"; all of them are done in {run.results.folder}" in summarise_run(run, find_backlog(run))
    consolidate(run)
    assert zarr.open_array(run.results.store / "0", mode="r").shape == (3, 1, 8, 24, 20)
    raw = zarr.open_array(run.results.raw_store(CHANNEL) / "0", mode="r")
    _, image = simulate.simulate_volume(0, 2, (8, 24, 20))
    np.testing.assert_array_equal(raw[2], image)
    assert due(run) == {"consolidate", "report"}, "the provenance is not written yet"


def test_a_block_that_is_done_starts_no_workers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightsheet.processing.team.start_workers", None)
    deconvolve_block(run, "t0000")


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_lost_shards_and_records_are_found(run: Run, kind: str) -> None:
    job = f"ingest.{CHANNEL}.t0000" if kind == "raw" else "deconvolve.t0002"
    outputs = {job, "consolidate", "report"}
    shard = run.results.shard(VolumeKey(kind, CHANNEL, 2), 0)
    shard.rename(shard.with_name("aside"))
    assert due(run) == outputs
    shard.with_name("aside").rename(shard)
    record = run.results.record(VolumeKey(kind, CHANNEL, 2))
    content = record.read_text()
    record.unlink()
    assert due(run) == outputs
    record.write_text(content)
    assert due(run) == {"consolidate", "report"}


@pytest.mark.parametrize("hidden", ["record", "shard"])
def test_consolidation_waits_for_what_another_node_wrote(
    run: Run, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setattr(files, "LAG_POLL_SECONDS", 0.1)
    shard = run.results.shard(VolumeKey("result", CHANNEL, 1), 0)
    path = run.results.record(VolumeKey("result", CHANNEL, 1)) if hidden == "record" else shard
    path.rename(path.with_name("hidden"))
    start = time.monotonic()
    threading.Timer(1, lambda: path.with_name("hidden").rename(path)).start()
    assert len(check_shards(run, 2)) == 6
    assert time.monotonic() - start > 0.9


def test_consolidation_refuses_a_volume_that_is_not_done(run: Run) -> None:
    write_json(run.results.record(VolumeKey("result", CHANNEL, 1)), records.make_failure("out of memory"))
    with pytest.raises(InputError, match=r"1 volumes are not done \(result CamA_ch0_488nm timepoint 1\)"):
        consolidate(run)
    assert not run.results.store.exists()


def test_consolidation_refuses_a_record_of_other_inputs(run: Run) -> None:
    path = run.results.record(VolumeKey("result", CHANNEL, 0))
    record = read_json(path)
    assert record is not None
    write_json(path, {**record, "fingerprint": "of an earlier run"})
    with pytest.raises(InputError, match="1 volumes are not done"):
        consolidate(run)
    assert due(run) == {"deconvolve.t0000", "consolidate", "report"}


def test_consolidation_takes_back_the_record_of_a_damaged_volume(run: Run) -> None:
    shard = run.results.shard(VolumeKey("raw", CHANNEL, 1), 0)
    content = bytearray(shard.read_bytes())
    content[50] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"raw CamA_ch0_488nm timepoint 1\) differs from the digest"):
        consolidate(run)
    assert due(run) == {f"ingest.{CHANNEL}.t0000", "consolidate", "report"}


def test_deconvolution_of_what_is_not_ingested_is_refused(run: Run) -> None:
    run.results.record(VolumeKey("raw", CHANNEL, 0)).unlink()
    with pytest.raises(InputError, match="timepoint 0 is not ingested"):
        deconvolve_block(run, "t0000")


def test_a_damaged_raw_volume_fails_alone_on_the_workers(run: Run) -> None:
    for kind in ("raw", "result"):
        run.results.shard(VolumeKey(kind, CHANNEL, 0), 0).unlink()
    run.results.record(VolumeKey("result", CHANNEL, 1)).unlink()
    with pytest.raises(InputError, match=r"(?s)1 of 2 volumes could not be deconvolved.*timepoint 0: .* is missing"):
        deconvolve_block(run, "t0000")
    assert files.read_json(run.results.record(VolumeKey("result", CHANNEL, 1)))["status"] == "done"
    (failure,) = list_failed_volumes(run)
    assert failure.startswith(f"result {CHANNEL} timepoint 0: ")
    assert failure.endswith("is ingested anew")
