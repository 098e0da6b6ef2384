"""Neuroglancer, in a browser, shows the very pixels of our shards; zarr-python and TensorStore are in test_store.py."""

import json
import os
import queue
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import neuroglancer
import numpy as np
import pytest

from lightsheet.store import pyramid
from lightsheet.store.pyramid import Level
from lightsheet.viewing import server
from lightsheet.viewing.viewer import describe_state
from tests.support import published_run
from tests.support.minislurm_machine import install
from tests.support.published_run import INTERVAL, VOXEL
from tests.support.stage_scan import scan_points

SHAPE = (96, 200, 260)
SECONDS = 240
"""For which a screenshot is waited for, the first until the browser has started."""

TRIES = 10
"""The first screenshots may be of the state or the size before."""

SHADER = """
void main() {
  uint value = uint(toRaw(getDataValue()));
  emitRGB(vec3(float(value >> 8), float(value & 255u), 255.0) / 255.0);
}
"""
"""Shows a value's high byte as red, its low byte as green, and as blue that there is an image at all."""


@pytest.fixture(scope="module")
def chromium() -> str:
    if not shutil.which("chromium") and os.geteuid() != 0:
        pytest.skip("Chromium is missing, and only root can install it")
    install({"chromium": "chromium"})
    return "chromium"


@pytest.fixture(scope="module")
def viewer(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[neuroglancer.Viewer]:
    """Open a viewer in a browser, which draws without a GPU."""
    folder = tmp_path_factory.mktemp("chromium")
    viewer = neuroglancer.Viewer()
    drawing = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
    quiet = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run")
    with (folder / "log").open("wb") as log:
        browser = subprocess.Popen(
            [chromium, *quiet, *drawing, f"--user-data-dir={folder / 'profile'}", viewer.get_viewer_url()],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    yield viewer
    os.killpg(browser.pid, signal.SIGKILL)
    browser.wait()
    neuroglancer.stop()


def _state(url: str, t: int, c: int, z: int, level: Level) -> dict[str, Any]:
    """Show one plane of one level, a voxel a pixel; OME's coordinates are those of the voxels' centres."""
    _, height, width = SHAPE
    return {
        "title": f"t{t} c{c} z{z} x{level.factor}",
        "dimensions": {"t": [INTERVAL, "s"], **{axis: [VOXEL[axis] * 1e-6, "m"] for axis in "zyx"}},
        "displayDimensions": ["x", "y", "z"],
        "position": [t, z, (height - 1) / 2, (width - 1) / 2],
        "crossSectionScale": level.factor[2],
        "layout": "xy",
        **dict.fromkeys(("showAxisLines", "showScaleBar", "showDefaultAnnotations"), False),
        "layers": [
            {
                "type": "image",
                "name": "a",
                "source": f"{url}/run.ome.zarr/|zarr3:",
                "localDimensions": {"c'": [1, ""]},
                "localPosition": [c],
                "opacity": 1,
                "blend": "default",
                "shader": SHADER,
            }
        ],
    }


def _plane(viewer: neuroglancer.Viewer, state: dict[str, Any], shape: tuple[int, int]) -> np.ndarray:
    """Return the values (y, x) that a viewer shows by `SHADER`."""
    image = _screenshot(viewer, state, shape)
    assert (image[..., 2] == 255).all(), "the store's image fills the view"
    return image[..., 0] << 8 | image[..., 1]


def _screenshot(viewer: neuroglancer.Viewer, state: dict[str, Any], shape: tuple[int, int]) -> np.ndarray:
    """Return what a viewer shows once it has loaded all that it needs: (y, x, rgb) uint16."""
    viewer.set_state(state)
    with viewer.config_state.txn() as config:
        config.show_ui_controls = config.show_panel_borders = False
        config.viewer_size = shape[::-1]
    replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(TRIES):
        viewer.async_screenshot(replies.put)
        reply = replies.get(timeout=SECONDS)
        image = reply.screenshot.image_pixels.astype(np.uint16)
        if reply.viewer_state.title == state["title"] and image.shape[:2] == shape:
            return image[..., :3]
    raise TimeoutError(f"Neuroglancer did not show {state['title']} in {TRIES} screenshots")


@pytest.mark.workflow
@pytest.mark.parametrize(("dtype", "codec"), [("uint16", "blosc"), ("float32", "zstd"), ("uint8", "gzip")])
def test_neuroglancer_shows_the_true_pixels(
    viewer: neuroglancer.Viewer, tmp_path: Path, dtype: str, codec: str
) -> None:
    run = published_run.make(tmp_path, SHAPE, 2, {"result": dtype}, codec)
    levels = run.layouts["result"].levels
    with server.serve_folder(run.results.folder) as url:
        for (_, t, c), volume in run.volumes.items():
            z = 0 if t == c else SHAPE[0] - 1  # each with each timepoint and each channel
            pixels = _plane(viewer, _state(url, t, c, z, levels[0]), SHAPE[1:])
            np.testing.assert_array_equal(pixels, volume[z])
        half = pyramid.downsample(volume, levels[1].factor)
        pixels = _plane(viewer, _state(url, t, c, z, levels[1]), half.shape[1:])
        np.testing.assert_array_equal(pixels, half[z])


@pytest.mark.workflow
def test_what_view_describes_shows_raw_beside_deconvolved(viewer: neuroglancer.Viewer, tmp_path: Path) -> None:
    """In each of the four panels both channels, in their colours: one is seen in the left half, one in the right."""
    values = {("raw", 0): 1000, ("raw", 1): 3000, ("result", 0): 2000, ("result", 1): 1500}
    run = published_run.make(tmp_path, SHAPE, fill=lambda kind, c: _half(values[kind, c], c))
    with server.serve_folder(run.results.folder, describe=partial(describe_state, run.results)) as url:
        with urlopen(f"{url}/{server.DESCRIPTION}") as reply:
            state = json.load(reply)
        image = _screenshot(viewer, state, (400, 600))
    for (kind, c), value in values.items():
        colour = np.array([[0x00, 0xFF, 0x40], [0xFF, 0xC0, 0x00]][c]) * value / 4000
        x = 150 + 300 * (kind == "result") + (-40, 40)[c]
        for y in (100, 300):
            assert np.abs(image[y - 3 : y + 3, x - 3 : x + 3] - colour).max() <= 2, f"{kind} of channel {c} at {x}, {y}"


@pytest.mark.workflow
@pytest.mark.parametrize(("kind", "direction", "axis"), [("deskewed", 1, "x"), ("rotated", -1, "y")])
def test_raw_planes_of_a_stage_scan_lie_over_the_result(
    viewer: neuroglancer.Viewer, tmp_path: Path, kind: str, direction: int, axis: str
) -> None:
    """Spots of the raw volume, sheared by the viewer, and of the result are seen at the same places, to 3 pixels."""
    scan = {"angle": 31.5, "step": VOXEL["z"] / np.sin(np.radians(31.5)), "axis": axis, "direction": direction}
    shape = (30, 60, 64)
    points = [[15, 30, 32], [14, 25, 44], [16, 38, 30]]
    spots = 3000 * scan_points(shape, points, {**scan, "pixel": VOXEL[axis]}, width=2.0)
    settings = {"scan": scan, "pixel": VOXEL[axis], "geometry": kind}
    run = published_run.make(tmp_path, shape, fill=lambda *_: spots, scan=settings)
    bare = dict.fromkeys(("showScaleBar", "showDefaultAnnotations"), False)
    with server.serve_folder(run.results.folder) as url:
        state = {**describe_state(run.results, url), "crossSectionBackgroundColor": "#000000", **bare, "title": kind}
        image = _screenshot(viewer, state, (400, 800)).sum(axis=2)
    for raw, result in ((rows[:, :395], rows[:, 405:]) for rows in (image[:195], image[205:])):
        assert min(raw.max(), result.max()) > 60, "each plane goes through a spot"
        centres = [[(index * half).sum() / half.sum() for index in np.indices(half.shape)] for half in (raw, result)]
        np.testing.assert_allclose(*centres, atol=3)


def _half(value: int, right: int) -> np.ndarray:
    """A volume, black in its other half."""
    volume = np.zeros(SHAPE)
    volume[..., slice(130, None) if right else slice(130)] = value
    return volume
