"""How `lightsheet init` understands names of files: by presets, by a template, or not at all."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from lightsheet.acquisition import parse_name
from lightsheet.planning.first_config import make_first_config
from lightsheet.planning.first_look import look_at
from lightsheet.run import list_open_keys
from lightsheet.system import InputError
from tests.support.first_config import SHAPE, use, write
from tests.support.hyperstacks import pixels
from tests.support.microscope_names import LATTICE_ROWS, MORE, ROWS
from tests.support.reference_data import DATA
from tests.support.zarr_stores import CHANNELS, VOXEL, write_v05

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("folder")


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


def test_a_single_plane_points_to_its_folder(folder: Path) -> None:
    for z in range(3):
        write(folder / f"img_channel000_position000_time000000000_z00{z}.tif", 1)
    with pytest.raises(InputError, match="is a single plane, and a volume is a stack; name its folder, images"):
        make_first_config(folder / "img_channel000_position000_time000000000_z001.tif")


def test_names_that_tell_nothing_leave_the_pattern_to_a_person(folder: Path) -> None:
    for number in range(20):
        write(folder / f"{'abcdefghijklmnopqrstuvwxyz'[number] * 3}.tif")
    first = make_first_config(folder)
    assert first.summary == "nothing yet: see what is to be said"
    assert {*list_open_keys(yaml.safe_load(first.text))} == {"input.pattern", "psf.files"}


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
