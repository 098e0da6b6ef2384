"""Zarr stores as acquisitions: what they say of themselves, which volumes they have, what was never written."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import lightsheet.acquisition
from lightsheet.acquisition import (
    discover,
    take_over,
    unfold_stores,
)
from lightsheet.sources import read_image
from lightsheet.system import InputError
from tests.support.families import parametrize
from tests.support.store_surveys import MOVIE, look
from tests.support.zarr_stores import (
    CHANNELS,
    INTERVAL,
    SHARDS,
    VOXEL,
    WRITERS,
    describe_image,
    write_plain,
    write_v04,
    write_v05,
)


def test_a_single_channel_has_the_name_that_its_store_says(tmp_path: Path) -> None:
    write_v05(tmp_path / "a.ome.zarr", MOVIE[:, :1])
    group = tmp_path / "a.ome.zarr" / "zarr.json"
    content = json.loads(group.read_text())
    content["attributes"]["ome"]["omero"] = {"channels": [{"label": "GFP", "color": "00FF00"}]}
    group.write_text(json.dumps(content))
    assert unfold_stores(discover(tmp_path / "a.ome.zarr")).acquisition.channels == ("GFP",)


@parametrize("writer", sorted(WRITERS), quick=2)
def test_stores_of_any_writer_are_the_same_acquisition(tmp_path: Path, writer: str) -> None:
    store = tmp_path / "a.ome.zarr"
    WRITERS[writer](store, MOVIE)
    opened = unfold_stores(discover(store))
    np.testing.assert_array_equal(lightsheet.acquisition.open(store).compute(), MOVIE.swapaxes(0, 1))
    assert opened.metadata.voxel_size == VOXEL
    assert opened.metadata.interval == INTERVAL
    assert opened.acquisition.seconds == (0, 2.5, 5)
    assert opened.shape == (6, 20, 24)
    if not writer.startswith(("ome-zarr", "acquire")):
        assert opened.acquisition.channels == tuple(CHANNELS)
    if not writer.startswith(("ome-", "acquire")):
        assert opened.acquisition.colours == CHANNELS


@parametrize("axes", ["zyx", "yxz", "xyz"], quick=2)
@pytest.mark.parametrize("suffix", [".zarr", ".ome.zarr"])
def test_plain_arrays_by_preset_need_their_axes(tmp_path: Path, axes: str, suffix: str) -> None:
    """As PetaKit5D writes them."""
    for t in range(2):
        array = MOVIE[t, 0].transpose(["zyx".index(axis) for axis in axes])
        name = f"Scan_CamA_ch0_CAM1_stack{t:04d}_488nm_{t * 1000:07d}msec_{t * 1000:010d}msecAbs{suffix}"
        write_plain(tmp_path / name, array, (8, 8, 8), zarr_format=2, order="F")
    (tmp_path / "488.tif").touch()  # a PSF beside them
    with pytest.raises(InputError, match=r"set input\.axes"):
        lightsheet.acquisition.open(tmp_path)
    np.testing.assert_array_equal(lightsheet.acquisition.open(tmp_path, axes=axes)[0].compute(), MOVIE[:2, 0])
    acquisition = discover(tmp_path)
    assert acquisition.channels == ("CamA_ch0_488nm",)
    assert acquisition.seconds == (0, 1)


def test_a_template_reads_names_of_stores(tmp_path: Path) -> None:
    for c, name in enumerate(CHANNELS):
        write_v05(tmp_path / f"{name}.ome.zarr", MOVIE[:, c : c + 1])
    array = lightsheet.acquisition.open(tmp_path, "{channel}.ome.zarr")
    np.testing.assert_array_equal(array.compute(), MOVIE.swapaxes(0, 1))
    with pytest.raises(InputError, match=r"none of its 2 Zarr stores can be used; set input\.pattern"):
        discover(tmp_path)


def test_of_several_images_one_is_chosen(tmp_path: Path) -> None:
    plate = tmp_path / "plate.zarr"
    zarr.open_group(plate, mode="w", zarr_format=2).attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/2"}]}
    for well, movie in (("A/1", MOVIE), ("B/2", MOVIE[::-1])):
        zarr.open_group(plate / well, mode="w", zarr_format=2).attrs["well"] = {"images": [{"path": "0"}]}
        write_v04(plate / well / "0", movie)
    with pytest.raises(InputError, match=r"2 images; choose one .* with input\.image: 0: A/1/0, 1: B/2/0"):
        read_image(plate)
    for image in (1, "B/2/0"):
        array = lightsheet.acquisition.open(plate, image=image)
        np.testing.assert_array_equal(array.compute(), MOVIE[::-1].swapaxes(0, 1))
    with pytest.raises(InputError, match=r"none is 'C'"):
        read_image(plate, "C")


@parametrize("has_series", [True, False])
def test_a_store_in_the_layout_of_bioformats2raw_is_read(tmp_path: Path, has_series: bool) -> None:
    store = tmp_path / "a.zarr"
    zarr.open_group(store, mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    if has_series:
        zarr.open_group(store / "OME", mode="w", zarr_format=2).attrs["series"] = ["0"]
    write_v04(store / "0", MOVIE)
    np.testing.assert_array_equal(lightsheet.acquisition.open(store).compute(), MOVIE.swapaxes(0, 1))


def test_the_finest_level_counts_wherever_it_stands(tmp_path: Path) -> None:
    write_v05(tmp_path / "a.zarr", MOVIE)
    metadata = json.loads((tmp_path / "a.zarr/zarr.json").read_text())
    image = metadata["attributes"]["ome"]["multiscales"][0]
    group = zarr.open_group(tmp_path / "a.zarr", mode="a")
    group.create_array("1", data=MOVIE[..., ::2, ::2], chunks=(1, 1, 6, 10, 12))
    coarse = {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 300, 208, 208]}]}
    image["datasets"].insert(0, coarse)
    group.attrs["ome"] = metadata["attributes"]["ome"]
    image_read = read_image(tmp_path / "a.zarr")
    assert image_read.layout.path.name == "0"
    assert image_read.metadata.voxel_size == VOXEL


@parametrize(
    ("unit", "scale", "size"),
    [
        ("millimeter", 0.0003, 0.3),
        ("micrometer", 0.3, 0.3),
        ("um", 0.3, 0.3),
        ("angstrom", 3000, 0.3),
        (None, 0.3, None),
    ],
    quick=2,
)
def test_units_of_axes_are_converted_to_micrometre(
    tmp_path: Path, unit: str | None, scale: float, size: float | None
) -> None:
    write_v05(tmp_path / "a.zarr", MOVIE)
    group = zarr.open_group(tmp_path / "a.zarr", mode="a")
    ome: Any = group.attrs["ome"]
    ome["multiscales"][0]["axes"][2] = {"name": "z", "type": "space", **({"unit": unit} if unit else {})}
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"][2] = scale / 2
    ome["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1, 2, 1, 1]}]
    group.attrs["ome"] = ome
    assert read_image(tmp_path / "a.zarr").metadata.voxel_size.get("z") == size


def test_metadata_of_the_first_versions(tmp_path: Path) -> None:
    write_v04(tmp_path / "a.zarr", MOVIE)
    described = describe_image(version="0.1")
    for axes in (None, list("tczyx")):
        image = {**described["multiscales"][0], "axes": axes}
        group = zarr.open_group(tmp_path / "a.zarr", mode="a", zarr_format=2)
        group.attrs["multiscales"] = [{key: value for key, value in image.items() if value is not None}]
        assert read_image(tmp_path / "a.zarr").axes == "tczyx"


def test_axes_that_are_none_of_a_volumes(tmp_path: Path) -> None:
    write_v05(tmp_path / "a.zarr", MOVIE[:, :, :1].swapaxes(0, 2), "zctyx")
    group = zarr.open_group(tmp_path / "a.zarr", mode="a")
    ome: Any = group.attrs["ome"]
    ome["multiscales"][0]["axes"][0] = {"name": "angle"}
    ome["multiscales"][0]["axes"][2] = {"name": "z", "type": "space"}
    group.attrs["ome"] = ome
    assert read_image(tmp_path / "a.zarr").axes == "-czyx"
    ome["multiscales"][0]["axes"][1] = {"name": "position"}
    group.attrs["ome"] = ome
    with pytest.raises(InputError, match=r"of length 2, is none of t, c, z, y and x"):
        read_image(tmp_path / "a.zarr")


def test_volumes_that_were_never_written_are_missing(tmp_path: Path) -> None:
    write_v05(tmp_path / "a.zarr", MOVIE)
    shutil.rmtree(tmp_path / "a.zarr/0/c/1/1")
    with pytest.raises(InputError, match=r"mCherry lacks timepoint 1 .of 0 to 2., of which no chunk was ever written"):
        look(tmp_path / "a.zarr")
    survey = look(tmp_path / "a.zarr", missing="fill")
    assert survey.acquisition.holes == (("mCherry", 1),)
    assert take_over(unfold_stores(discover(tmp_path / "a.zarr")).acquisition, survey.state) == survey.acquisition
    assert look(tmp_path / "a.zarr", selection={("GFP", 1), ("mCherry", 0)}).acquisition.holes == ()


def test_part_of_a_volume_that_was_never_written_is_refused(tmp_path: Path) -> None:
    write_v05(tmp_path / "a.zarr", MOVIE)
    (tmp_path / "a.zarr/0/c/2/0/1/1/0").unlink()
    with pytest.raises(InputError, match=r"1 of the 8 chunks of timepoint 2 of GFP were never written.*input\.fill: 0"):
        look(tmp_path / "a.zarr")
    survey = look(tmp_path / "a.zarr", fill=0)
    assert survey.acquisition.remarks[-1].startswith("Of 1 volumes, chunks were never written")


@pytest.mark.parametrize("way", [{}, {"shards": SHARDS}])
def test_of_a_part_of_a_volume_only_its_holes_count(tmp_path: Path, way: dict[str, Any]) -> None:
    movie = np.array(MOVIE)
    movie[2, 0, 3:, 10:, 12:] = 0
    write_v05(tmp_path / "a.zarr", movie, **way)
    for region in ([[0, 3, 6], [0, 20, 20], [0, 24, 24]], [[0, 6, 6], [0, 20, 20], [0, 12, 24]]):
        survey = look(tmp_path / "a.zarr", region=region)
        assert survey.acquisition.holes == ()
        assert survey.fill is None
    with pytest.raises(InputError, match=r"1 of the 4 chunks of timepoint 2 of GFP were never written"):
        look(tmp_path / "a.zarr", region=[[2, 5, 6], [5, 12, 20], [12, 24, 24]])
    with pytest.raises(InputError, match=r"1 of the 1 chunks of timepoint 2 of GFP were never written"):
        look(tmp_path / "a.zarr", region=[[3, 6, 6], [12, 20, 20], [12, 24, 24]])


@pytest.mark.parametrize("way", [{}, {"shards": SHARDS}])
def test_what_all_volumes_lack_is_fill(tmp_path: Path, way: dict[str, Any]) -> None:
    movie = np.array(MOVIE)
    movie[:, :, :3, :10, :12] = 0  # the corner of a deskewed stack, which zarr-python leaves out
    write_v05(tmp_path / "a.zarr", movie, **way)
    survey = look(tmp_path / "a.zarr")
    assert survey.fill == 0
    assert all(piece.pages and piece.pages[-1] == "fill=0" for v in survey.acquisition.volumes for piece in v.pieces)
    zarr.open_array(tmp_path / "a.zarr/0", mode="a")[2, 0, 3:, 10:, 12:] = 0
    with pytest.raises(InputError, match=r"never written"):
        look(tmp_path / "a.zarr")


def test_stores_unlike_each_other_are_refused(tmp_path: Path) -> None:
    write_v05(tmp_path / "a.zarr", MOVIE)
    write_v05(tmp_path / "b.zarr", MOVIE[:, :1])
    with pytest.raises(InputError, match=r"channels, but"):
        unfold_stores(discover(tmp_path, "{channel}.zarr"))
    shutil.rmtree(tmp_path / "b.zarr")
    write_v05(tmp_path / "b.zarr", MOVIE)
    group = zarr.open_group(tmp_path / "b.zarr", mode="a")
    ome: Any = group.attrs["ome"]
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"][2] = 400
    group.attrs["ome"] = ome
    with pytest.raises(InputError, match=r"its voxels have z = 0\.4 um by what it says"):
        unfold_stores(discover(tmp_path, "{channel}.zarr"))
