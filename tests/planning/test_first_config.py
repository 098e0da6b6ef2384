"""`lightsheet init`: what it writes is used as it stands, but for TODO, which stands where only a person knows."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from lightsheet import cli
from lightsheet.acquisition import parse_name
from lightsheet.planning.first_config import FirstConfig, make_first_config
from lightsheet.planning.first_look import look_at
from lightsheet.run import Run, list_open_keys, prepare_run
from lightsheet.system import InputError
from tests.support.hyperstacks import pixels
from tests.support.microscope_names import LATTICE_ROWS, MORE, ROWS
from tests.support.reference_data import DATA
from tests.support.zarr_stores import CHANNELS, VOXEL, write_v05

ROOT = Path(__file__).parents[2]
SHAPE = (3, 4, 5)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("images")


def write(path: Path, planes: int = SHAPE[0]) -> None:
    """Write a stack, or a plane, whose voxel size stands in the file as far as ImageJ writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((planes, *SHAPE[1:]), np.uint16)
    how: dict[str, Any] = {"spacing": 0.3, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(path, image, imagej=True, resolution=(10, 10), metadata=how)


def fill(config: dict[str, Any], values: dict[str, Any]) -> Any:
    """Replace TODO as a person would."""
    for key in list(list_open_keys(config)):
        *sections, last = key.split(".")
        section = config
        for name in sections:
            section = section[name]
        section[last] = values[key]
    return config


def use(first: FirstConfig, **values: Any) -> Run:
    """Prepare a run by the text that was written; what it leaves to be said, and nothing else, is in `values`."""
    config = yaml.safe_load(first.text)
    assert {*list_open_keys(config)} == {key.replace("__", ".") for key in values}
    assert len(first.open_keys) <= len(values)
    return prepare_run(fill(config, {key.replace("__", "."): value for key, value in values.items()}))


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


def list_table_names() -> list[tuple[str, str]]:
    """Return the names in config/README.md that a preset reads, and the preset."""
    rows = re.findall(r"^\| .*? \| `(\w+)` \| (.*?) \|", (ROOT / "config/README.md").read_text(), re.MULTILINE)
    names = [(preset, name) for preset, cell in rows for name in re.findall(r"`([^`]+\.(?:tiff?|btf))`", cell)]
    return [(preset, name) for preset, name in names if not name.startswith(("...", "_"))]


NAMES = list_table_names()


def test_the_table_has_names_of_all_presets() -> None:
    assert {preset for preset, _ in NAMES} >= {"lattice", "mesospim", "navigate", "smartspim", "micromanager", "plain"}


@pytest.mark.parametrize(("preset", "name"), NAMES, ids=[name for _, name in NAMES])
def test_names_of_known_microscopes_get_their_preset(preset: str, name: str, folder: Path) -> None:
    fields = parse_name(name, preset)
    names = [name]
    if "plane" in fields:
        stem, ending = re.fullmatch(r"(.*?)((?:\.ome)?\.\w+)", name).groups()  # type: ignore[union-attr]
        number = re.search(r"\d+$", stem)[0]  # type: ignore[index]
        names += [f"{stem[: -len(number)]}{int(number) + n:0{len(number)}}{ending}" for n in (1, 2)]
    if "part" in fields:
        names.append(name.replace(f"_{fields['part']}.", "."))
    for file in names:
        write(folder / file, 1 if "plane" in fields else SHAPE[0])
    write(folder.parent / "psf" / "bead.tif", 5)
    first = make_first_config(folder)
    config = yaml.safe_load(first.text)
    if preset != "plain":
        assert config["input"]["pattern"] == preset
        assert not any(guess.startswith("input.pattern") for guess in first.guesses)
    run = use(first)
    assert run.shape == (SHAPE if "part" not in fields else (2 * SHAPE[0], *SHAPE[1:]))
    assert folder / name in {piece.path for piece in run.acquisition.volumes[0].pieces}


FREE: dict[str, tuple[list[str], tuple[str, ...], int]] = {
    "words and t": ([f"e_t{t:02}_{c}.tif" for t in range(3) for c in ("GFP", "RFP")], ("GFP", "RFP"), 3),
    "MetaMorph": ([f"exp w{c} t{t}.TIF" for t in range(1, 4) for c in (1, 2)], ("ch1", "ch2"), 3),
    "lasers": ([f"{c}_{t}.tif" for t in range(3) for c in (405, 488)], ("405nm", "488nm"), 3),
    "folders": ([f"{c}/time {t}.tif" for t in range(3) for c in ("GFP", "RFP")], ("GFP", "RFP"), 3),
    "a counter": ([f"img{t:03}.tif" for t in range(4)], ("ch0",), 4),
    "plain": ([f"{c}_{t:03}.tif" for c in ("GFP", "RFP") for t in range(4)], ("GFP", "RFP"), 4),
    "beside derived ones": ([f"e_t{t}{a}.tif" for t in range(3) for a in ("", "_decon")], ("ch0",), 3),
    "with PSFs": ([*(f"e_t{t}.tif" for t in range(3)), "e_psf.tif"], ("ch0",), 3),
}


@pytest.mark.parametrize(("names", "channels", "timepoints"), FREE.values(), ids=FREE)
def test_names_of_no_microscope_get_a_template(
    names: list[str], channels: tuple[str, ...], timepoints: int, folder: Path
) -> None:
    for name in names:
        write(folder / name)
    for channel in channels if "e_psf.tif" not in names else ():
        write(folder.parent / "PSFs" / f"{channel}.tif", 5)
    first = make_first_config(folder)
    run = use(first)
    assert (run.channels, run.acquisition.timepoints) == (channels, timepoints)
    assert any(guess.startswith("input.pattern is ") for guess in first.guesses)
    assert "# A guess: " in first.text


def test_a_series_of_single_planes(folder: Path) -> None:
    for z in range(3):
        write(folder / f"scan{z:03}.tif", 1)
    write(folder / "psf" / "bead.tif", 5)
    assert use(make_first_config(folder)).shape == SHAPE


def test_beads_alone_are_images(folder: Path) -> None:
    write(folder / "bead_t0.tif")
    write(folder / "bead_t1.tif")
    (folder / "notes").mkdir()
    assert look_at(folder).names == ("bead_t0.tif", "bead_t1.tif")


@pytest.mark.parametrize("is_file", [True, False])
def test_one_hyperstack_is_configured(folder: Path, is_file: bool) -> None:
    folder.mkdir()
    path = folder / "my movie.tif"
    metadata = {"axes": "TZCYX", "spacing": 0.3, "unit": "um", "finterval": 2.5}
    tifffile.imwrite(path, pixels(), imagej=True, resolution=(10, 10), metadata=metadata)
    write(folder / "psf" / "bead_ch0.tif", 5)
    write(folder / "psf" / "bead_ch1.tif", 5)
    if is_file:
        write(folder / "my movie 2.tif")
    run = use(make_first_config(path if is_file else folder))
    assert run.channels == ("ch0", "ch1")
    assert (run.acquisition.timepoints, run.acquisition.interval) == (3, 2.5)
    assert {piece.path for volume in run.acquisition.volumes for piece in volume.pieces} == {path}


@pytest.mark.parametrize("is_folder", [True, False])
def test_an_ome_zarr_or_a_folder_of_them_is_configured(folder: Path, is_folder: bool) -> None:
    folder.mkdir()
    movie = np.arange(2 * 2 * 6 * 20 * 24, dtype=np.uint16).reshape(2, 2, 6, 20, 24)
    store = folder / ("GFP_0001.ome.zarr" if is_folder else "movie.zarr")
    write_v05(store.absolute(), movie)  # Zarr's threads have another working directory where a test has left namespaces
    if is_folder:
        write_v05(folder.absolute() / "GFP_0002.ome.zarr", movie)
    for channel in CHANNELS:
        write(folder / "psf" / f"{channel}.tif", 5)
    run = use(make_first_config(folder if is_folder else store))
    assert (len(run.channels), run.acquisition.timepoints) == (2, 4 if is_folder else 2)
    assert {axis: run.config["voxel_size"][axis] for axis in "zyx"} == pytest.approx(VOXEL)


def test_an_array_without_axes_asks_for_them(folder: Path) -> None:
    zarr = pytest.importorskip("zarr")
    zarr.create_array(folder.absolute() / "a.zarr", data=np.ones((4, 6, 8), np.uint16))
    first = make_first_config(folder / "a.zarr")
    assert any("input.axes: As it is, a run would be refused: " in line for line in first.open_keys)
    assert yaml.safe_load(first.text)["input"]["axes"] == "TODO"


def test_psfs_beside_the_images_are_those_that_were_meant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "e_t0.tif")
    write(folder / "psf" / "bead.tif", 5)
    run = use(make_first_config(folder))
    write(Path("psf") / "bead.tif", 5)  # of something else, where the command runs
    assert run.find_psf_file("ch0") == "images/psf/bead.tif"
    (folder / "psf" / "bead.tif").rename("psf/bead.tif")
    monkeypatch.chdir(folder)
    assert use(make_first_config(Path())).find_psf_file("ch0") == "../psf/bead.tif"


def test_positions_are_acquisitions_of_their_own(folder: Path) -> None:
    for name in [f"e_s{s}_t{t}.tif" for s in (1, 2, 10) for t in range(3)]:
        write(folder / name)
    write(folder / "psf" / "bead.tif", 5)
    first = make_first_config(folder)
    run = use(first)
    assert {path.name[:5] for v in run.acquisition.volumes for path, _ in v.pieces} == {"e_s1_"}
    assert (
        "the files are of 3 positions, each an acquisition of its own: this configuration is for position 1"
        in " ".join(first.guesses)
    )


def test_movies_of_several_embryos_are_not_put_one_behind_the_other(folder: Path) -> None:
    folder.mkdir()
    for number in (1, 2):
        metadata = {"axes": "TZCYX", "spacing": 0.3, "unit": "um"}
        tifffile.imwrite(folder / f"Anna {number}.tif", pixels(), imagej=True, resolution=(10, 10), metadata=metadata)
    write(folder / "psf" / "bead_ch0.tif", 5)
    write(folder / "psf" / "bead_ch1.tif", 5)
    first = make_first_config(folder)
    assert use(first).acquisition.timepoints == 3
    assert "the files are of 2 positions" in " ".join(first.guesses)


def test_a_single_plane_is_no_volume(folder: Path) -> None:
    write(folder / "MAX_a.tif", 1)
    with pytest.raises(InputError, match=r"MAX_a.tif: is a single plane, and a volume is a stack"):
        make_first_config(folder)


def test_beginnings_are_acquisitions_of_their_own(folder: Path) -> None:
    names = [case.name for case in LATTICE_ROWS[:1]]
    names += [names[0].replace("stack0000", "stack0001"), names[0].replace("ex6-2", "test")]
    for name in names:
        write(folder / name)
    write(folder / "psf" / "560.tif", 5)
    first = make_first_config(folder)
    assert use(first).acquisition.timepoints == 2
    assert any("most names begin with 'ex6-2'" in guess for guess in first.guesses)


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


def test_a_channel_called_by_a_number_has_the_psf_of_that_number(folder: Path) -> None:
    for name in [f"embryo_ch{nm}_t00{t}.tif" for nm in (488, 561) for t in range(2)]:
        write(folder / name)
    for nm in (488, 561):
        write(folder.parent / f"PSF_{nm}.tif", 5)
    run = use(make_first_config(folder))
    files = [(channel, Path(run.find_psf_file(channel)).name) for channel in run.channels]
    assert files == [("ch488", "PSF_488.tif"), ("ch561", "PSF_561.tif")]


def test_a_plane_too_many_can_be_left_out_as_the_comment_says(folder: Path) -> None:
    for name in [*(f"e_t{t}_z{z}.tif" for t in range(5) for z in range(4)), "e_t2_z4.tif"]:
        write(folder / name, 1)
    write(folder / "psf" / "bead.tif", 5)
    first = make_first_config(folder)
    assert "(4, 4, 5)" in first.summary
    [ignore] = re.findall(r"To leave out what is named, write (\[.*?\]) here", " ".join(first.open_keys))
    assert use(first, input__ignore=yaml.safe_load(ignore)).shape == (4, 4, 5)


def test_voxels_of_beads_are_to_be_said_though_no_channel_tells_which_is_its(folder: Path) -> None:
    for name in [f"img_channel00{c}_position000_time000000000_z00{z}.tif" for z in range(2) for c in range(2)]:
        write(folder / name, 1)
    for nm in (488, 561):
        path = folder.parent / "beads" / f"bead_{nm}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.zeros(SHAPE, np.uint16), photometric="minisblack")
    first = make_first_config(folder)
    keys = {*list_open_keys(yaml.safe_load(first.text))}
    assert keys == {"psf.files.ch0", "psf.files.ch1", *(f"psf.voxel_size.{axis}" for axis in "zyx")}
    assert "no name of bead_488.tif, bead_561.tif in beads tells" in " ".join(first.open_keys)
    assert first.text.count("# Not known: no name of bead_488.tif") == 1, "one comment is of both channels"


def test_a_single_plane_points_to_its_folder(folder: Path) -> None:
    for z in range(3):
        write(folder / f"img_channel000_position000_time000000000_z00{z}.tif", 1)
    with pytest.raises(InputError, match="is a single plane, and a volume is a stack; name its folder, images"):
        make_first_config(folder / "img_channel000_position000_time000000000_z001.tif")


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


def test_names_that_tell_nothing_leave_the_pattern_to_a_person(folder: Path) -> None:
    for number in range(20):
        write(folder / f"{'abcdefghijklmnopqrstuvwxyz'[number] * 3}.tif")
    first = make_first_config(folder)
    assert first.summary == "nothing yet: see what is to be said"
    assert {*list_open_keys(yaml.safe_load(first.text))} == {"input.pattern", "psf.files"}


def test_several_candidates_are_no_guess(folder: Path) -> None:
    write(folder / "488nm_t0.tif")
    write(folder / "488nm_t1.tif")
    for name in ("488_a.tif", "488_b.tif"):
        write(folder / "psf" / name, 5)
    first = make_first_config(folder)
    assert "488_a.tif, 488_b.tif have 488 in their names: which is it?" in " ".join(first.open_keys)


def test_a_psf_that_would_be_refused_is_to_be_said(folder: Path) -> None:
    write(folder / "e_t0.tif")
    write(folder / "psf" / "bead.tif", 1)
    first = make_first_config(folder)
    assert {*list_open_keys(yaml.safe_load(first.text))} == {"psf.files.ch0"}
    assert "psf.files.ch0: A run would be refused: " in first.open_keys[0]
    assert "this PSF is a single plane" in first.open_keys[0]


def test_a_bead_of_another_wavelength_or_the_image_itself_is_no_guess(folder: Path) -> None:
    write(folder / "mbPSF_560_NAp5nap42_z100nm.tif", 5)
    write(Path("psf") / "488_560nm-filter.tif", 5)
    write(Path("psf") / "560.tif", 5)
    assert "which is it?" in make_first_config(folder).open_keys[0]
    Path("psf/560.tif").unlink()
    Path("psf/488_560nm-filter.tif").rename("psf/488.tif")
    first = make_first_config(folder)
    assert {*list_open_keys(yaml.safe_load(first.text))} == {"psf.files.560nm"}
    write(Path("psf") / "560.tif", 5)
    assert use(make_first_config(folder)).find_psf_file("560nm") == "psf/560.tif"


def test_beads_beside_images_in_an_inner_folder(folder: Path) -> None:
    write(folder / "exp" / "raw" / "e_t0.tif")
    write(folder / "exp" / "psf" / "bead.tif", 5)
    assert use(make_first_config(folder)).find_psf_file("ch0") == "images/exp/psf/bead.tif"


def test_one_bead_for_channels_of_several_wavelengths_is_no_guess(folder: Path) -> None:
    for name in LATTICE_ROWS[0].name, LATTICE_ROWS[0].name.replace("ch1", "ch0").replace("560nm", "488nm"):
        write(folder / name)
    write(folder / "psf" / "CamA.tif", 5)
    write(folder / "psf" / "other.tif", 5)
    first = make_first_config(folder)
    assert "psf.files.CamA_ch0_488nm, psf.files.CamA_ch1_560nm: Not known: CamA.tif could be of" in first.open_keys[0]


def read_collection() -> list[str]:
    path = DATA / "filenames.tsv"
    if not path.is_file():
        return []
    rows = csv.reader(path.read_text().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [row[0] for row in rows if row and not row[0].startswith("#")]


@pytest.mark.skipif(not read_collection(), reason="the collection of names is not here")
def test_every_name_of_the_collection(folder: Path) -> None:
    cases = [case for row in read_collection() for case in ROWS[row] if isinstance(case.expected, dict)]
    for number, case in enumerate([*cases, *MORE]):
        if not case.name.lower().endswith((".tif", ".tiff", ".btf")) or "{" in case.pattern:
            continue
        place = folder / str(number)
        write(place / case.name, 1 if "plane" in case.expected else SHAPE[0])
        look = look_at(place)
        assert case.pattern in (look.pattern, "plain"), case.name
        assert look.pattern is None or parse_name(case.name, look.pattern) is not None


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
