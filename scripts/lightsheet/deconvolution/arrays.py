"""NumPy, CuPy or Dask arrays with any leading dimensions: a function of one volume and one PSF, broadcast over them.

Of Dask arrays, a task does the volumes of a chunk one after the other. A volume of several chunks is done in as many
blocks with a halo from their neighbours; its width comes from the PSF, and so a PSF of Dask is then computed at once.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from lightsheet.deconvolution.blocks import measure_halo
from lightsheet.system import InputError

Array = Any  # of numpy, cupy or dask
Function = Callable[[Array, Array], Array]
"""Takes an image (z, y, x) and a PSF (z, y, x) and returns float32 of the image's shape, of the image's module."""

AXES = 3
"""Dimensions of one volume: (z, y, x), the last ones."""


def broadcast(function: Function, image: Array, psf: Array) -> Array:
    """Apply a function, which Dask has to pickle, along leading dimensions; InputError at once if shapes do not fit."""
    for name, array in (("image", image), ("PSF", psf)):
        if array.ndim < AXES or prod(array.shape) == 0:
            raise InputError(
                f"the {name} has shape {array.shape}; it must be a (z, y, x) volume, or several: (..., z, y, x)"
            )
    try:
        leading = np.broadcast_shapes(image.shape[:-AXES], psf.shape[:-AXES])
    except ValueError:
        raise InputError(
            f"the image has shape {image.shape} and the PSF {psf.shape}; their dimensions before (z, y, x) must be "
            "equal where neither is 1"
        ) from None
    if is_dask(image) or is_dask(psf):
        return _build_graph(function, image, psf, len(leading))
    return _loop(function, image, psf)


def to_host(array: Array) -> np.ndarray[Any, Any]:
    """Return an array of NumPy or CuPy as one of NumPy."""
    return array if isinstance(array, np.ndarray) else array.get()


def is_dask(array: Array) -> bool:
    """Tell whether an array is of Dask, without importing it."""
    return type(array).__module__.startswith("dask.")


def _loop(function: Function, image: Array, psf: Array) -> Array:
    """Apply the function to one volume after the other."""
    leading = np.broadcast_shapes(image.shape[:-AXES], psf.shape[:-AXES])
    images, psfs = (np.broadcast_to(array, leading + array.shape[-AXES:]) for array in (image, psf))
    if not leading:
        return function(images, psfs)
    result = np.empty_like(image, np.float32, shape=images.shape)  # NumPy asks the array's own module
    for index in np.ndindex(leading):
        result[index] = function(images[index], psfs[index])
    return result


def _build_graph(function: Function, image: Array, psf: Array, leading: int) -> Array:
    """Make Dask's graph: one task a chunk of the image, which sees the halo around it and the whole PSF."""
    da = import_module("dask.array")
    image, psf = (array if is_dask(array) else da.from_array(array, chunks=-1) for array in (image, psf))
    psf = psf.rechunk(dict.fromkeys(range(-AXES, 0), -1))
    halos: dict[int, int] = {}  # by axis, from -3 to -1, where the image has several chunks
    split = [axis for axis in range(-AXES, 0) if image.numblocks[axis] > 1]
    if split:
        psfs = np.asarray(psf).reshape(-1, *psf.shape[-AXES:])
        widest = np.max([measure_halo(volume) for volume in psfs], axis=0).tolist()
        halos = {axis: widest[axis] for axis in split}
    image = da.overlap.overlap(image, {image.ndim + axis: halo for axis, halo in halos.items()}, boundary="none")
    labels = tuple(range(leading + AXES))
    psf_labels = tuple(range(len(labels), len(labels) + AXES))  # the PSF's (z, y, x) are not those of the image
    result = da.blockwise(
        partial(_loop, function),
        labels,
        image,
        labels[-image.ndim :],
        psf,
        labels[-psf.ndim : -AXES] + psf_labels,
        dtype=np.float32,
        meta=da.utils.meta_from_array(image._meta, leading + AXES, np.float32),
        concatenate=True,
    )
    return da.overlap.trim_internal(result, {result.ndim + axis: halo for axis, halo in halos.items()}, "none")
