"""Room on the disk for copies of volumes, where a file system makes no hard links."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.run.disk import check_copies
from lightsheet.run.prepare import prepare_run
from lightsheet.run.run import Run
from lightsheet.store.paths import shard_path
from lightsheet.system.errors import InputError

RAW, RESULT = 5 * 320 * 2, 10 * 320 * 4
"""Bytes of five raw volumes of a channel, and of the ten results."""

CONFIG: dict[str, Any] = {
    "name": "a",
    "input": {"folder": "data", "pattern": "{channel}_{timepoint}.tif"},
    "voxel_size": {"z": 0.3, "y": 0.1, "x": 0.1},
    "psf": {"files": dict.fromkeys(("red", "blue"), "psf.tif"), "voxel_size": {"z": 0.3, "y": 0.1, "x": 0.1}},
    "deconvolution": {"engine": "cpu", "iterations": 2, "background": 0, "timepoints_per_job": 5},
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two channels, five timepoints, volumes of 320 voxels."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for channel in ("red", "blue"):
        for timepoint in range(5):
            tifffile.imwrite(f"data/{channel}_{timepoint}.tif", np.zeros((5, 8, 8), np.uint16))
    tifffile.imwrite("psf.tif", np.ones((5, 5, 5), np.uint16))
    return prepare_run(CONFIG)


def set_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9 - free, free))


@pytest.fixture
def _no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: Any, _target: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


def test_hard_links_need_no_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    set_free(monkeypatch, 0)
    check_copies(run)
    assert not run.results.folder.exists()


@pytest.mark.usefixtures("_no_links")
def test_copies_need_as_much_as_the_volumes(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_free(monkeypatch, 2 * (2 * RAW + RESULT) - 1)
    with pytest.raises(InputError, match=r"needs up to 38\.4 kB more \(volumes, and copies .* no hard links"):
        check_copies(run)
    set_free(monkeypatch, 2 * (2 * RAW + RESULT))
    check_copies(run)
    assert "take at most 19.2 kB more" in caplog.text


@pytest.mark.usefixtures("_no_links")
def test_while_copies_are_replaced_one_store_is_there_twice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {run.results.raw_store("red"): RAW, run.results.raw_store("blue"): RAW, run.results.store: RESULT}
    for store, size in sizes.items():
        shard = shard_path(store, 0, (0,))
        shard.parent.mkdir(parents=True)
        shard.write_bytes(bytes(size))
    set_free(monkeypatch, 2 * RAW + 2 * RESULT - 1)
    with pytest.raises(InputError, match=r"needs up to 32\.0 kB more"):
        check_copies(run)
    set_free(monkeypatch, 2 * RAW + 2 * RESULT)
    check_copies(run)
