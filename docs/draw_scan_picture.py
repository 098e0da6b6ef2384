"""Draw the README's picture of a stage scan, docs/scan.png: `python docs/draw_scan_picture.py results/NAME`.

The run is of `lightsheet simulate data/scan --scan stage`, its result deskewed.
"""

import sys
from pathlib import Path

import numpy as np
from draw_demo_picture import draw_panel
from matplotlib.figure import Figure

from lightsheet.store import PublishedImage, Results, VolumeKey, find_finished, read_channel_image, read_image
from lightsheet.system import write_whole
from lightsheet.viewing.projections import project_volume

WINDOW = (1, 99.7)
"""Percentiles of each panel that are shown black and white."""

UNMEASURED = 0.25  # grey of what was never measured


def draw_scan(results: Results, path: Path, timepoint: int = 0) -> None:
    """Draw xz projections of the first channel: raw planes as a stack, deskewed, and deconvolved; 1000 pixels wide."""
    channel = read_image(results, "result").channels[0].name
    raw, result = (project_volume(results, VolumeKey(kind, channel, timepoint)) for kind in ("raw", "result"))
    stacked = stack_planes(read_channel_image(results, "raw", channel), timepoint, raw.pixel, len(raw.xz))
    panels = {"raw": stacked, "raw, deskewed": raw.xz, "deconvolved where it was measured, then deskewed": result.xz}
    widths = [image.shape[1] for image in panels.values()]
    figure = Figure(figsize=(10, 10 * len(raw.xz) / sum(widths)), facecolor="white")
    left = 0.0
    for (caption, image), width in zip(panels.items(), widths, strict=True):
        share = width / sum(widths)
        axes = figure.add_axes((left + 0.002, 0, share - 0.004, 1))
        draw_panel(axes, paint_grey(image), caption, width * raw.pixel, font_size=10)
        left += share
    with write_whole(path) as part:
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def stack_planes(image: PublishedImage, timepoint: int, pixel: float, height: int) -> np.ndarray:
    """Project raw planes along y as a viewer does that knows nothing of the stage: (z, x) in pixels of that size."""
    planes = np.concatenate(
        [band.max(axis=1) for _, band in image.read_bands(image.channels[0], timepoint, 0, whole_planes=True)]
    )
    rows = np.linspace(0, len(planes) - 1, height).round().astype(int)
    columns = np.arange(0, planes.shape[1] - 0.5, pixel / image.voxel_size["x"]).round().astype(int)
    return planes[np.ix_(rows, columns)].astype(np.float32)


def paint_grey(image: np.ndarray) -> np.ndarray:
    """Return counts (z, x) as grey (z, x, 3) from 0 to 1, brightened where they are dim."""
    low, high = np.nanpercentile(image, WINDOW)
    grey = np.where(np.isnan(image), UNMEASURED, np.clip((image - low) / (high - low), 0, 1) ** 0.6)
    return np.stack([grey] * 3, axis=-1)


if __name__ == "__main__":
    draw_scan(find_finished(Path(sys.argv[1])), Path(__file__).with_name("scan.png"))
