"""Tiles put edge to edge that do not lie so, as names, files or lists beside them say, are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from lightsheet.acquisition import check_tile_distances, discover, unfold_stores
from lightsheet.system import InputError
from tests.support.hyperstacks import write_plain
from tests.support.zarr_stores import VOXEL as STORE_VOXEL, write_v05

SHAPE = (4, 50, 60)
VOXEL = {"z": 2.0, "y": 0.5, "x": 0.5}  # a tile is 8 x 25 x 30 um
PLANES = np.zeros(SHAPE, "uint16")
GRID = "a_{x}_{y}.tif"


def check(folder: Path, pattern: str = GRID) -> str:
    return check_tile_distances(discover(folder, pattern), pattern, SHAPE, VOXEL)


def write_all(folder: Path, write: Callable[[Path, int, int], object], columns: int = 2, rows: int = 2) -> None:
    for x, y in np.ndindex(columns, rows):
        write(folder / f"a_{x}_{y}.tif", x, y)


def write_ome(x_step: float, y_step: float, unit: str = "µm", scale: float = 1.0) -> Callable[[Path, int, int], object]:
    def write(path: Path, x: int, y: int) -> None:
        place = {"PositionX": 4000 + x * x_step / scale, "PositionY": -7000 + y * y_step / scale}
        plane = {key: [value] * 4 for key, value in place.items()}
        units = {f"{key}Unit": [unit] * 4 for key in place} if unit else {}
        tifffile.imwrite(path, PLANES, ome=True, metadata={"axes": "ZYX", "Plane": {**plane, **units}})

    return write


def write_micromanager(names: dict[str, str], x_step: float, y_step: float) -> Callable[[Path, int, int], object]:
    def write(path: Path, x: int, y: int) -> None:
        places = {names["x"]: 1000.5 - x * x_step, names["y"]: y * y_step}  # a stage that runs against the camera
        with tifffile.TiffWriter(path) as file:
            for z, plane in enumerate(PLANES):
                tag = json.dumps({"SliceIndex": z, **places})
                file.write(plane, contiguous=False, metadata=None, extratags=[(51123, "s", None, tag, True)])

    return write


def write_list(folder: Path, name: str, x_step: float, y_step: float) -> None:
    write_all(folder, lambda path, _x, _y: write_plain(path, PLANES))
    files = {f"a_{x}_{y}.tif": (x * x_step, y * y_step) for x, y in np.ndindex(2, 2)}
    text = "Filepath,Filename,StageX_um_,StageY_um_,StageZ_um_,ObjectiveX_um_,ObjectiveY_um_,ObjectiveZ_um_\n"
    text += "".join(f"D:\\raw\\{file},{file},{x},{y},5,0,0,0\n" for file, (x, y) in files.items())
    if name.endswith(".txt"):
        lines = [f"{file}; ; ({x / VOXEL['x']}, {y / VOXEL['y']}, 0.0)" for file, (x, y) in files.items()]
        text = "\n".join(["# Define the number of dimensions we are working on", "dim = 3", *lines])
    (folder / name).write_text(text)


MICROMANAGER: Any = {"x": "XPositionUm", "y": "YPositionUm"}
NDTIFF: Any = {"x": "XPosition_um_Intended", "y": "YPosition_um_Intended"}
KINDS: dict[str, Callable[[Path, float, float], None]] = {
    "OME": lambda folder, x, y: write_all(folder, write_ome(x, y)),
    "OME mm": lambda folder, x, y: write_all(folder, write_ome(x, y, "mm", 1000)),
    "OME without unit": lambda folder, x, y: write_all(folder, write_ome(x, y, "")),
    "OME of voxels": lambda folder, x, y: write_all(folder, write_ome(x, y, "reference frame", 0.5)),
    "Micro-Manager": lambda folder, x, y: write_all(folder, write_micromanager(MICROMANAGER, x, y)),
    "NDTiff": lambda folder, x, y: write_all(folder, write_micromanager(NDTIFF, x, y)),
    "ImageList": lambda folder, x, y: write_list(folder, "ImageList_from_encoder.csv", x, y),
    "TileConfiguration": lambda folder, x, y: write_list(folder, "TileConfiguration.registered.txt", x, y),
}


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_that_overlap_or_lie_apart_are_refused(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path, 27.0, 25.0)
    with pytest.raises(
        InputError, match=r"a_0_0\.tif and a_1_0\.tif lie .* along x, as .* says, and are 30 um"
    ) as error:
        check(tmp_path)
    assert "they overlap by 6 voxels (3 um, 10 %)" in str(error.value)
    assert "BigStitcher, or, if these positions are wrong, set input.tiles: edge-to-edge" in str(error.value)
    KINDS[kind](tmp_path, 30.0, 26.0)
    with pytest.raises(InputError, match=r"a_0_0\.tif and a_0_1\.tif .* a gap of 2 voxels \(1 um\) lies between them"):
        check(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_that_lie_edge_to_edge_are_not_refused(tmp_path: Path, kind: str) -> None:
    KINDS[kind](tmp_path, 30.2, 24.9)
    assert check(tmp_path).startswith("The tiles lie edge to edge, as ")


def test_where_nothing_is_known_that_is_told(tmp_path: Path) -> None:
    write_all(tmp_path, lambda path, _x, _y: write_plain(path, PLANES))
    (tmp_path / "ImageList_other.csv").write_text("Filename,StageX_um_\nb.tif,3\n")
    (tmp_path / "TileConfiguration.txt").write_text("no list\n")
    assert "put edge to edge" in check(tmp_path)
    write_all(tmp_path, write_ome(0, 0))  # a stage that was not recorded
    assert "Nothing tells" in check(tmp_path)


def test_one_tile_without_a_position_hides_no_overlap_of_others(tmp_path: Path) -> None:
    write_all(tmp_path, write_ome(27, 25))
    write_plain(tmp_path / "a_1_1.tif", PLANES)
    with pytest.raises(InputError, match="they overlap by 6 voxels"):
        check(tmp_path)


def test_a_stage_whose_axes_are_turned(tmp_path: Path) -> None:
    """What lies along x of the camera is moved along y of the stage."""
    write_all(
        tmp_path, lambda path, x, y: write_micromanager({"x": "YPositionUm", "y": "XPositionUm"}, 30, 25)(path, x, y)
    )
    assert "lie edge to edge" in check(tmp_path)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (60, ""),  # voxels
        (30, ""),  # um
        (300, ""),  # 0.1 um
        (30000, ""),  # nm
        (54, "54, in a unit that is not known, .* they overlap by 6 voxels"),
        (33, "a gap of 6 voxels"),
        (1, ""),  # a number
        (2, ""),
    ],
)
def test_numbers_of_names_may_be_positions(tmp_path: Path, step: int, words: str) -> None:
    for number in range(3):
        write_plain(tmp_path / f"x{100 + number * step}.tif", PLANES)
    if words:
        with pytest.raises(InputError, match=words):
            check(tmp_path, "x{x}.tif")
    else:
        assert ("lie edge to edge" in check(tmp_path, "x{x}.tif")) == (step >= 10)


def test_smartspim_names_have_positions(tmp_path: Path) -> None:
    for x, y in np.ndindex(2, 2):
        column = f"{480000 + 270 * x}"
        folder = tmp_path / "Ex_488_Em_525" / column / f"{column}_{710000 + 250 * y}"
        folder.mkdir(parents=True)
        for z in range(4):
            write_plain(folder / f"{z:06}.tif", PLANES[:1])
    with pytest.raises(InputError, match="27 um from each other along x, as the number in the names says"):
        check(tmp_path, "smartspim")


def test_numbers_of_a_lattice_microscopes_names_count_tiles(tmp_path: Path) -> None:
    for x in (-1, 0, 1):
        name = f"Scan_CamA_ch0_CAM1_stack0000_488nm_0000000msec_0106126432msecAbs_{x:03}x_000y_000z_0000t.tif"
        write_plain(tmp_path / name, PLANES)
    assert "Nothing tells" in check(tmp_path, "lattice")


@pytest.mark.parametrize(
    ("shift", "says"), [(2.496, "The tiles lie edge to edge, as OME-NGFF"), (2.2, "they overlap by 3 voxels")]
)
def test_stores_tell_where_tiles_lie(tmp_path: Path, shift: float, says: str) -> None:
    movie = np.ones((1, 1, 4, 8, 24), np.uint16)
    for x in range(2):
        write_v05(tmp_path / f"{x}.zarr", movie)
        group = zarr.open_group(tmp_path / f"{x}.zarr", mode="a")
        ome: Any = group.attrs["ome"]
        step = {"type": "translation", "translation": [0, 0, 0, 0, 1000 * shift * x]}
        ome["multiscales"][0]["datasets"][0]["coordinateTransformations"].append(step)
        group.attrs["ome"] = ome
    acquisition = unfold_stores(discover(tmp_path, "{x}.zarr")).acquisition
    try:
        remark = check_tile_distances(acquisition, "{x}.zarr", (4, 8, 24), STORE_VOXEL)
    except InputError as error:
        remark = str(error)
    assert says in remark
