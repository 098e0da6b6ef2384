"""Raw images that no run has read: what is served is what the files hold, and what is printed is a configuration."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import tifffile
import yaml
import zarr

from lightsheet import cli
from lightsheet.planning import FirstConfig, make_first_config
from lightsheet.run import prepare_run
from lightsheet.system import InputError
from lightsheet.viewing import describe_raw_state, describe_raw_viewers, find_file, make_raw_view, serve_folder
from lightsheet.viewing.raw_view import RawView
from tests.support.families import parametrize
from tests.support.hyperstacks import pixels
from tests.support.zarr_stores import write_v05

MOVIE = pixels("TCZYX", T=2, C=2, Z=4, Y=12, X=150)
"""Long enough for two levels of the pyramid."""


def write_folder(folder: Path) -> Path:
    for t, c in np.ndindex(2, 2):
        tifffile.imwrite(folder / f"e_t{t}_c{c}.tif", MOVIE[t, c], photometric="minisblack")
    return folder


def write_hyperstack(folder: Path) -> Path:
    path = folder / "movie.tif"
    metadata = {"axes": "TZCYX", "spacing": 0.3, "unit": "um"}
    tifffile.imwrite(path, MOVIE.swapaxes(1, 2), imagej=True, resolution=(10, 10), metadata=metadata)
    return path


def write_store(folder: Path) -> Path:
    write_v05(folder / "movie.zarr", MOVIE)
    return folder / "movie.zarr"


def look(path: Path, place: Path) -> tuple[FirstConfig, RawView]:
    first = make_first_config(path)
    assert first.run is not None
    return first, make_raw_view(first.run, first.voxel_size, place)


@parametrize("write", [write_folder, write_hyperstack, write_store])
def test_what_is_served_is_what_the_files_hold(write: Callable[[Path], Path], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    _, view = look(write(tmp_path / "images"), tmp_path / "served")
    assert len(view.image.levels) > 1
    for c, (place, store) in enumerate(view.stores.items()):
        for number in range(2):
            metadata = json.loads(store.read(f"{number}/zarr.json") or b"")
            counts = np.array(metadata["shape"]) // metadata["chunk_grid"]["configuration"]["chunk_shape"]
            for index in np.ndindex(*counts):
                path = tmp_path / "served" / place / f"{number}/c/{'/'.join(map(str, index))}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(find_file(view.stores, path.relative_to(tmp_path / "served").as_posix()) or b"")
            (tmp_path / "served" / place / str(number) / "zarr.json").write_text(json.dumps(metadata))
        array = zarr.open_array(tmp_path / "served" / place / "0", mode="r")
        np.testing.assert_array_equal(array[:], MOVIE[:, c])
        coarse = zarr.open_array(tmp_path / "served" / place / "1", mode="r")
        assert np.asarray(coarse[:], float).mean() == pytest.approx(MOVIE[:, c].mean(), abs=1)


def test_neuroglancer_finds_what_its_state_names(tmp_path: Path) -> None:
    _, view = look(write_folder(tmp_path), tmp_path / "served")
    (tmp_path / "served").mkdir()
    with serve_folder(
        view.folder, 0, lambda url: describe_raw_state(view, url), lambda name: find_file(view.stores, name)
    ) as url:
        with urlopen(f"{url}/view.json") as reply:
            state = json.load(reply)
        assert [layer["name"] for layer in state["layers"]] == ["ch0 raw", "ch1 raw"]
        assert [row["children"][0]["layout"] for row in state["layout"]["children"]] == ["xy", "xz"]
        assert state["showScaleBar"] is False  # as the voxel size is not known
        for layer in state["layers"]:
            with urlopen(layer["source"].removesuffix("|zarr3:") + "zarr.json") as reply:
                assert json.load(reply)["node_type"] == "group"
        text = describe_raw_viewers(view, url)
    assert "Their voxel size is not known: voxels are shown as cubes." in text
    assert f"#!{url}/view.json" in text
    low, high = np.percentile(MOVIE[0, 0, 2], (1, 99.8))  # of the middle plane
    assert f"range=[{float(low)!r}, {float(high)!r}]" in state["layers"][0]["shader"]


def test_the_printed_part_is_a_configuration(tmp_path: Path) -> None:
    first, view = look(write_hyperstack(tmp_path), tmp_path / "served")
    text = describe_raw_viewers(view, "http://127.0.0.1:8000/secret")
    assert "cubes" not in text
    assert "showScaleBar" not in describe_raw_state(view, "http://127.0.0.1:8000/secret")
    assert view.image.voxel_size == pytest.approx({"z": 0.3, "y": 0.1, "x": 0.1})
    pilot = yaml.safe_load(re.search(r"pilot: (\{.*\})", text)[1])  # type: ignore[index]
    select = yaml.safe_load(re.search(r"select: (\{.*\})\}", text)[1])  # type: ignore[index]
    config = yaml.safe_load(first.text)
    config |= {"pilot": pilot, "input": {**config["input"], "select": select}}
    run = prepare_run(config, needs_psfs=False)
    assert run.shape == (2, 6, 76)  # from a quarter to three quarters
    assert run.acquisition.timepoints == 1


def test_what_cannot_be_shown_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        name = "abcdefghijklmnopqrstuvwxyz"[number] * 3
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((2, 4, 4), np.uint8), photometric="minisblack")
    assert cli.main(["view", "--raw", str(tmp_path)]) == 2
    assert "these images are not understood yet: input.pattern: No preset reads the names" in capsys.readouterr().err
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((2, 4, 4)), photometric="minisblack")
    with pytest.raises(InputError, match="Neuroglancer cannot show pixels of float64"):
        look(tmp_path / "one.tif", tmp_path)
