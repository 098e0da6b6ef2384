from pathlib import Path

import numpy as np
import pytest

from lightsheet.store import ngff, publish, volumes
from lightsheet.store.paths import Results
from lightsheet.store.volumes import StoreLayout
from lightsheet.viewing import pictures
from tests.support.stored_run import CODEC, VOXEL


def publish_raw(results: Results, filled: np.ndarray, voxel_size: dict[str, float]) -> StoreLayout:
    """Publish the raw store of a channel `A` with one volume."""
    layout = StoreLayout.plan(filled.shape, voxel_size, "uint16", CODEC)
    work = results.work("raw", "A")
    volumes.write_volume(work, 0, filled, layout, 1)
    multiscales = ngff.describe_multiscales("a", "tzyx", layout.levels, voxel_size, None)
    attributes = {"version": ngff.NGFF_VERSION, "multiscales": multiscales}
    publish.publish_store(results.raw_store("A"), [(work, 0, (0,))], layout, (1,), {"ome": attributes})
    return layout


def test_a_large_volume_is_shown_from_a_coarser_level(tmp_path: Path) -> None:
    filled = np.zeros((6, 700, 40), np.uint16)
    filled[3, 333, 20] = 4000
    layout = publish_raw(Results(tmp_path), filled, VOXEL)
    xy, xz, yz, pixel = pictures.project_volume(Results(tmp_path), "raw", "A")
    assert layout.levels[1].factor == (1, 2, 2)
    assert (xy.shape, xz.shape, yz.shape, pixel) == ((350, 20), (9, 20), (350, 9), 0.2)  # 6 x 0.3 um = 9 x 0.2 um
    assert np.unravel_index(xy.argmax(), xy.shape) == (166, 10)
    assert np.unravel_index(yz.argmax(), yz.shape) == (166, 5)  # 3.5 x 0.3 um = 5.25 x 0.2 um
    assert xy.max() == 1000  # the mean of 2 x 2 voxels


def test_a_volume_far_deeper_than_wide_is_still_a_picture_to_scale(tmp_path: Path) -> None:
    publish_raw(Results(tmp_path), np.ones((100, 40, 20), np.uint16), {"z": 3, "y": 0.1, "x": 0.2})
    xy, xz, yz, pixel = pictures.project_volume(Results(tmp_path), "raw", "A")
    assert pixel == 300 / 512
    assert (xy.shape, xz.shape, yz.shape) == ((7, 7), (512, 7), (7, 512))  # 4 um = 6.8 pixels


@pytest.mark.parametrize(("width", "bar"), [(3, 1), (14.9, 2), (15, 5), (80, 20), (1, 0.2), (0.25, 0.05), (3000, 1000)])
def test_scale_bars_are_round_and_at_most_a_third(width: float, bar: float) -> None:
    assert pictures.choose_scale_bar(width) == pytest.approx(bar, rel=1e-12)
