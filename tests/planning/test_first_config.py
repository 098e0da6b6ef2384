"""`lightsheet init`: what it writes is used as it stands, but for TODO, which stands where only a person knows."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from lightsheet import cli
from lightsheet.planning.first_config import make_first_config
from lightsheet.run import prepare_run
from lightsheet.system import InputError
from tests.support.first_config import SHAPE, fill, use, write

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("folder")


def write_demo(folder: Path) -> list[Path]:
    """Name the files of `lightsheet simulate`, which tell nothing of their voxels."""
    end = "msecAbs_000x_000y_000z_0000t.tif"
    names = [
        f"demo_CamA_ch{c}_CAM1_stack{t:04}_{nm}nm_{t * 43748:07}msec_{1291795 + t * 43748:010}{end}"
        for t in range(2)
        for c, nm in enumerate((488, 560))
    ]
    (folder / "psf").mkdir(parents=True)
    return [*(folder / name for name in names), folder / "psf" / "488.tif", folder / "psf" / "560.tif"]


def test_the_demo_is_configured(folder: Path) -> None:
    for path in write_demo(folder):
        tifffile.imwrite(path, np.zeros(SHAPE, np.uint16), photometric="minisblack")
    first = make_first_config(folder)
    sizes = {f"{section}__{axis}": 0.1 for section in ("voxel_size", "psf__voxel_size") for axis in "zyx"}
    run = use(first, **sizes)
    assert run.channels == ("CamA_ch0_488nm", "CamA_ch1_560nm")
    assert run.acquisition.timepoints == 2
    assert [run.find_psf_file(channel) for channel in run.channels] == ["images/psf/488.tif", "images/psf/560.tif"]
    assert [guess.partition(":")[0] for guess in first.guesses] == [
        "psf.files.CamA_ch0_488nm is images/psf/488.tif",
        "psf.files.CamA_ch1_560nm is images/psf/560.tif",
    ]
    assert "A guess: its name has 488." in first.text
    assert "timepoints  2, one every" in first.summary


SETTINGS = "Z motion :\tSample piezo\nS PZT Offset, Interval (um), # of Pixels for Excitation (0) :\t-1\t0.4\t61\n"
SETTINGS += "Angle between stage and bessel beam (deg) = 30.0\n"


@pytest.mark.parametrize("name", ["raw", "deskewed"])
def test_settings_of_a_stage_scan(name: str) -> None:
    folder = Path(name)
    for stack in (0, 1):
        path = folder / f"cell_ch0_stack000{stack}_488nm_000{stack}280msec_0020936553msecAbs.tif"
        folder.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.zeros(SHAPE, np.uint16), photometric="minisblack")
    (folder / "cell_Settings.txt").write_text(SETTINGS)
    write(folder / "psf" / "488.tif", 5)
    first = make_first_config(folder)
    sizes = {"voxel_size__y": 0.1, "voxel_size__x": 0.1}
    if name == "raw":
        run = use(first, **sizes)
        assert "voxels of 0.2 x ? x ? micrometre, of a stage scan (a guess)" in first.summary
        assert (run.scan is not None, run.config["voxel_size"]["z"]) == (True, pytest.approx(0.2))
        assert any(guess.startswith("input.scan: ") and "30 degrees by 0.4" in guess for guess in first.guesses)
    else:
        run = use(first, **sizes, voxel_size__z=0.2, input__scan="straight")
        assert run.scan is None
        assert "leaves open whether it is 0.4 or 0.2" in first.text


def test_a_damaged_file_is_named_and_nothing_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "e_t1.tif")
    (folder / "e_t0.tif").write_bytes((folder / "e_t1.tif").read_bytes()[:-20])
    assert cli.main(["init", str(folder)]) == 2
    assert "images/e_t0.tif: " in capsys.readouterr().err
    assert not Path("my.yaml").exists()


def test_a_missing_timepoint_is_to_be_decided(folder: Path) -> None:
    for name in [f"e_t{t}_{c}.tif" for t in range(4) for c in ("GFP", "RFP")]:
        write(folder / name)
    (folder / "e_t2_RFP.tif").unlink()
    write(folder / "psf" / "GFP.tif", 5)
    write(folder / "psf" / "RFP.tif", 5)
    first = make_first_config(folder)
    assert use(first, input__missing="fill").acquisition.holes == (("RFP", 2),)
    assert "input.missing: As it is, a run would be refused: " in first.open_keys[0]
    assert "When that is mended in the folder, write error here." in first.text


@pytest.mark.parametrize("fault", ["absent", "capitals"])
def test_the_rest_of_a_folder_is_understood_where_one_plane_is_missing(fault: str, folder: Path) -> None:
    for name in [f"e_t{t}_{nm}nm_z{z}.tif" for t in range(3) for nm in (488, 561) for z in range(4)]:
        write(folder / name, 1)
    plane = folder / "e_t1_561nm_z2.tif"
    plane.unlink() if fault == "absent" else plane.rename(plane.with_suffix(".TIF"))
    for nm in (488, 561):
        write(folder / "psf" / f"bead_{nm}.tif", 5)
    first = make_first_config(folder)
    for words in ("channels    488nm  488 nm", "timepoints  3", "561nm: 1 volume, timepoint 1", "(4, 4, 5)"):
        assert words in first.summary
    assert "psf.files.561nm is images/psf/bead_561.tif: its name has 561." in first.guesses
    write(plane, 1)
    plane.with_suffix(".TIF").unlink(missing_ok=True)
    mended = {"absent": {"input__missing": "error"}, "capitals": {"input__ignore": ["*_decon.tif"]}}
    assert use(first, **mended[fault]).acquisition.holes == ()
    plane.unlink()
    if fault == "absent":
        config = fill(yaml.safe_load(first.text), {"input.missing": "fill"})
        config["input"]["ignore"] += re.findall(r'to which you add "(.*?)"', " ".join(first.open_keys))
        assert prepare_run(config).acquisition.holes == (("561nm", 1),)


def test_a_plane_too_many_can_be_left_out_as_the_comment_says(folder: Path) -> None:
    for name in [*(f"e_t{t}_z{z}.tif" for t in range(5) for z in range(4)), "e_t2_z4.tif"]:
        write(folder / name, 1)
    write(folder / "psf" / "bead.tif", 5)
    first = make_first_config(folder)
    assert "(4, 4, 5)" in first.summary
    [ignore] = re.findall(r"To leave out what is named, write (\[.*?\]) here", " ".join(first.open_keys))
    assert use(first, input__ignore=yaml.safe_load(ignore)).shape == (4, 4, 5)


def test_elsewhere_than_in_the_workflow_paths_are_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "e_t0.tif")
    write(folder.parent / "psf" / "bead.tif", 5)
    assert cli.main(["init", str(folder)]) == 0
    out = capsys.readouterr().out
    assert f"next, in {ROOT}:" in out
    assert f"--configfile {Path.cwd() / 'my.yaml'}" in out
    config = yaml.safe_load(Path("my.yaml").read_text())
    assert config["input"]["folder"] == str(Path.cwd() / folder)
    assert config["psf"]["files"] == {"ch0": str(Path.cwd() / "psf" / "bead.tif")}
    Path("Snakefile").touch()
    assert cli.main(["init", str(folder), "--force"]) == 0
    assert "next:" in capsys.readouterr().out
    assert yaml.safe_load(Path("my.yaml").read_text())["input"]["folder"] == "images"


def test_the_command_writes_once_and_says_what_is_next(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "e_t0.tif")
    write(folder / "e_t1.tif")
    assert cli.main(["init", str(folder)]) == 0
    out = capsys.readouterr().out
    for words in ("my.yaml is written", "timepoints  2", "guessed:", "psf.files.ch0: Not known", "-c1 inventory"):
        assert words in out
    before = Path("my.yaml").read_text()
    assert cli.main(["init", str(folder)]) == 2
    assert (
        "my.yaml: is there already; name another file with --out, or replace it with --force" in capsys.readouterr().err
    )
    Path("my.yaml").write_text("x")
    assert cli.main(["init", str(folder), "--force"]) == 0
    assert Path("my.yaml").read_text() == before
    assert cli.main(["init", str(folder), "--out", "other.yaml"]) == 0
    with pytest.raises(InputError, match=r"still to be said \(TODO\): psf\.files\.ch0; write what they are"):
        prepare_run(yaml.safe_load(before))
    run = prepare_run(yaml.safe_load(before), needs_psfs=False)
    assert run.channels == ("ch0",)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "there is no TIFF and no Zarr store in it"),
        (lambda _: None, "no such file or folder"),
        (lambda path: (path.mkdir(), (path / "a.czi").touch()), "a Zeiss CZI file"),
        (lambda path: path.write_text("x"), "is neither a TIFF nor a folder"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(folder: Path, make: Callable[[Path], object], words: str) -> None:
    make(folder)
    assert cli.main(["init", str(folder)]) == 2
    assert not Path("my.yaml").exists()
    with pytest.raises(InputError, match=words):
        make_first_config(folder)
