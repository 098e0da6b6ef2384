from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from lightsheet.store import ngff, publish, volumes
from lightsheet.store.paths import Results
from lightsheet.store.volumes import StoreLayout
from lightsheet.viewing import pictures
from tests.support.stored_run import CODEC, VOXEL, make


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


def test_before_and_after_in_the_channels_colours(tmp_path: Path) -> None:
    results = make(tmp_path, timepoints=2)
    pictures.draw_before_after(results, tmp_path / "both.png", timepoint=1)
    image = matplotlib.image.imread(tmp_path / "both.png")[..., :3]
    height, width, _ = image.shape
    assert width == 1000
    assert height == pytest.approx(495 * 40 / 30, abs=1)
    # Both channels have their spot at the same place: their colours, 00FF00 and FFC000, add up to yellow. Half a
    # pixel beside the middle of a voxel drawn 16.5 pixels wide, interpolation has taken 1/33.
    y, x = (round((at + 0.5) / n * size) for at, n, size in ((30, 40, height), (10, 30, 495)))
    np.testing.assert_allclose(image[y, x], [1, 1, 0], atol=1 / 33 + 1 / 255)
    np.testing.assert_allclose(image[y, x + 505], [1, 1, 0], atol=1 / 33 + 1 / 255)
    assert image[height // 2, width // 2].max() == 0  # between the panels
    # The bar is 1 um of 3 um, white, at the lower right; captions are white at the upper left.
    row = image[round(0.97 * height), 505:].min(axis=-1) > 0.9
    assert row.sum() == pytest.approx(495 / 3, abs=2)
    assert (image[: height // 10, : width // 10].min(axis=-1) > 0.9).any()
