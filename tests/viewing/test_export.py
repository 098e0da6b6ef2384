"""What the exports have in common: the choice, the refusals, that all is whole or absent. Pixels: test_export_*.py."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from lightsheet import cli
from lightsheet.store import published_image
from lightsheet.store.paths import shard_path
from lightsheet.system.errors import DiskError, InputError
from lightsheet.viewing import export
from tests.support import published_run
from tests.support.families import parametrize
from tests.support.published_run import CHANNELS, Run

FIRST, SECOND = CHANNELS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of five timepoints, the last not recorded, nor the second channel's third."""
    holes = [(FIRST, 4), (SECOND, 4), (SECOND, 2)]
    return published_run.make(tmp_path_factory.mktemp("export"), (4, 10, 12), timepoints=5, missing=holes)


@pytest.mark.parametrize(
    ("text", "timepoints"),
    [("0:10:2,15", [0, 2, 4, 6, 8, 15]), ("3", [3]), (":", list(range(20))), ("18:", [18, 19]), (":2, 1", [0, 1])],
)
def test_choices_of_timepoints_are_parsed(text: str, timepoints: list[int]) -> None:
    assert export.parse_timepoints(text, 20) == timepoints


@pytest.mark.parametrize("text", ["20", "10:21", "5:5", "30:", "0,20"])
def test_timepoints_that_there_are_not_are_named(text: str) -> None:
    with pytest.raises(InputError, match=r"is not among the timepoints 0 to 19 of this run"):
        export.parse_timepoints(text, 20)


@pytest.mark.parametrize("text", ["a", "-1", "1:2:0", "1:2:3:4", "1;2", "1,,2", "1.5"])
def test_what_is_no_choice_of_timepoints_is_named(text: str) -> None:
    with pytest.raises(InputError, match="is neither a number nor START:END"):
        export.parse_timepoints(text, 20)


def test_channels_and_timepoints_are_chosen(run: Run, tmp_path: Path) -> None:
    paths = export.export_volumes(run.results.folder, "ome-tiff", tmp_path, channels=[SECOND, FIRST], timepoints="1,3")
    assert paths == [tmp_path / "run_t0001.ome.tif", tmp_path / "run_t0003.ome.tif"]
    for path, t in zip(paths, (1, 3), strict=True):
        swapped = np.stack([run.volumes["result", t, c] for c in (1, 0)])
        np.testing.assert_array_equal(tifffile.imread(path), swapped)


def test_raw_volumes_have_a_name_of_their_own(run: Run, tmp_path: Path) -> None:
    paths = export.export_volumes(run.results.folder, "ome-zarr-0.4", tmp_path, "raw", [SECOND], "1")
    assert paths == [tmp_path / "run_raw.ome.zarr"]
    np.testing.assert_array_equal(zarr.open_array(paths[0] / "0", mode="r")[0, 0], run.volumes["raw", 1, 1])


def test_holes_are_said_and_left_out_where_nothing_is_left(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lightsheet")
    paths = export.export_volumes(run.results.folder, "ome-tiff", tmp_path, timepoints="1:")
    assert [path.name for path in paths] == [f"run_t000{t}.ome.tif" for t in (1, 2, 3)]
    assert "timepoint 4 was not recorded: left out" in caplog.text
    assert f"timepoint 2 of {SECOND} was not recorded: it is empty" in caplog.text
    np.testing.assert_array_equal(np.isnan(tifffile.imread(paths[1])).all(axis=(1, 2, 3)), [False, True])
    assert [f"exporting {n}/3" in caplog.text for n in (1, 2, 3)] == [True] * 3
    with pytest.raises(InputError, match="none of them was recorded"):
        export.export_volumes(run.results.folder, "ome-tiff", tmp_path, timepoints="4")


@pytest.mark.parametrize("form", export.FORMATS)
def test_an_earlier_export_is_not_overwritten(run: Run, tmp_path: Path, form: str) -> None:
    (first, *_) = export.export_volumes(run.results.folder, form, tmp_path, timepoints="1")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(InputError, match=f"{first} is there already; remove what is no longer wanted, or name another"):
        export.export_volumes(run.results.folder, form, tmp_path, timepoints="0,1")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("form", export.FORMATS)
def test_after_an_error_nothing_of_it_is_left(
    run: Run, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the last level of the last channel."""
    bands = published_image.PublishedImage.read_bands

    def interrupted(image: Any, channel: Any, *where: int, **how: bool) -> Any:
        if channel.name == SECOND:
            raise KeyboardInterrupt
        yield from bands(image, channel, *where, **how)

    monkeypatch.setattr(published_image.PublishedImage, "read_bands", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.export_volumes(run.results.folder, form, tmp_path, timepoints="1")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@parametrize("form", export.FORMATS)
def test_killed_halfway_it_leaves_nothing_under_its_name(run: Run, tmp_path: Path, form: str) -> None:
    """And what it left is not in the way of the next try, which removes it."""
    killed = (
        "import os; from pathlib import Path; from lightsheet.store import PublishedImage\n"
        "from lightsheet.viewing import export_volumes\n"
        "bands = PublishedImage.read_bands\n"
        "def dying(image, channel, *where, **how):\n"
        f"    if channel.name == {SECOND!r}: os.kill(os.getpid(), 9)\n"
        "    yield from bands(image, channel, *where, **how)\n"
        "PublishedImage.read_bands = dying\n"
        f"export_volumes(Path({str(run.results.folder)!r}), {form!r}, Path({str(tmp_path)!r}), timepoints='1')\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", killed], env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    )
    assert process.returncode == -signal.SIGKILL
    assert [path.name.startswith(".part.") for path in tmp_path.iterdir()] == [True]
    (path,) = export.export_volumes(run.results.folder, form, tmp_path, timepoints="1")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", export.FORMATS)
def test_a_copy_that_cannot_be_flushed_does_not_appear(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DiskError, match=r"cannot be written, because your quota on the disk at .* is used up"):
        export.export_volumes(run.results.folder, form, tmp_path, timepoints="1")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_shard_ends_it(tmp_path: Path) -> None:
    run = published_run.make(tmp_path, (4, 8, 8))
    shard = shard_path(run.results.store, 0, (0, 1))
    shard.unlink()
    for form in export.FORMATS:
        with pytest.raises(InputError, match="is missing; run"):
            export.export_volumes(run.results.folder, form, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_the_command_exports(run: Run, tmp_path: Path) -> None:
    choice = ["--timepoints", "0", "--channels", FIRST]
    assert (
        cli.main(["export", str(run.results.folder), "--format", "ome-tiff", "--out", str(tmp_path / "new"), *choice])
        == 0
    )
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run_t0000.ome.tif"]


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (["--channels", "CamX"], f"--channels: there is no channel CamX; the run has {FIRST}, {SECOND}"),
        (["--timepoints", "5"], "--timepoints: 5 is not among the timepoints 0 to 4 of this run"),
    ],
)
def test_the_script_says_a_mistake_in_a_sentence(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], mistake: list[str], sentence: str
) -> None:
    assert cli.main(["export", str(run.results.folder), "--format", "ome-tiff", "--out", str(tmp_path), *mistake]) == 2
    assert capsys.readouterr().err == f"lightsheet export: {sentence}\n"


def test_the_script_refuses_what_is_no_finished_run_and_what_is_no_folder(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", str(tmp_path), "--format", "ome-tiff", "--out", str(tmp_path)]) == 2
    assert "name the folder of one finished run" in capsys.readouterr().err
    (tmp_path / "file").touch()
    for form in export.FORMATS:
        assert cli.main(["export", str(run.results.folder), "--format", form, "--out", str(tmp_path / "file")]) == 2
        assert re.search("a file stands in the place|cannot be written", capsys.readouterr().err)
