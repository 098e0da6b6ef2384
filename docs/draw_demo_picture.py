"""Draw the README's picture, docs/demo.png, from the demo's results: `make picture`."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightsheet.store import Results, VolumeKey, read_image
from lightsheet.system import write_whole
from lightsheet.viewing.pictures import choose_scale_bar, project_volume

CAPTIONS = {"raw": "raw", "result": "deconvolved"}

WINDOW = (1, 99.5)
"""Percentiles of a volume's xy and xz projections that are shown black and white."""


def draw_before_after(results: Results, path: Path, timepoint: int = 0) -> None:
    """Draw the xy projections of all channels, merged in their colours, raw beside deconvolved: 1000 pixels wide."""
    panels = [(caption, *merge_channels(results, kind, timepoint)) for kind, caption in CAPTIONS.items()]
    height, width, _ = panels[0][1].shape
    figure = Figure(figsize=(10, 4.95 * height / width), facecolor="black")
    for left, (caption, image, pixel) in zip((0, 0.505), panels, strict=True):
        draw_panel(figure.add_axes((left, 0, 0.495, 1)), image, caption, width * pixel)
    with write_whole(path) as part:
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def merge_channels(results: Results, kind: str, timepoint: int) -> tuple[np.ndarray, float]:
    """Add up the channels' xy projections in their colours: (y, x, 3) from 0 to 1, and the pixel in micrometre."""
    merged: Any = 0.0
    for channel in read_image(results, "result").channels:
        xy, xz, _, pixel = project_volume(results, VolumeKey(kind, channel.name, timepoint))
        low, high = np.percentile(np.concatenate([xy.ravel(), xz.ravel()]), WINDOW)
        grey = np.clip((xy - low) / ((high - low) or 1), 0, 1)
        merged = merged + grey[..., None] * (np.frombuffer(bytes.fromhex(channel.colour), np.uint8) / 255)
    return np.clip(merged, 0, 1), pixel


def draw_panel(axes: Axes, image: np.ndarray, caption: str, width: float, font_size: int = 14) -> None:
    """Fill axes with a picture (y, x, 3), `width` micrometre wide, its caption and a scale bar."""
    axes.set_axis_off()
    axes.imshow(image, aspect="auto", interpolation="bilinear")
    bar = choose_scale_bar(width)
    white: dict[str, Any] = {"color": "white", "transform": axes.transAxes}
    axes.text(0.03, 0.97, caption, va="top", fontsize=font_size, **white)
    axes.text(0.97 - bar / width / 2, 0.045, f"{bar:g} µm", ha="center", va="bottom", fontsize=font_size - 2, **white)
    axes.plot([0.97 - bar / width, 0.97], [0.03, 0.03], lw=3, solid_capstyle="butt", **white)


if __name__ == "__main__":
    draw_before_after(Results(Path("results/demo")), Path("docs/demo.png"))
