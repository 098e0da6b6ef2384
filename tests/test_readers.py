"""Neuroglancer, in a browser, shows the very pixels of our shards; zarr-python and TensorStore are in test_store.py."""

import os
import queue
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import neuroglancer
import numpy as np
import pytest

from lightsheet import ome, publication, pyramid, store
from lightsheet.pyramid import Level
from lightsheet.store import Layout
from tests import web
from tests.slurm.minislurm import install

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
SHAPE = (96, 200, 260)
SECONDS = 60
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


def _publish(folder: Path, layout: Layout) -> dict[tuple[int, int], np.ndarray]:
    """Publish two timepoints of two channels, none of whose pixels is zero; returns the volumes."""
    random = np.random.default_rng(0)
    names = ("488nm", "560nm")
    volumes = {(t, c): random.integers(1, 250, SHAPE).astype(layout.dtype) for t in range(2) for c in range(2)}
    if layout.dtype != "uint8":  # more than a byte; and the means of 2 x 2 are whole numbers, which the shader shows
        volumes = {index: volume * 16 for index, volume in volumes.items()}
    for (t, c), volume in volumes.items():
        store.write_volume(folder / "work" / names[c], t, volume, layout, 2)
    attributes = {
        "version": ome.VERSION,
        "multiscales": ome.multiscales("a", "tczyx", layout.levels, VOXEL, 43.748),
        "omero": ome.channels(dict.fromkeys(names), dict.fromkeys(names, (0, 250, 0, 250))),
    }
    links = [(folder / "work" / names[c], t, (t, c)) for t, c in volumes]
    extra = {"seconds": [0.0, 43.748], "missing": []}
    publication.publish(folder / "a.ome.zarr", links, layout, (2, 2), {"ome": attributes, "lightsheet": extra})
    return volumes


def _state(url: str, t: int, c: int, z: int, level: Level) -> dict[str, Any]:
    """Show one plane of one level, a voxel a pixel; OME's coordinates are those of the voxels' centres."""
    _, height, width = SHAPE
    return {
        "title": f"t{t} c{c} z{z} x{level.factor}",
        "dimensions": {"t": [43.748, "s"], **{axis: [VOXEL[axis] * 1e-6, "m"] for axis in "zyx"}},
        "displayDimensions": ["x", "y", "z"],
        "position": [t, z, (height - 1) / 2, (width - 1) / 2],
        "crossSectionScale": level.factor[2],
        "layout": "xy",
        **dict.fromkeys(("showAxisLines", "showScaleBar", "showDefaultAnnotations"), False),
        "layers": [
            {
                "type": "image",
                "name": "a",
                "source": f"{url}/a.ome.zarr/|zarr3:",
                "localDimensions": {"c'": [1, ""]},
                "localPosition": [c],
                "opacity": 1,
                "blend": "default",
                "shader": SHADER,
            }
        ],
    }


def _plane(viewer: neuroglancer.Viewer, state: dict[str, Any], shape: tuple[int, int]) -> np.ndarray:
    """Return the values (y, x) that a viewer shows once it has loaded all that it needs."""
    viewer.set_state(state)
    with viewer.config_state.txn() as config:
        config.show_ui_controls = config.show_panel_borders = False
        config.viewer_size = shape[::-1]
    taken: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(TRIES):
        viewer.async_screenshot(taken.put)
        reply = taken.get(timeout=SECONDS)
        image = reply.screenshot.image_pixels.astype(np.uint16)
        if reply.viewer_state.title == state["title"] and image.shape[:2] == shape:
            assert (image[..., 2] == 255).all(), "the store's image fills the view"
            return image[..., 0] << 8 | image[..., 1]
    raise TimeoutError(f"Neuroglancer did not show {state['title']} in {TRIES} screenshots")


@pytest.mark.workflow
@pytest.mark.parametrize(("dtype", "codec"), [("uint16", "blosc"), ("float32", "zstd"), ("uint8", "gzip")])
def test_neuroglancer_shows_the_true_pixels(
    viewer: neuroglancer.Viewer, tmp_path: Path, dtype: str, codec: str
) -> None:
    layout = Layout.plan(SHAPE, VOXEL, dtype, {"name": codec})
    volumes = _publish(tmp_path, layout)
    with web.served(tmp_path) as url:
        for (t, c), volume in volumes.items():
            for z in (0, SHAPE[0] - 1):
                shown = _plane(viewer, _state(url, t, c, z, layout.levels[0]), SHAPE[1:])
                np.testing.assert_array_equal(shown, volume[z])
            half = pyramid.downsample(volume, layout.levels[1].factor)
            shown = _plane(viewer, _state(url, t, c, z, layout.levels[1]), half.shape[1:])
            np.testing.assert_array_equal(shown, half[z])
