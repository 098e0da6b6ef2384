import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from lightsheet.provenance import reader, verify
from lightsheet.run.run import Run
from lightsheet.store import pyramid
from lightsheet.store.shard import write_shard
from lightsheet.system.errors import InputError
from tests.support import tiny_run
from tests.support.verified_run import forge, with_settings

CHANNEL = "CamA_ch0_488nm"


@pytest.fixture
def damaged(request: pytest.FixtureRequest, finished: Run) -> Iterator[Path]:
    """An input with one bit flipped, for a while."""
    path = next(finished.acquisition.folder.glob(request.param))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    yield path
    path.write_bytes(content)


def test_every_volume_is_made_again_bit_for_bit(finished: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lightsheet")
    outcomes = verify.verify_volumes(finished.results.folder, 100, 1)
    assert [(o["channel"], o["timepoint"]) for o in outcomes] == [(c, t) for t in range(2) for c in tiny_run.NAMES]
    assert all(o["identical"] and o["passed"] and o["relative_l2"] == 0 for o in outcomes)
    assert caplog.messages[3].startswith("verify 3/4: CamA_ch0_488nm t1: identical to the store, bit for bit (")


def test_provenance_alone_suffices(copied: Path) -> None:
    for folder in ("work", "records", "psf"):
        shutil.rmtree(copied / folder)
    assert all(outcome["identical"] for outcome in verify.verify_volumes(copied, 4, 1))


@pytest.mark.slow
def test_integers_are_made_again_too(tmp_path: Path) -> None:
    run = tiny_run.make(tmp_path, output={"dtype": "uint16", "scale": 3.5})
    assert all(outcome["identical"] for outcome in verify.verify_volumes(run.results.folder, 4, 1))


def test_the_store_may_be_named_for_its_run(finished: Run) -> None:
    assert reader.read_crate(finished.results.store).folder == finished.results.folder.resolve()


@pytest.mark.slow
def test_a_copy_elsewhere_under_another_name_with_raw_files_elsewhere(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.results.folder, tmp_path / "theirs")
    raw = shutil.copytree(finished.acquisition.folder, tmp_path / "somewhere else")
    outcomes = verify.verify_volumes(tmp_path / "theirs", 4, 1, raw=raw)
    assert [outcome["identical"] for outcome in outcomes] == [True] * 4
    next(raw.glob("*ch0*")).unlink()
    with pytest.raises(InputError, match=r"somewhere else.* is missing.*--raw"):
        verify.verify_volumes(tmp_path / "theirs", 4, 1, raw=raw)


@pytest.mark.slow
def test_engines_verify_each_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lightsheet")
    run = tiny_run.make(tmp_path, deconvolution={"boundary": "replicate"})
    outcome = verify.verify_volumes(run.results.folder, 1, 1, engine="itk")[0]
    assert outcome["passed"]
    assert outcome["engine"] == "itk"
    assert not outcome["identical"]
    assert "made with engine itk instead of cpu: not bit for bit, but within 1e-05" in caplog.text
    with pytest.raises(InputError, match="skimage and cpu do not agree"):
        verify.verify_volumes(run.results.folder, 1, 1, engine="skimage")


def test_an_engine_without_such_a_boundary_is_refused(finished: Run) -> None:
    with pytest.raises(InputError, match="engine itk has no 'extended'"):
        verify.verify_volumes(finished.results.folder, 1, 1, engine="itk")


def test_without_a_gpu_its_volumes_are_made_on_the_cpu(
    copied: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lightsheet")
    monkeypatch.setattr("lightsheet.deconvolution.gpu_trial.is_available", lambda: False)
    forge(copied, lambda row: with_settings(engine="gpu")(row) or row.update(engine="gpu"))
    outcome = verify.verify_volumes(copied, 1, 1)[0]
    assert (outcome["engine"], outcome["passed"]) == ("cpu", True)
    assert "made with engine cpu instead of gpu: " in caplog.text


def test_the_seed_that_was_drawn_is_told(finished: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lightsheet")
    first = verify.verify_volumes(finished.results.folder, 2, 1)
    match = re.search(r"verifying 2 of 4 volumes of .*; --seed (\d+) chooses the same", caplog.text)
    assert match
    assert verify.verify_volumes(finished.results.folder, 2, 1, seed=int(match[1])) == first


@pytest.mark.slow
def test_seed_chooses(finished: Run) -> None:
    def chosen(seed: int) -> tuple[tuple[str, int], ...]:
        return tuple(
            (o["channel"], o["timepoint"]) for o in verify.verify_volumes(finished.results.folder, 2, 1, seed=seed)
        )

    assert len(chosen(1)) == 2
    assert chosen(1) == chosen(1)
    assert len({chosen(seed) for seed in range(8)}) > 1


def test_other_settings_than_recorded_are_noticed(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lightsheet")
    forge(copied, with_settings(iterations=3))
    outcome = verify.verify_volumes(copied, 1, 1)[0]
    assert not outcome["passed"]
    assert outcome["relative_l2"] > 1e-2  # one iteration of three
    assert "DIFFERS from the store" in caplog.text


@pytest.mark.parametrize(("error", "passed"), [(1e-6, True), (1e-4, False)])
def test_result_of_another_library_version_may_differ_a_little(
    copied: Path, caplog: pytest.LogCaptureFixture, error: float, passed: bool
) -> None:
    caplog.set_level(logging.INFO, "lightsheet")
    place = copied / "tiny.ome.zarr" / "0"
    shard = place / "c" / "0" / "0" / "0" / "0" / "0"
    stored = np.asarray(zarr.open_array(place, mode="r")[0, 0]) * np.float32(1 + error)
    written = write_shard(shard, stored, pyramid.choose_chunk(stored.shape), {"name": "blosc"}, 1)
    forge(
        copied,
        lambda row: row["timepoint"] + row["channel_index"] == "00" and row.update(result_blake3=written.blake3),
    )
    outcome = verify.verify_volumes(copied, 4, 1)[0]
    assert outcome["relative_l2"] == pytest.approx(error, rel=0.1)  # 1 + 1e-6 is 8 steps of float32
    assert (outcome["identical"], outcome["passed"]) == (False, passed)
    line = "not bit for bit, but within 1e-05 of the store" if passed else "DIFFERS from the store"
    assert line in caplog.messages[1]


@pytest.mark.parametrize("damaged", ["*ch0*stack0000*001x*.tif"], indirect=True)
def test_changed_or_missing_input_is_named(finished: Run, damaged: Path) -> None:
    with pytest.raises(InputError, match="digest differs; put the original back") as error:
        verify.verify_volumes(finished.results.folder, 4, 1)
    assert str(damaged) in str(error.value)
    damaged.unlink()
    with pytest.raises(InputError, match=r"is missing.*put the original back") as error:
        verify.verify_volumes(finished.results.folder, 4, 1)
    assert str(damaged) in str(error.value)


def test_changed_or_missing_psf_is_named(copied: Path) -> None:
    psf = copied / "provenance" / "psf" / f"{CHANNEL}.tif"
    psf.write_bytes(psf.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"psf/.*digest differs; remove ro-crate"):
        verify.verify_volumes(copied, 4, 1)
    psf.unlink()
    with pytest.raises(InputError, match=r"psf/.*is missing"):
        verify.verify_volumes(copied, 4, 1)


@pytest.mark.parametrize("store", ["tiny.ome.zarr", f"raw/{CHANNEL}.ome.zarr"])
def test_damaged_or_missing_shard_is_named(copied: Path, store: str) -> None:
    shard = next(path for path in sorted((copied / store / "0").rglob("*")) if path.name == "0" and path.is_file())
    content = bytearray(shard.read_bytes())
    content[5] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match="digest differs; remove what is there and run") as error:
        verify.verify_volumes(copied, 4, 1)
    assert str(shard) in str(error.value)
    shard.unlink()
    with pytest.raises(InputError, match=r"is missing.*run the workflow again"):
        verify.verify_volumes(copied, 4, 1)


def test_raw_store_with_other_pixels_than_the_files_is_named(copied: Path) -> None:
    """Tiles swapped: every file and every shard is whole, and yet they do not fit."""
    forge(copied, lambda row: row.update(tiles="z0y0x1 z0y0x0"))
    with pytest.raises(InputError, match=rf"raw/{CHANNEL}.ome.zarr/0/c/0/0/0/0 does not hold the pixels of .*_000x"):
        verify.verify_volumes(copied, 4, 1)


@pytest.mark.parametrize("name", ["config.yaml", "volumes.csv"])
def test_changed_provenance_is_named(copied: Path, name: str) -> None:
    path = copied / "provenance" / name
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match=rf"{name} is not the file.*remove ro-crate-metadata.json"):
        verify.verify_volumes(copied, 1, 1)


def test_a_folder_without_provenance_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ro-crate-metadata.json: there is no provenance here"):
        verify.verify_volumes(tmp_path, 1, 1)
    for content in ("[]", "{}", '{"@graph": 1}', '{"@graph": [{}]}'):
        (tmp_path / "ro-crate-metadata.json").write_text(content)
        with pytest.raises(InputError, match=r"ro-crate-metadata.json is no RO-Crate; remove"):
            verify.verify_volumes(tmp_path, 1, 1)
    (tmp_path / "ro-crate-metadata.json").write_text('{"@graph": []}')
    with pytest.raises(InputError, match=r"config.yaml is missing"):
        verify.verify_volumes(tmp_path, 1, 1)


def test_a_volume_may_be_of_thousands_of_files(copied: Path) -> None:
    """Their names and digests take more than Python's csv reads of a cell by itself."""
    forge(copied, lambda row: row.update(sources=" ".join(["plane.tif"] * 20_000)))
    assert len(reader.read_crate(copied).rows[0]["sources"]) > 131_072


def test_no_volumes_is_refused(finished: Run) -> None:
    with pytest.raises(InputError, match="volumes: 0 is too few"):
        verify.verify_volumes(finished.results.folder, 0, 1)
