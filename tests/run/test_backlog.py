"""What is to be done, and why: every change of what decides the pixels is noticed, whatever the dates of files."""

import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tifffile

from lightsheet.run.backlog import NEW, find_backlog
from lightsheet.run.progress import list_outputs, summarise_run
from lightsheet.run.publication import read_identity
from lightsheet.run.run import Run
from lightsheet.store.paths import VolumeKey, shard_path
from lightsheet.system import InputError, files, read_json, write_json
from tests.support import tiny_run
from tests.support.families import parametrize

CHANNEL = "CamA_ch0_488nm"
RAW, RESULT = VolumeKey("raw", CHANNEL, 0), VolumeKey("result", CHANNEL, 0)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in a folder that tests copy, so that it has relative paths."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = tiny_run.make(Path())
        files.write_text(run.results.report, f'<meta name="publication" content="{read_identity(run.results.store)}">')
    return folder


@pytest.fixture
def run(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tiny_run.prepare(Path())


def reasons(**sections: dict[str, Any]) -> dict[VolumeKey, str]:
    return dict(find_backlog(tiny_run.prepare(Path(), **sections)).volumes)


def summary(**sections: dict[str, Any]) -> str:
    run = tiny_run.prepare(Path(), **sections)
    return summarise_run(run, find_backlog(run)).partition("\n")[2]


def due(run: Run) -> set[str]:
    return {Path(output).name.removesuffix(".json") for output in list_outputs(run, find_backlog(run))}


def test_of_a_finished_run_nothing_is_due(run: Run) -> None:
    assert due(run) == set()
    assert summary() == ""


@pytest.mark.usefixtures("run")
def test_that_something_is_to_be_chosen_first_is_told() -> None:
    assert reasons(input={"fill": "none"}) == {}
    assert summary(input={"fill": "none"}) == (
        "CamA_ch0_488nm, CamA_ch1_560nm: volumes that are done may be done again: what the configuration leaves to be "
        "chosen from the pixels is chosen first"
    )


def first_tiff(run: Run) -> Path:
    return Path(run.list_sources(CHANNEL)[0])


def replace_older(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, (1e9, 1e9))


def replace_at_the_same_time(path: Path) -> None:
    stat = path.stat()
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("replace", [replace_older, replace_at_the_same_time])
def test_a_tiff_of_another_size_is_another_whatever_its_date(run: Run, replace: Callable[[Path], None]) -> None:
    replace(first_tiff(run))
    assert reasons() == dict.fromkeys([RAW, RESULT], "its TIFF changed")
    assert summary() == "1 volume again: its TIFF changed"


def test_a_tiff_with_an_older_date_is_looked_at(run: Run) -> None:
    os.utime(first_tiff(run), (1e9, 1e9))
    assert reasons() == {RAW: "its TIFF changed its date"}, "whether its result is due, the digest will tell"
    assert summary() == "1 volume again: its TIFF changed its date"
    assert summary(deconvolution={"iterations": 4}) == (
        "3 volumes again: iterations 2 -> 4; 1 volume again: its TIFF changed its date, iterations 2 -> 4"
    )


@pytest.mark.usefixtures("run")
def test_a_setting_that_changed_is_named_with_its_values() -> None:
    changed = {"deconvolution": {"iterations": 4, "background": {CHANNEL: "auto", "CamA_ch1_560nm": 90}}}
    chosen = read_json(Path("results/tiny/records/channels.json"))["CamA_ch1_560nm"]["background"]["value"]
    assert summary(**changed) == (
        f"2 volumes again: iterations 2 -> 4; 2 volumes again: iterations 2 -> 4, background {chosen} -> 90"
    )


@pytest.mark.usefixtures("run")
def test_the_codec_is_named_and_redoes_raw_and_result() -> None:
    text = summary(output={"codec": {"name": "zstd", "configuration": {"level": 3}}})
    assert text.startswith("4 volumes again: codec blosc(")
    assert text.endswith("-> zstd(level 3)")


@pytest.mark.usefixtures("run")
def test_what_changes_no_pixel_redoes_nothing() -> None:
    assert not reasons(output={"scale": 2}), "it is for uint16"
    assert not reasons(deconvolution={"iterations": 2.0})


@pytest.mark.usefixtures("run")
def test_another_version_of_the_algorithm_redoes_all_of_a_movie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightsheet.processing.fingerprint.ALGORITHM_VERSION", 99)
    assert summary() == "4 volumes again: algorithm version 3 -> 99"


@pytest.mark.usefixtures("run")
def test_another_kind_of_engine_redoes_all() -> None:
    automatic = tiny_run.prepare(Path(), deconvolution={"engine": "auto"})
    assert not find_backlog(automatic, ("cpu",)).volumes
    assert not find_backlog(automatic).volumes, "where the workers are is not known: either kind is taken"
    assert set(find_backlog(automatic, ("gpu",)).volumes.values()) == {"engine cpu -> gpu"}


def test_another_version_of_a_library_redoes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numpy.__version__", "99")
    assert due(run) == set()


@pytest.mark.parametrize("seconds", [1e9, 2e9])
def test_another_psf_is_noticed_whatever_its_date(run: Run, seconds: float) -> None:
    path = Path(run.find_psf_file(CHANNEL))
    tifffile.imwrite(path, tifffile.imread(path)[::-1])
    os.utime(path, (seconds, seconds))
    assert summary().splitlines()[0] == "2 volumes again: their PSF changed"  # a date in the future is told, too
    assert "2 volumes again: their PSF changed, iterations 2 -> 3" in summary(deconvolution={"iterations": 3})
    assert f"{CHANNEL}.tif" in due(run)


def test_another_psf_of_the_same_size_and_date_is_noticed(run: Run) -> None:
    path = Path(run.find_psf_file(CHANNEL))
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-9] + bytes(reversed(content[-9:])))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert summary() == "2 volumes again: their PSF changed"
    assert "2 volumes again: their PSF changed, iterations 2 -> 3" in summary(deconvolution={"iterations": 3})
    assert f"{CHANNEL}.tif" in due(run)


def test_a_psf_with_another_date_alone_redoes_no_volume(run: Run) -> None:
    os.utime(run.find_psf_file(CHANNEL))
    assert not reasons()
    assert due(run) == {f"{CHANNEL}.tif"}


@pytest.mark.usefixtures("run")
def test_settings_of_the_psf_are_named() -> None:
    assert summary(psf={"background": 3}) == "4 volumes again: psf.background auto -> 3"


@pytest.mark.parametrize("suffix", [".tif", ".png", ".json"])
def test_a_psf_that_was_damaged_or_lost_is_prepared_again(run: Run, suffix: str) -> None:
    path = run.results.psf(CHANNEL, suffix)
    content = path.read_bytes()
    for damage in (content[:-9], None):
        path.write_bytes(damage) if damage else path.unlink()
        assert f"{CHANNEL}.tif" in due(run)


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


def test_what_is_of_another_publication_is_made_again(run: Run) -> None:
    """A kill can come between any two of the stores, the provenance and the report."""
    results = run.results
    store = files.read_json(results.store / "zarr.json")
    for path, outputs in {
        results.store / "zarr.json": {"consolidate", "report.html"},
        results.raw_store(CHANNEL) / "zarr.json": {"consolidate", "report.html"},
        results.crate: {"consolidate", "report.html"},
        results.folder / "provenance" / "volumes.csv": {"consolidate", "report.html"},
        results.store / "0" / "zarr.json": {"consolidate", "report.html"},
        results.report: {"report.html"},
        results.inventory: {"consolidate", "inventory.csv", "report.html"},
    }.items():
        content = path.read_text()
        identity = store["attributes"]["lightsheet"]["publication"]
        path.write_text(content.replace(identity, "f" * 64) if identity in content else "")
        assert due(run) == outputs, path
        path.unlink()
        assert due(run) == outputs, path
        path.write_text(content)
    assert due(run) == set()


@pytest.mark.usefixtures("run")
def test_a_timepoint_that_is_gone_is_published_again() -> None:
    for path in Path("my data").glob("*stack0001*"):
        path.unlink()
    assert due(tiny_run.prepare(Path())) == {"consolidate", "inventory.csv", "report.html"}
