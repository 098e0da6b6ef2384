"""Small acquisitions with which users of other tools had trouble, played in this process; no part of the project.

Each is a script that makes its files, starts Snakemake, and prints what came out.
"""

import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
import yaml

from lightsheet.processing import ingest_volume
from lightsheet.run import Run, find_backlog, prepare_run, summarise_run
from lightsheet.store import VolumeKey
from lightsheet.store.paths import Results
from lightsheet.store.volumes import read_volume
from lightsheet.system import InputError
from tests.support.reference_data import DATA

CASES = Path(os.environ.get("LIGHTSHEET_CASES", DATA.parent / "cases"))
ROOT = Path(__file__).parents[2]


class Played(NamedTuple):
    """What a script printed, the folder of its last run, and that run, unless it was refused."""

    output: str
    folder: Path
    run: Run | None
    refusal: str


def play(
    number: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    then: Callable[[Run], object] | None = None,
    common: Mapping[str, Any] | None = None,
) -> Played:
    """Play a case: in place of Snakemake its volumes are ingested, or `then` is done with its run.

    `common` replaces more of what the script imports.
    """
    folders = list(CASES.glob(f"{number:02}-*")) if CASES.is_dir() else []
    if not folders:
        pytest.skip(f"no case {number} in {CASES}: set LIGHTSHEET_CASES")
    runs: list[Run] = []
    refusals: list[str] = []
    places = [tmp_path]

    def snake(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, **_: object) -> tuple[int, str]:
        places.append(folder)
        with chdir(folder), mock.patch.dict(os.environ, env or {}):
            try:
                run = prepare_run(yaml.safe_load(Path("my.yaml").read_text(encoding="utf-8")))
                summary = summarise_run(run, find_backlog(run))
                if "-n" not in arguments:
                    (then or ingest)(run)
            except InputError as error:
                refusals.append(str(error))
                return 1, str(error)
        runs.append(run)
        return 0, summary

    def raw(folder: Path, channel: str, **_: object) -> np.ndarray:
        return np.stack([read_raw(folder, runs[-1], channel, t) for t in range(runs[-1].acquisition.timepoints)])

    with (
        mock.patch.dict(os.environ, {"MAIN": str(ROOT)}),
        mock.patch.object(tempfile, "tempdir", str(tmp_path)),
        mock.patch.object(sys, "path", [str(CASES), *sys.path]),
        chdir(ROOT),
    ):
        sys.modules.pop("common", None)  # that of another folder, or as a test before had changed it
        shared = import_module("common")
        with mock.patch.multiple(shared, **{"snake": snake, "raw": raw, **(common or {})}):
            runpy.run_path(str(folders[0] / "make.py"), run_name="__main__")
    printed = capsys.readouterr()
    return Played(printed.out + printed.err, places[-1], runs[-1] if runs else None, "".join(refusals))


def ingest(run: Run) -> None:
    """Ingest all volumes."""
    run.results.folder.mkdir(parents=True, exist_ok=True)
    for channel in run.channels:
        for timepoint, tiles in run.list_tiles(channel, range(run.acquisition.timepoints)):
            key = VolumeKey("raw", channel, timepoint)
            ingest_volume(run.results, key, tiles, run.layouts["raw"], 2, run.facts)


def read_raw(folder: Path, run: Run, channel: str, timepoint: int = 0) -> np.ndarray:
    """Read an ingested volume."""
    results = Results(folder / run.results.folder)
    return read_volume(results.work("raw", channel), timepoint)
