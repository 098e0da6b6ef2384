import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from lightsheet.psf.figure import _draw_slice, draw_psf

COARSE = {"z": 0.3, "y": 0.104, "x": 0.104}


@pytest.mark.slow
def test_picture_is_whole_and_the_same_every_time(tmp_path):
    z, y, x = np.ogrid[-4:5, -8:9, -8:9]
    result = np.exp(-(z**2) / 3 - (y**2 + x**2) / 8)
    for name in ("a.png", "b.png"):
        draw_psf(result, COARSE, "CamA_ch0_488nm", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert min(imread(tmp_path / "a.png").shape[:2]) > 500


def test_draw_slices_are_drawn_to_scale():
    figure = Figure(figsize=(5, 5))
    plane = np.ones((10, 40))  # 3 um down, 4.16 um right
    _draw_slice(axes := figure.subplots(), plane, COARSE, "zx", (5, 20))
    figure.draw_without_rendering()
    box = axes.get_window_extent()
    assert box.height / box.width == pytest.approx(3 / 4.16, rel=1e-3)
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    assert (right - left, bottom - top) == pytest.approx((4.16, 3.0))  # z grows downwards
