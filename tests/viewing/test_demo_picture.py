"""docs/draw_demo_picture.py, which draws the README's picture."""

import runpy
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from tests.support.stored_run import make

SCRIPT = Path(__file__).parents[2] / "docs" / "draw_demo_picture.py"


def test_before_and_after_in_the_channels_colours(tmp_path: Path) -> None:
    results = make(tmp_path, timepoints=2)
    runpy.run_path(str(SCRIPT))["draw_before_after"](results, tmp_path / "both.png", timepoint=1)
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
