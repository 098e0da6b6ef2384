"""What a file says of itself, its name, its header or its date, as cases of other tools' users have it."""

from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from lightsheet import cli
from lightsheet.run import prepare_run
from tests.support.cases import ingest, play, read_raw
from tests.support.project import Project
from tests.support.tiny_run import finish

Captured = pytest.CaptureFixture[str]


def test_01_an_imagej_hyperstack_that_runs_through_z_first(tmp_path: Path, capsys: Captured) -> None:
    assert "raw run_ch0 is channel 0: True" in play(1, tmp_path, capsys).output


def test_07_a_lattice_stack_in_parts(tmp_path: Path, capsys: Captured) -> None:
    played = play(7, tmp_path, capsys)
    assert "planes 12 of 12" in played.output
    assert played.run
    paths = sorted((played.folder / "data").glob("*.tif"))
    assert [path.stem[-9:] for path in paths] == ["00z_0000t", "_part0001"]
    volume = read_raw(played.folder, played.run, "CamA_ch0_488nm")
    np.testing.assert_array_equal(volume, np.concatenate([tifffile.imread(path) for path in paths]))


@pytest.mark.workflow
def test_09_files_from_the_future(tmp_path: Path, capsys: Captured) -> None:
    """Both runs of Snakemake do their work, and say of the date."""

    def snake(folder: Path, *_: object, **__: object) -> tuple[int, str]:
        ended = Project(folder).run("--until", "ingest")
        return ended.returncode, ended.stdout + ended.stderr

    output = play(9, tmp_path, capsys, common={"snake": snake, "tail": print}).output
    assert "clock skew" not in output
    assert "in the future" in output
    assert [line for line in output.splitlines() if line in ("0", "1")] == ["0", "0"]


def test_10_a_name_that_is_not_utf8(tmp_path: Path, capsys: Captured) -> None:
    played = play(10, tmp_path, capsys)
    assert "the name 'G\\xb5_0000.tif' is not UTF-8; rename it (`convmv" in played.refusal
    assert 'leave it out with input.ignore: ["G?_0000.tif"]' in played.refusal


def test_15_a_stack_of_four_axes_from_tifffile(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration names a PSF for what is two channels: once it names both, each has its planes."""
    played = play(15, tmp_path, capsys)
    assert "its channels are run_ch0, run_ch1" in played.refusal
    monkeypatch.chdir(played.folder)
    config = yaml.safe_load(Path("my.yaml").read_text())
    run = prepare_run({**config, "psf": {**config["psf"], "files": dict.fromkeys(["run_ch0", "run_ch1"], "psf.tif")}})
    ingest(run)
    for channel, expected in enumerate(tifffile.imread("data/run_0000.tif")):
        np.testing.assert_array_equal(read_raw(played.folder, run, f"run_ch{channel}"), expected)


def test_16_home_folders_in_paths(tmp_path: Path, capsys: Captured) -> None:
    played = play(16, tmp_path, capsys)
    assert played.output.splitlines()[-1] == "['data', 'home', 'my.yaml']"
    assert (played.folder / "home" / "results" / "case" / "records").is_dir()


def test_18_raw_data_of_types_that_ome_tiff_lacks(tmp_path: Path, capsys: Captured) -> None:
    codes = []

    class Subprocess:
        """In place of the command that the script calls by its name of then."""

        @staticmethod
        def run(command: list[str], cwd: Path, **_: object) -> None:
            with chdir(cwd):
                codes.append(cli.main(["export", *command[2:]]))

    output = play(18, tmp_path, capsys, then=finish, common={"subprocess": Subprocess}).output
    assert codes == [2, 0]
    assert "OME-TIFF has no int64; choose --format ome-zarr-0.4, which has" in output
    (path,) = tmp_path.glob("case-*/c18_float16/x/*.tif")
    expected = tifffile.imread(next(tmp_path.glob("case-*/c18_float16/data/*.tif")))
    np.testing.assert_array_equal(tifffile.imread(path), expected)


def test_21_strips_whose_sizes_are_left_out(tmp_path: Path, capsys: Captured) -> None:
    played = play(21, tmp_path, capsys, common={"tail": lambda *_: None})
    assert played.run
    assert not played.refusal
