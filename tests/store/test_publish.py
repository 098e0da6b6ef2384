import shutil
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr
from ome_zarr_models import open_ome_zarr

from lightsheet.store import ngff
from lightsheet.store.publish import os, publish_store
from lightsheet.store.volumes import StoreLayout, write_volume
from lightsheet.system import files

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
SHAPE = (6, 150, 77)
LAYOUT = StoreLayout.plan(SHAPE, VOXEL, "uint16", {"name": "blosc"})


def volume(seed: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(seed).poisson(100, SHAPE).astype(dtype)


def publish(tmp_path: Path, timepoints: int = 2) -> Path:
    channels = ("488nm", "560nm")
    attributes = {
        "version": ngff.NGFF_VERSION,
        "multiscales": ngff.describe_multiscales("a", "tczyx", LAYOUT.levels, VOXEL, 43.748),
        "omero": ngff.describe_channels(dict.fromkeys(channels, 488), dict.fromkeys(channels, (0, 200, 80, 120))),
    }
    extra = {"seconds": [0.0, 43.7], "missing": []}
    volumes = [(tmp_path / "work" / c, t, (t, i)) for t in range(timepoints) for i, c in enumerate(channels)]
    for t in range(timepoints):
        for i, c in enumerate(channels):
            write_volume(tmp_path / "work" / c, t, volume(10 * t + i, LAYOUT.dtype), LAYOUT, 2)
    publish_store(tmp_path / "a.ome.zarr", volumes, LAYOUT, (timepoints, 2), {"ome": attributes, "lightsheet": extra})
    return tmp_path / "a.ome.zarr"


def test_a_published_store_is_valid_sharded_and_holds_every_volume(tmp_path: Path) -> None:
    place = publish(tmp_path)
    yaozarrs.validate_zarr_store(str(place))
    open_ome_zarr(zarr.open_group(place, mode="r"))
    array = zarr.open_array(place / "0", mode="r")
    assert (array.shape, array.shards, array.chunks[2:]) == ((2, 2, *SHAPE), (1, 1, *SHAPE), LAYOUT.levels[0].chunk)
    for t in range(2):
        for c in range(2):
            np.testing.assert_array_equal(array[t, c], volume(10 * t + c))
    shards = [p for p in (place / "0" / "c").rglob("*") if p.is_file()]
    assert len(shards) == 4, "one file a volume"
    assert all(p.stat().st_nlink == 2 for p in shards), "linked, not copied"


def test_a_path_with_brackets_and_spaces_is_a_path(tmp_path: Path) -> None:
    place = publish(tmp_path / "scan [00 x 01] *")
    np.testing.assert_array_equal(zarr.open_array(place / "0", mode="r")[1, 1], volume(11))


def test_the_old_store_stays_whole_until_the_new_one_is_in_its_place(tmp_path: Path) -> None:
    place = publish(tmp_path)
    write_volume(tmp_path / "work" / "488nm", 0, volume(99), LAYOUT, 2)
    np.testing.assert_array_equal(zarr.open_array(place / "0", mode="r")[0, 0], volume(0))
    publish(tmp_path, timepoints=3)
    assert zarr.open_array(place / "0", mode="r").shape[0] == 3
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(files.PART)] == []


def test_where_there_are_no_hard_links_shards_are_copied_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_source: object, _target: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    place = publish(tmp_path)
    np.testing.assert_array_equal(zarr.open_array(place / "0", mode="r")[1, 1], volume(11))
    assert caplog.text.count("copied, because it cannot be hard-linked (Operation not permitted)") == 1


def test_invalid_metadata_is_never_published(tmp_path: Path) -> None:
    place = publish(tmp_path)
    shutil.copytree(place, tmp_path / "before")
    with pytest.raises(Exception, match=r"multiscales|version"):
        publish_store(place, [], LAYOUT, (1, 1), {"version": "0.5", "multiscales": []})
    assert zarr.open_array(place / "0", mode="r").shape == (2, 2, *SHAPE)
