"""Pictures of a finished run: maximum projections of its volumes, to scale."""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import zarr
from scipy import ndimage

from lightsheet.store import Results, list_colours, read_ome

Image: TypeAlias = np.ndarray[Any, np.dtype[Any]]

LONG_SIDE = 512
"""Pixels along the longest side of a picture: what a screen shows two of, side by side."""


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


def choose_scale_bar(width: float) -> float:
    """Choose a scale bar for a picture of that width: 1, 2 or 5 times a power of ten, at most a third of it."""
    power = 10.0 ** math.floor(math.log10(width / 3))
    return max(digit * power for digit in (1, 2, 5) if digit == 1 or digit * power <= width / 3)


def _resize(image: Image, shape: tuple[int, int]) -> Image:
    factors = [new / old for new, old in zip(shape, image.shape, strict=True)]
    return np.asarray(ndimage.zoom(image, factors, order=1, mode="nearest", grid_mode=True))
