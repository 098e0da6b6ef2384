"""Blocks of timepoints: each timepoint has one job of each kind, and no later run sees other ones."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from lightsheet.acquisition import Acquisition, Volume
from lightsheet.run import blocks
from lightsheet.run.blocks import BlockSizes
from lightsheet.run.config import check_config
from lightsheet.run.run import Run
from lightsheet.store.paths import VolumeKey
from lightsheet.system.errors import InputError

GB = 10**9


def make(
    timepoints: int,
    timepoints_per_job: int | str = "auto",
    written: BlockSizes | None = None,
    shape: tuple[int, int, int] = (201, 1024, 768),
    folder: Path = Path("results"),
) -> Run:
    """Make a run of two channels of which no file exists."""
    names = ("red", "blue")
    config: dict[str, Any] = {
        "name": "a",
        "input": {"folder": "data"},
        "psf": {"files": dict.fromkeys(names, "psf.tif"), "voxel_size": {"z": 1, "y": 1, "x": 1}},
        "deconvolution": {"timepoints_per_job": timepoints_per_job},
        "output": {"folder": str(folder)},
    }
    volumes = tuple(Volume(name, t, None, ()) for t in range(timepoints) for name in names)
    wavelengths = dict.fromkeys(names)
    acquisition = Acquisition(Path("data"), names, wavelengths, timepoints, (1, 1, 1), None, volumes, (), ())
    return Run(check_config(config), acquisition, shape, "uint16", {}, written)


SIZES = strategies.integers(1, 40)


@given(
    timepoints=SIZES,
    timepoints_per_job=SIZES | strategies.just("auto"),
    ingest=SIZES,
    written=strategies.none() | SIZES,
)
def test_blocks_partition_the_timepoints_and_ingest_covers_what_is_deconvolved(
    timepoints: int, timepoints_per_job: int | str, ingest: int, written: int | None
) -> None:
    run = make(timepoints, timepoints_per_job, BlockSizes(ingest, written))
    manifests: dict[str, list[int]] = {}
    for name, times in run.ingest_blocks.items():
        manifests |= {run.name_ingest_manifest(channel, name): list(times) for channel in run.channels}
    for cut in (run.ingest_blocks, run.blocks):
        assert [t for times in cut.values() for t in times] == list(range(timepoints))
    for block, times in run.blocks.items():
        needed = run.list_ingest_manifests(block)
        for channel in run.channels:
            of_channel = [manifest for manifest in needed if f".{channel}." in manifest]
            assert all(manifests[manifest] for manifest in of_channel)
            assert {t for manifest in of_channel for t in manifests[manifest]} >= set(times)
            assert all(set(manifests[manifest]) & set(times) for manifest in of_channel), "it waits for no others"
    for key in run.list_keys():
        assert run.find_manifest(key) in run.list_manifests()
        if key.kind == "raw":
            assert key.timepoint in manifests[run.find_manifest(key)]


def test_by_default_one_job_has_all_timepoints_and_appended_ones_join_it() -> None:
    assert make(7).blocks == {"t0000": range(7)}
    assert make(9, written=make(7).chosen_sizes).blocks == {"t0000": range(9)}
    assert make(9).find_manifest(VolumeKey("result", "red", 8)).endswith("deconvolve.t0000.json")


def test_a_number_counts_whatever_is_written_but_only_for_deconvolution() -> None:
    assert list(make(7, 3, BlockSizes(4, None)).blocks) == ["t0000", "t0003", "t0006"]
    assert list(make(7, 3, BlockSizes(4, None)).ingest_blocks) == ["t0000", "t0004"]
    assert list(make(7, "auto", BlockSizes(4, 5)).blocks) == ["t0000", "t0005"], "what another version chose"
    assert make(7, 3).chosen_sizes == make(7).chosen_sizes, "a number is not what auto chose"


@pytest.mark.parametrize(
    ("volume_bytes", "timepoints", "size"),
    [
        (316_000_000, 199, 12),  # the reference: 51 jobs of three channels, and each reads 3.8 GB
        (10 * GB, 50, 1),
        (30_000, 20_000, 1000),
        (10 * GB, 20_000, 60),  # 60,000 volumes
    ],
)
def test_ingest_jobs_are_neither_short_nor_many(volume_bytes: int, timepoints: int, size: int) -> None:
    assert blocks.choose_sizes(volume_bytes, 3, timepoints).ingest == size
    assert 3 * timepoints / size <= 1000


def test_what_is_written_outlives_other_volumes_and_other_constants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(20, folder=tmp_path)
    first.record_blocks()
    monkeypatch.setattr(blocks, "INGEST_BYTES", GB)
    sizes = blocks.read_sizes(first.results.blocks, in_job=True)
    later = dataclasses.replace(make(30, folder=tmp_path, shape=(10, 10, 10)), written_sizes=sizes)
    assert later.ingest_blocks == {"t0000": range(12), "t0012": range(12, 24), "t0024": range(24, 30)}
    time = first.results.blocks.stat().st_mtime_ns
    later.record_blocks()
    assert first.results.blocks.stat().st_mtime_ns == time


DAMAGE = [
    *("", "[]", "{}", '{"ingest": 3', '{"ingest": 3}', '{"deconvolve": "all"}', '{"ingest": 0, "deconvolve": "all"}'),
    *('{"ingest": -3, "deconvolve": "all"}', '{"ingest": 1e400, "deconvolve": "all"}'),
    *('{"ingest": true, "deconvolve": "all"}', '{"ingest": 3.0, "deconvolve": "all"}'),
    *('{"ingest": 3, "deconvolve": null}', '{"ingest": 3, "deconvolve": "auto"}', '{"ingest": "3", "deconvolve": 1}'),
]


@pytest.mark.parametrize("text", DAMAGE)
def test_what_is_damaged_is_written_anew_but_stops_a_job(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = make(20, folder=tmp_path)
    path = run.results.blocks
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert blocks.read_sizes(path, in_job=False) is None
    with pytest.raises(InputError, match=r"work/blocks\.json, .*, is damaged: run the same command again"):
        blocks.read_sizes(path, in_job=True)
    with caplog.at_level(logging.WARNING):
        run.record_blocks()
    assert "blocks.json is damaged, or of another run: it is written anew" in caplog.text
    assert json.loads(path.read_text()) == {"ingest": 12, "deconvolve": "all"}


def test_what_is_absent_is_chosen_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make(20, folder=tmp_path)
    assert blocks.read_sizes(run.results.blocks, in_job=True) is None
    run.record_blocks()
    assert not caplog.text
    assert blocks.read_sizes(run.results.blocks, in_job=True) == BlockSizes(12, None)
