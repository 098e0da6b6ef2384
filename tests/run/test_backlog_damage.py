"""What is damaged, unreadable or of another version among a run's files: none of it hides what is due."""

import errno
import io
import shutil
from typing import Any

import pytest

from lightsheet.run.backlog import NEW, find_backlog
from lightsheet.run.run import Run
from lightsheet.store.paths import shard_path
from lightsheet.system import InputError, read_json, write_json
from tests.support.backlogs import CHANNEL, RAW, RESULT, due, reasons, summary
from tests.support.families import parametrize


def test_a_volume_that_failed_before_is_tried_again(run: Run) -> None:
    write_json(run.results.record(RAW), {"status": "failed", "error": "cut off"})
    assert reasons() == {RAW: "its last attempt failed"}
    assert summary() == "1 volume again: its last attempt failed"
    assert due(run) == {f"ingest.{CHANNEL}.t0000", "consolidate", "report.html"}, "manifests or not"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"status": "done"}', b'{"status": 3}', b"\xff\xfe", b"null"])
def test_what_is_no_record_counts_as_none(run: Run, content: bytes) -> None:
    run.results.record(RESULT).write_bytes(content)
    assert reasons() == {RESULT: NEW}


@pytest.mark.parametrize("target", ["nowhere", "t0000.json"])
def test_a_record_that_cannot_be_opened_hides_no_other(run: Run, target: str) -> None:
    """A link to nothing or to itself; `-n` meets files that the run, which it does not wait for, has just removed."""
    path = run.results.record(RESULT)
    path.unlink()
    path.symlink_to(target)
    assert reasons() == {RESULT: NEW}


def test_a_folder_of_records_that_cannot_be_read_is_told(run: Run) -> None:
    folder = run.results.record(RESULT).parent
    shutil.rmtree(folder)
    folder.symlink_to(folder.name)
    with pytest.raises(InputError, match="records/result/CamA_ch0_488nm: cannot be read"):
        find_backlog(run)


@pytest.mark.parametrize(
    "name", ["results/tiny/psf/CamA_ch0_488nm.tif", "results/tiny/inventory.csv", "my data/488.tif"]
)
def test_a_file_without_permission_to_read_it_is_told(run: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root, as tests may be run by, would be let in."""
    opening = io.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path) == name:
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return opening(path, *arguments, **options)

    monkeypatch.setattr(io, "open", refuse)
    with pytest.raises(InputError, match=f"{name}: cannot be read"):
        find_backlog(run)


def test_a_damaged_list_of_files_is_none(run: Run) -> None:
    write_json(run.results.files, {"a": 1})
    assert reasons() == {}


@pytest.mark.parametrize("content", [{"a": 1}, [], {"shape": [9, 2, 6, 20, 24]}])
def test_a_store_with_other_metadata_is_published_again(run: Run, content: Any) -> None:
    for store in (run.results.store, run.results.raw_store(CHANNEL)):
        before = (store / "0" / "zarr.json").read_text()
        write_json(store / "0" / "zarr.json", content)
        assert summary() == f"to be published: {store.name} is damaged"
        (store / "0" / "zarr.json").write_text(before)


NO_VALUES: list[Any] = [None, 5, "x", [1], {"a": 1}]


@parametrize("value", NO_VALUES, quick=2)
def test_a_record_with_an_impossible_field_counts_as_none(run: Run, value: Any) -> None:
    for key, field in [
        (RAW, "sources"),
        (RAW, "shards"),
        (RESULT, "shards"),
        (RESULT, "settings"),
        (RESULT, "seconds"),
    ]:
        path = run.results.record(key)
        text = path.read_text()
        write_json(path, {**read_json(path), field: value})
        fits = isinstance(value, dict) and field in ("settings", "seconds")
        assert reasons() == ({} if fits else {key: NEW}), field
        path.write_text(text)


@pytest.mark.parametrize("value", NO_VALUES)
@pytest.mark.parametrize("field", ["inputs", "files", "source"])
def test_a_psf_with_impossible_facts_is_prepared_again(run: Run, field: str, value: Any) -> None:
    path = run.results.psf(CHANNEL, ".json")
    write_json(path, {**read_json(path), field: value})
    assert f"{CHANNEL}.tif" in due(run)


@pytest.mark.parametrize("graph", [*NO_VALUES, [{"contentSize": "3"}]])
def test_an_impossible_crate_is_written_again(run: Run, graph: Any) -> None:
    write_json(run.results.crate, {"@graph": graph})
    assert due(run) == {"consolidate", "report.html"}


def test_a_record_of_an_earlier_version_is_not_taken_for_one_of_today(run: Run) -> None:
    path = run.results.record(RESULT)
    record = read_json(path)
    del record["algorithm"]
    write_json(path, {**record, "fingerprint": "of an earlier version"})
    assert summary() == "1 volume again: an earlier version of the workflow made it"


@pytest.mark.parametrize("content", [b"", b"short", None])
def test_a_published_shard_that_is_missing_empty_or_short_is_published_again(run: Run, content: bytes | None) -> None:
    for shard in (shard_path(run.results.store, 0, (1, 1)), shard_path(run.results.raw_store(CHANNEL), 0, (1,))):
        before = shard.read_bytes()
        shard.unlink()  # a copy, as without hard links
        if content is not None:
            shard.write_bytes(content)
        assert due(run) == {"consolidate", "report.html"}
        store = next(parent.name for parent in shard.parents if parent.suffix == ".zarr")
        assert summary().startswith("to be published: the shard of")
        assert summary().endswith(f"in {store} is missing or damaged")
        shard.unlink(missing_ok=True)
        shard.write_bytes(before)
    assert due(run) == set()
