"""A pyramid of raw volumes that are in no store: to the voxel what a store would hold."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import zarr

from lightsheet.provenance.raw_image import SourceImage
from lightsheet.store import PublishedChannel
from lightsheet.store.volumes import StoreLayout, make_hole, write_volume
from lightsheet.system.errors import InputError
from tests.support.families import parametrize

SHAPE = (21, 300, 141)
VOXEL = {"z": 0.15, "y": 0.1, "x": 0.1}
CHANNEL = PublishedChannel({"label": "A"}, Path("none"), ())


def make_image(volume: np.ndarray, layout: StoreLayout, dtype: str) -> SourceImage:
    return SourceImage(
        "a",
        (CHANNEL,),
        layout.levels,
        VOXEL,
        np.dtype(dtype),
        None,
        (None, None),
        frozenset({("A", 1)}),
        open_volume=lambda channel, timepoint: nullcontext(volume),  # noqa: ARG005
    )


@parametrize("dtype", ["uint16", "float32"])
def test_every_level_is_that_of_a_store(tmp_path: Path, dtype: str) -> None:
    volume = np.random.default_rng(1).gamma(2, 500, SHAPE).astype(dtype)
    layout = StoreLayout.plan(SHAPE, VOXEL, dtype, {"name": "zstd", "configuration": {}})
    assert len(layout.levels) == 3
    image = make_image(volume, layout, dtype)
    for timepoint, content in enumerate((volume, make_hole(layout))):
        write_volume(tmp_path, timepoint, content, layout, 1)
        for number, level in enumerate(layout.levels):
            whole_planes = bool(number % 2)
            read = np.empty(level.shape, dtype)
            for region, band in image.read_bands(CHANNEL, timepoint, number, whole_planes=whole_planes):
                read[region] = band
            stored = zarr.open_array(tmp_path / str(number), mode="r")[timepoint]
            np.testing.assert_array_equal(read, stored)


def test_files_of_other_volumes_than_the_store_says_are_a_sentence() -> None:
    layout = StoreLayout.plan(SHAPE, VOXEL, "uint16", {"name": "zstd", "configuration": {}})
    image = make_image(np.zeros((3, 4, 5), np.uint16), layout, "uint16")
    with pytest.raises(InputError, match=r"its files hold a volume of \(3, 4, 5\) uint16"):
        list(image.read_bands(CHANNEL, 0, 0))
