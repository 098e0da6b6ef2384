"""Results direct from the files: the same as by way of raw stores, and no copy of a pixel."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.provenance import compare_results, read_crate, read_volumes, verify_volumes
from lightsheet.provenance.repeat import make_config
from lightsheet.run import find_backlog
from lightsheet.run.backlog import RAW_COPY
from lightsheet.run.discard import discard_raw
from lightsheet.run.run import Run
from lightsheet.store.paths import VolumeKey
from lightsheet.system import files
from lightsheet.system.errors import InputError
from lightsheet.viewing import export_volumes
from lightsheet.viewing.projections import project_volume
from tests.support import tiny_run
from tests.support.tiny_run import NAMES

FIRST, SECOND = NAMES


def prepare(folder: Path, raw: str, **sections: Any) -> Run:
    return tiny_run.prepare(folder, output={"raw": raw}, **sections)


@pytest.fixture(scope="module")
def keep(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.make(tmp_path_factory.mktemp("kept"), output={"raw": "keep"})


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.make(tmp_path_factory.mktemp("straight"), output={"raw": "none"})


def read_record(run: Run, kind: str, t: int = 0) -> Any:
    return files.read_json(run.results.record(VolumeKey(kind, FIRST, t)))


def digest_store(run: Run) -> dict[str, str]:
    shards = [path for path in run.results.store.rglob("*") if path.is_file() and path.name != "zarr.json"]
    return {str(path.relative_to(run.results.store)): files.digest_sha256(path) for path in shards}


def test_results_and_what_is_known_of_the_images_are_the_same(keep: Run, direct: Run) -> None:
    assert digest_store(direct) == digest_store(keep)
    for kind, names in {"raw": ("source", "statistics"), "result": ("fingerprint", "statistics", "shards")}.items():
        for name in names:
            assert read_record(direct, kind)[name] == read_record(keep, kind)[name], name
    assert keep.results.raw_store(FIRST).exists()


def test_no_pixel_is_written_but_the_results(direct: Run) -> None:
    """What has pixels in it are the shards of the results, which work area and store share."""
    shards = {p.stat().st_ino: p.stat().st_size for p in direct.results.folder.rglob("c/**/0") if p.is_file()}
    recorded = [
        shard["bytes"] for key in direct.list_keys() for shard in files.read_json(direct.results.record(key))["shards"]
    ]
    assert sorted(shards.values()) == sorted(recorded)
    assert len(recorded) == 4 * len(direct.layouts["result"].levels)
    assert not direct.results.raw_store(FIRST).parent.exists()
    assert not direct.results.work("raw", FIRST).exists()


def test_of_a_finished_run_nothing_is_due(direct: Run) -> None:
    backlog = find_backlog(prepare(direct.results.folder.parents[1], "none"))
    assert not backlog.volumes
    assert not backlog.publication


def test_raw_pictures_and_exports_are_read_from_the_files(keep: Run, direct: Run, tmp_path: Path) -> None:
    key = VolumeKey("raw", SECOND, 1)
    for one, other in zip(project_volume(direct.results, key), project_volume(keep.results, key), strict=True):
        np.testing.assert_array_equal(one, other)
    copies = [
        export_volumes(run.results.folder, "ome-tiff", tmp_path / name, "raw", timepoints="1")[0]
        for name, run in (("kept", keep), ("straight", direct))
    ]
    np.testing.assert_array_equal(*map(tifffile.imread, copies))
    images = [read_volumes(run.results, "raw") for run in (keep, direct)]
    assert [channel.omero for channel in images[0].channels] == [channel.omero for channel in images[1].channels]
    for name in ("levels", "voxel_size", "dtype", "interval", "seconds", "missing", "origin", "extra"):
        assert getattr(images[0], name) == getattr(images[1], name), name


def test_it_is_verified_compared_and_repeated(keep: Run, direct: Run) -> None:
    assert all(outcome["identical"] for outcome in verify_volumes(direct.results.folder, 4, 1))
    assert all(o["identical"] and o["same_raw"] for o in compare_results(direct.results.folder, keep.results.folder))
    assert make_config(read_crate(direct.results.folder), direct.acquisition.folder)["output"]["raw"] == "none"


def test_a_raw_volume_whose_file_is_another_now_is_a_sentence(direct: Run, tmp_path: Path) -> None:
    path = Path(read_record(direct, "raw", 1)["sources"][0]["path"])
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(InputError, match="is not the file that the provenance names"):
            export_volumes(direct.results.folder, "ome-tiff", tmp_path, "raw", timepoints="1")
        path.unlink()
        with pytest.raises(InputError, match="is missing, but the provenance names it"):
            export_volumes(direct.results.folder, "ome-tiff", tmp_path, "raw", timepoints="1")
    finally:
        path.write_bytes(content)


@pytest.mark.slow
def test_keep_and_none_change_no_result_and_leave_no_stale_store(tmp_path: Path) -> None:
    run = tiny_run.make(tmp_path, output={"raw": "keep"})
    results, store = (
        {p: p.stat().st_mtime_ns for p in run.results.record(VolumeKey("result", FIRST, 0)).parent.iterdir()},
        digest_store(run),
    )

    direct = prepare(tmp_path, "none")
    backlog = find_backlog(direct)
    assert not backlog.volumes
    assert backlog.publication == "output.raw keep -> none"
    tiny_run.finish(direct)
    assert not direct.results.raw_store(FIRST).exists()
    assert not direct.results.work("raw", FIRST).exists()
    assert not find_backlog(prepare(tmp_path, "none")).volumes

    again = prepare(tmp_path, "keep")
    backlog = find_backlog(again)
    assert set(backlog.volumes.values()) == {RAW_COPY}
    assert {key.kind for key in backlog.volumes} == {"raw"}
    assert not any(backlog.has(key) for key in again.list_keys() if key.kind == "result")
    tiny_run.finish(again)
    assert not find_backlog(prepare(tmp_path, "keep")).volumes
    assert {p: p.stat().st_mtime_ns for p in results} == results
    assert digest_store(again) == store


@pytest.mark.slow
def test_the_last_copy_of_pixels_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tiny_run.make(tmp_path, output={"raw": "keep"})
    for path in (tmp_path / "my data").glob("*ch0*stack0001*"):
        path.unlink()
    part = prepare(tmp_path, "none", input={"missing": "fill", "select": {"timepoints": 0}})
    tiny_run.finish(part)
    assert part.results.raw_store(FIRST).exists()
    assert not part.results.raw_store(SECOND).exists()
    assert "stays, although output.raw is none" in caplog.text
    assert read_volumes(part.results, "raw").seconds == (0.0,), "the store that stays is not this result's"


@pytest.mark.slow
def test_another_date_costs_no_deconvolution_and_other_pixels_are_noticed_under_the_same_date(tmp_path: Path) -> None:
    run = tiny_run.make(tmp_path, output={"raw": "none"})
    path, result = (
        Path(read_record(run, "raw")["sources"][0]["path"]),
        run.results.record(VolumeKey("result", FIRST, 0)),
    )
    before, time = read_record(run, "result"), result.stat().st_mtime_ns
    os.utime(path, ns=(1, 1))
    again = prepare(tmp_path, "none")
    assert set(find_backlog(again).volumes) == {VolumeKey("raw", FIRST, 0)}
    tiny_run.finish(again)
    assert result.stat().st_mtime_ns == time
    assert not find_backlog(prepare(tmp_path, "none")).volumes

    size, pixels = path.stat().st_size, tifffile.imread(path)
    pixels[3, 5, 5] = 4000
    tifffile.imwrite(path, pixels)
    assert path.stat().st_size == size
    os.utime(path, ns=(1, 1))
    result.unlink()
    tiny_run.finish(again)
    after = read_record(again, "result")
    assert after["source"] != before["source"]
    assert after["source"] == read_record(again, "raw")["source"]
    assert after["shards"][0]["blake3"] != before["shards"][0]["blake3"]


def test_copies_of_which_no_record_tells_the_source_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Records that somebody removed prove nothing; a later run may not select those timepoints."""
    run = tiny_run.make(tmp_path, output={"raw": "keep"})
    run.results.record(VolumeKey("raw", FIRST, 1)).unlink()
    discard_raw(run.results, FIRST)
    assert "no record says what timepoint 1 was copied from" in caplog.text
    assert run.results.raw_store(FIRST).exists()
    shutil.rmtree(run.results.work("raw", SECOND))
    discard_raw(run.results, SECOND)
    assert run.results.raw_store(SECOND).exists()
