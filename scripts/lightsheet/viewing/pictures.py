"""Pictures of a finished run: maximum projections of its volumes, to scale, and all channels before and after."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import zarr
from scipy import ndimage

from lightsheet.store import Results, list_colours, read_ome
from lightsheet.system import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Image: TypeAlias = np.ndarray[Any, np.dtype[Any]]

LONG_SIDE = 512
"""Pixels along the longest side of a picture: what a screen shows two of, side by side."""

WINDOW = (1, 99.5)
"""Percentiles of a volume's two projections that are shown black and white."""

CAPTIONS = {"raw": "raw", "result": "deconvolved"}


class Projections(NamedTuple):
    """Maximum projections of a volume, to scale.

    Parameters
    ----------
    xy, xz, yz : numpy.ndarray
        (y, x), (z, x) and (y, z) float32, in the stored values.
    pixel : float
        Edge of their square pixels in micrometre.
    """

    xy: Image
    xz: Image
    yz: Image
    pixel: float


def project_volume(results: Results, kind: str, channel: str, timepoint: int = 0) -> Projections:
    """Project a published volume along z, y and x, from the finest pyramid level that makes a small picture.

    Parameters
    ----------
    results : Results
        The run.
    kind : str
        `raw` or `result`.
    channel : str
        The volume's channel.
    timepoint : int
        Index on the time axis.

    Returns
    -------
    Projections
        At most about 512 pixels along each axis; an axis whose voxels are longer is interpolated linearly.

    Raises
    ------
    InputError
        If the store is not published.
    """
    store = results.store if kind == "result" else results.raw_store(channel)
    attributes = read_ome(store)
    index = (timepoint, list(list_colours(attributes)).index(channel)) if kind == "result" else (timepoint,)
    for level in attributes["multiscales"][0]["datasets"]:
        array = zarr.open_array(store / level["path"], mode="r")
        voxel = level["coordinateTransformations"][0]["scale"][-3:]
        extent = np.multiply(array.shape[-3:], voxel)
        if max(extent) / min(voxel) <= LONG_SIDE:
            break
    pixel = max(min(voxel), max(extent) / LONG_SIDE)
    z, y, x = (max(1, round(length / pixel)) for length in extent)
    volume = np.asarray(array[index], np.float32)
    return Projections(
        _resize(volume.max(axis=0), (y, x)),
        _resize(volume.max(axis=1), (z, x)),
        _resize(volume.max(axis=2).T, (y, z)),
        pixel,
    )


def draw_before_after(results: Results, path: Path, timepoint: int = 0) -> None:
    """Draw the xy projections of all channels, merged in their colours, raw beside deconvolved.

    Parameters
    ----------
    results : Results
        The run, its stores published.
    path : Path
        The PNG file, 1000 pixels wide, which appears whole or not at all.
    timepoint : int
        Index on the time axis.

    Raises
    ------
    InputError
        If a store is not published.
    """
    from matplotlib.figure import Figure  # imported here because it takes long, and the page needs none

    panels = [(caption, *_merge(results, kind, timepoint)) for kind, caption in CAPTIONS.items()]
    height, width, _ = panels[0][1].shape
    figure = Figure(figsize=(10, 4.95 * height / width), facecolor="black")
    for left, (caption, image, pixel) in zip((0, 0.505), panels, strict=True):
        _panel(figure.add_axes((left, 0, 0.495, 1)), image, caption, width * pixel)
    with write_whole(path) as part:
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def choose_scale_bar(width: float) -> float:
    """Choose a scale bar for a picture of that width: 1, 2 or 5 times a power of ten, at most a third of it."""
    power = 10.0 ** math.floor(math.log10(width / 3))
    return max(digit * power for digit in (1, 2, 5) if digit == 1 or digit * power <= width / 3)


def _merge(results: Results, kind: str, timepoint: int) -> tuple[Image, float]:
    """Add up the channels' xy projections in their colours: (y, x, 3) from 0 to 1, and the pixel in micrometre."""
    merged: Image | float = 0.0
    for channel, colour in list_colours(read_ome(results.store)).items():
        seen = project_volume(results, kind, channel, timepoint)
        rgb = np.frombuffer(bytes.fromhex(colour), np.uint8) / 255
        merged = merged + _stretch(seen.xy, *_window(seen))[..., None] * rgb
    return np.clip(merged, 0, 1), seen.pixel


def _panel(axes: "Axes", image: Image, caption: str, width: float) -> None:
    """Fill axes with a picture of that width in micrometre, its caption and a scale bar."""
    axes.set_axis_off()
    axes.imshow(image, aspect="auto", interpolation="bilinear")
    bar = choose_scale_bar(width)
    white: dict[str, Any] = {"color": "white", "transform": axes.transAxes}
    axes.text(0.03, 0.97, caption, va="top", fontsize=14, **white)
    axes.text(0.97 - bar / width / 2, 0.045, f"{bar:g} µm", ha="center", va="bottom", fontsize=12, **white)
    axes.plot([0.97 - bar / width, 0.97], [0.03, 0.03], lw=3, solid_capstyle="butt", **white)


def _window(seen: Projections) -> tuple[float, float]:
    """Return what is shown black and what white."""
    low, high = np.percentile(np.concatenate([seen.xy.ravel(), seen.xz.ravel()]), WINDOW)
    return float(low), float(high if high > low else low + 1)


def _stretch(image: Image, low: float, high: float) -> Image:
    return np.clip((image - low) / (high - low), 0, 1)


def _resize(image: Image, shape: tuple[int, int]) -> Image:
    factors = [new / old for new, old in zip(shape, image.shape, strict=True)]
    return np.asarray(ndimage.zoom(image, factors, order=1, mode="nearest", grid_mode=True))
