import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from blake3 import blake3

from lightsheet.processing import ingest
from lightsheet.processing.ingest import ingest_volume
from lightsheet.sources import list_facts, open_mosaic, read_metadata, source_digests
from lightsheet.store import records, shard
from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.volumes import StoreLayout, read_volume
from lightsheet.system import read_json
from lightsheet.system.errors import InputError

SHAPE = (6, 20, 18)
VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}
CODEC = {"name": "zstd", "configuration": {}}
RAW = StoreLayout.plan(SHAPE, VOXEL, "uint16", CODEC)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results" / "a")


@pytest.fixture
def tif(tmp_path: Path) -> Path:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).poisson(120, SHAPE).astype(np.uint16))
    return path


def run(results: Results, *paths: Path, timepoint: int = 0, layout: StoreLayout = RAW) -> records.Record:
    tiles = [((0, 0, x), [(str(path), None)]) for x, path in enumerate(paths)]
    return ingest_volume(results, VolumeKey("raw", "ch0", timepoint), tiles, layout, 2)


@pytest.mark.parametrize("slab", [1, 100, 10_000])
@pytest.mark.parametrize("chunk", [(6, 20, 18), (3, 10, 6), (2, 5, 9)])
def test_slabs_of_a_file_give_the_bytes_of_its_volume(
    tmp_path: Path, tif: Path, monkeypatch: pytest.MonkeyPatch, slab: int, chunk: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(shard, "SLAB_BYTES", slab)
    with open_mosaic([((0, 0, 0), [(str(tif), None)])], SHAPE, "uint16") as source:
        assert source.is_direct
        written = shard.write_shard(tmp_path / "a", source, chunk, CODEC, 2)
    assert written == shard.write_shard(tmp_path / "b", tifffile.imread(tif), chunk, CODEC, 2)


def test_ingest_stores_the_volume_and_records_its_source(results: Results, tif: Path) -> None:
    record = run(results, tif)
    np.testing.assert_array_equal(read_volume(results.work("raw", "ch0"), 0), tifffile.imread(tif))
    assert record == read_json(results.record(VolumeKey("raw", "ch0", 0)))
    (source,) = record["sources"]
    assert source["path"] == str(tif)
    assert source["bytes"] == tif.stat().st_size


def test_ingest_again_changes_nothing(results: Results, tif: Path) -> None:
    run(results, tif)
    before = {p: p.stat().st_mtime_ns for p in results.folder.rglob("*")}
    run(results, tif)
    assert {p: p.stat().st_mtime_ns for p in results.folder.rglob("*")} == before


def test_another_codec_is_another_shard(results: Results, tif: Path) -> None:
    first = run(results, tif)
    second = run(results, tif, layout=StoreLayout.plan(SHAPE, VOXEL, "uint16", {"name": "gzip"}))
    assert first["fingerprint"] != second["fingerprint"]


def test_tiles_are_put_edge_to_edge(results: Results, tmp_path: Path) -> None:
    whole = np.random.default_rng(1).poisson(120, SHAPE).astype(np.uint16)
    halves = [tmp_path / "0.tif", tmp_path / "1.tif"]
    tifffile.imwrite(halves[0], whole[:, :, :9])
    tifffile.imwrite(halves[1], whole[:, :, 9:])
    record = run(results, *halves)
    np.testing.assert_array_equal(read_volume(results.work("raw", "ch0"), 0), whole)
    assert len({source["blake3"] for source in record["sources"]}) == 2


def test_a_damaged_file_leaves_a_record_that_says_why(results: Results, tif: Path) -> None:
    run(results, tif)
    tif.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"a\.tif"):
        run(results, tif)
    record = read_json(results.record(VolumeKey("raw", "ch0", 0)))
    assert record is not None
    assert record["status"] == "failed"
    assert "a.tif" in record["error"]
    tif.unlink()
    with pytest.raises(InputError, match=r"a\.tif: cannot be read \(No such file"):
        run(results, tif)


def test_pages_of_a_file_are_a_volume_whose_digest_is_that_of_its_pixels(results: Results, tmp_path: Path) -> None:
    """Another volume of the same file changes: this one is not written again."""
    pixels = np.random.default_rng(2).poisson(120, (12, *SHAPE[1:])).astype(np.uint16)
    path = tmp_path / "all.tif"

    def ingest_even() -> records.Record:
        tifffile.imwrite(path, pixels, photometric="minisblack")
        tiles = [((0, 0, 0), [(str(path), (0, 12, 2))])]
        return ingest_volume(results, VolumeKey("raw", "ch0", 0), tiles, RAW, 2)

    record = ingest_even()
    np.testing.assert_array_equal(read_volume(results.work("raw", "ch0"), 0), pixels[::2])
    assert record["sources"][0]["blake3"] == blake3(pixels[::2].tobytes()).hexdigest()
    pixels[1] += 1
    assert ingest_even()["finished"] == record["finished"]
    pixels[2] += 1
    assert ingest_even()["fingerprint"] != record["fingerprint"]


def test_a_volume_without_files_is_a_hole_until_it_has_some(results: Results, tif: Path) -> None:
    record = run(results)
    assert record["missing"]
    assert record["statistics"] is None
    assert not read_volume(results.work("raw", "ch0"), 0).any()
    assert run(results) == record
    assert "missing" not in run(results, tif)
    np.testing.assert_array_equal(read_volume(results.work("raw", "ch0"), 0), tifffile.imread(tif))
    assert run(results)["missing"]


def test_a_file_that_vanishes_while_it_is_digested_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.tif: cannot be read \(No such file"):
        source_digests.digest_source(tmp_path / "gone.tif", None)


def test_a_file_replaced_while_it_is_read_is_not_believed(
    results: Results, tif: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the record would hold the new file's digest and the shard the old one's pixels, for ever."""
    digest, write_volume = source_digests.digest_source, ingest.write_volume
    is_read = threading.Event()

    def write(*arguments: Any) -> Any:
        try:
            return write_volume(*arguments)
        finally:
            is_read.set()

    def replace(path: str, pages: None) -> str:
        assert is_read.wait(60)
        tifffile.imwrite(path, np.zeros(SHAPE, np.uint16))
        return digest(path, pages)

    monkeypatch.setattr(source_digests, "digest_source", replace)
    monkeypatch.setattr(ingest, "write_volume", write)
    with pytest.raises(InputError, match=r"a\.tif: it changed while it was read"):
        run(results, tif)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused(results: Results, tmp_path: Path, value: float) -> None:
    volume = np.ones(SHAPE, np.float32)
    volume[3, 4, 5] = value
    tifffile.imwrite(tmp_path / "nan.tif", volume)
    with pytest.raises(InputError, match=r"nan\.tif: it holds NaN or infinity"):
        run(results, tmp_path / "nan.tif", layout=StoreLayout.plan(SHAPE, VOXEL, "float32", CODEC))


def test_a_file_that_says_something_else_of_itself_is_never_read(results: Results, tif: Path, tmp_path: Path) -> None:
    facts = list_facts(read_metadata(tif), [tif], VOXEL, is_auto=True)
    other = tmp_path / "b.tif"
    pixels = tifffile.imread(tif)
    axes = pixels.reshape(2, -1, *pixels.shape[1:])
    tifffile.imwrite(other, axes, imagej=True, metadata={"axes": "TZYX"})
    key = VolumeKey("raw", "ch0", 0)
    with pytest.raises(InputError, match=r"b\.tif: its pages are T=2"):
        ingest_volume(results, key, [((0, 0, 0), [(str(other), None)])], RAW, 2, facts)
    record = records.read_record(results, key)
    assert record
    assert "b.tif: its pages are T=2" in record["error"]
    assert ingest_volume(results, key, [((0, 0, 0), [(str(tif), None)])], RAW, 2, facts)["status"] == "done"
