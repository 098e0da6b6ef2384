"""Read back by zarr-python, TensorStore and ome-zarr, validated by both validators of 0.4."""

import json
from pathlib import Path

import numpy as np
import ome_zarr.io
import ome_zarr.reader
import pytest
import tensorstore
import yaozarrs
import zarr
from ome_zarr_models.v04 import Image

from lightsheet.viewing import export
from tests.support import published_run
from tests.support.published_run import CHANNELS, INTERVAL, Run

SHAPE = (8, 90, 300)
LEVELS = [(8, 90, 300), (8, 45, 150), (4, 23, 75)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    hole = ("CamB_ch1_560nm", 4)
    run = published_run.make(tmp_path_factory.mktemp("zarr"), SHAPE, timepoints=5, missing=[hole])
    assert [level.shape for level in run.layouts["raw"].levels] == LEVELS
    return run


@pytest.fixture(scope="module")
def stores(run: Run) -> dict[str, Path]:
    """Every other timepoint."""
    out = run.results.folder.parent / "out"
    return {
        kind: export.export_volumes(run.results.folder, "ome-zarr-0.4", out, kind, timepoints="::2")[0]
        for kind in run.layouts
    }


@pytest.mark.parametrize("kind", ["raw", "result"])
@pytest.mark.parametrize("level", range(3))
def test_every_level_is_the_stores(run: Run, stores: dict[str, Path], kind: str, level: int) -> None:
    array = zarr.open_array(stores[kind] / str(level), mode="r")
    assert array.shape == (3, 2, *LEVELS[level])
    spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": f"{stores[kind]}/{level}"}}
    pixels = np.asarray(tensorstore.open(spec, open=True, read=True).result().read().result())
    for c, name in enumerate(CHANNELS):
        place, index = (run.results.store, (slice(None), c)) if kind == "result" else (run.results.raw_store(name), ())
        expected = np.asarray(zarr.open_array(place / str(level), mode="r")[(*index,)])[::2]
        np.testing.assert_array_equal(array[:, c], expected)
        np.testing.assert_array_equal(pixels[:, c], expected)
    if level == 0:
        np.testing.assert_array_equal(array[1, 1], run.volumes[kind, 2, 1])


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_it_is_valid_zarr_v2(stores: dict[str, Path], kind: str) -> None:
    yaozarrs.validate_zarr_store(str(stores[kind]))
    Image.from_zarr(zarr.open_group(stores[kind], mode="r"))
    array = json.loads((stores[kind] / "0" / ".zarray").read_text())
    assert (array["zarr_format"], array["dimension_separator"]) == (2, "/")
    assert array["compressor"] == {"id": "zlib", "level": 1}
    assert (stores[kind] / "0" / "2" / "1" / "0" / "0" / "0").is_file(), "chunks of zeros are written too"
    assert not list(stores[kind].rglob("zarr.json"))


def test_ome_zarr_reads_it(run: Run, stores: dict[str, Path]) -> None:
    location = ome_zarr.io.parse_url(stores["result"], mode="r")
    (node, *_) = ome_zarr.reader.Reader(location)()
    assert [level.shape[2:] for level in node.data] == LEVELS
    assert node.metadata["channel_names"] == list(CHANNELS)
    assert [axis["name"] for axis in node.metadata["axes"]] == list("tczyx")
    np.testing.assert_array_equal(node.data[0][1, 0], run.volumes["result", 2, 0])


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_the_metadata_are_the_stores_at_the_chosen_timepoints(stores: dict[str, Path], kind: str) -> None:
    attributes = json.loads((stores[kind] / ".zattrs").read_text())
    (described,) = attributes["multiscales"]
    assert described["version"] == "0.4"
    assert described["axes"] == [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        *({"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"),
    ]
    transformations = [level["coordinateTransformations"] for level in described["datasets"]]
    assert [t[0]["scale"] for t in transformations] == [
        [2 * INTERVAL, 1, 0.3, 0.104, 0.104],
        [2 * INTERVAL, 1, 0.3, 0.208, 0.208],
        [2 * INTERVAL, 1, 0.6, 0.416, 0.416],
    ]
    assert transformations[2][1]["translation"] == pytest.approx([0, 0, 0.15, 0.156, 0.156])
    looks = attributes["omero"]["channels"]
    assert [(look["label"], look["color"], look["window"]["end"]) for look in looks] == [
        ("CamA_ch0_488nm", "00FF40", 4000),
        ("CamB_ch1_560nm", "FFC000", 4000),
    ]
    assert attributes["lightsheet"] == {
        "timepoints": [0, 2, 4],
        "seconds": [0, 2 * INTERVAL, 4 * INTERVAL],
        "missing": [{"channel": "CamB_ch1_560nm", "timepoint": 2}],
    }
