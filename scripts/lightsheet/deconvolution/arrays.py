"""NumPy, CuPy or Dask arrays with any leading dimensions: a function of one volume and one PSF, broadcast over them."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from lightsheet.deconvolution.blocks import measure_halo
from lightsheet.system import InputError

Array = Any  # of numpy, cupy or dask
Volumes = Callable[[Array, Array], Array]
"""Takes an image (z, y, x) and a PSF (z, y, x) and returns float32 of the image's shape, of the image's module."""

CORE = 3
"""Dimensions of one volume: (z, y, x), the last ones."""


def broadcast(function: Volumes, image: Array, psf: Array) -> Array:
    """Apply a function of one volume and one PSF along leading dimensions, as a gufunc (z,y,x),(k,l,m)->(z,y,x).

    Parameters
    ----------
    function : callable
        See `Volumes`. For Dask arrays it must survive pickling.
    image, psf : array
        (..., z, y, x) of NumPy, CuPy or Dask. Leading dimensions are broadcast against each other; of one volume or
        PSF there need be none.

    Returns
    -------
    array
        (..., z, y, x) float32 of the image's z, y and x, in the image's module; a lazy one if either is of Dask. There,
        a task does the volumes of a chunk one after the other. A volume of several chunks is done in as many blocks
        with a halo from their neighbours (`lightsheet.deconvolution.blocks`), whose width comes from the PSF: one of
        Dask is then computed at once.

    Raises
    ------
    InputError
        If a shape cannot be used; at once, for Dask arrays too.
    """
    leading = _leading(image, psf)
    if is_dask(image) or is_dask(psf):
        return _lazily(function, image, psf, len(leading))
    return _one_by_one(function, image, psf)


def _leading(image: Array, psf: Array) -> tuple[int, ...]:
    """Return the result's leading dimensions."""
    for name, array in (("image", image), ("PSF", psf)):
        if array.ndim < CORE or prod(array.shape) == 0:
            raise InputError(
                f"the {name} has shape {array.shape}; it must be a (z, y, x) volume, or several: (..., z, y, x)"
            )
    try:
        return np.broadcast_shapes(image.shape[:-CORE], psf.shape[:-CORE])
    except ValueError:
        raise InputError(
            f"the image has shape {image.shape} and the PSF {psf.shape}; their dimensions before (z, y, x) must be "
            "equal where neither is 1"
        ) from None


def to_host(array: Array) -> np.ndarray[Any, Any]:
    """Return an array of NumPy or CuPy as one of NumPy."""
    return array if isinstance(array, np.ndarray) else array.get()


def is_dask(array: Array) -> bool:
    """Tell whether an array is of Dask, without importing it."""
    return type(array).__module__.startswith("dask.")


def _one_by_one(function: Volumes, image: Array, psf: Array) -> Array:
    leading = np.broadcast_shapes(image.shape[:-CORE], psf.shape[:-CORE])
    images, psfs = (np.broadcast_to(array, leading + array.shape[-CORE:]) for array in (image, psf))
    if not leading:
        return function(images, psfs)
    out = np.empty_like(image, np.float32, shape=images.shape)  # NumPy asks the array's own module
    for index in np.ndindex(leading):
        out[index] = function(images[index], psfs[index])
    return out


def _lazily(function: Volumes, image: Array, psf: Array, leading: int) -> Array:
    """Make Dask's graph: one task a chunk of the image, which sees the halo around it and the whole PSF."""
    da = import_module("dask.array")
    image, psf = (array if is_dask(array) else da.from_array(array, chunks=-1) for array in (image, psf))
    psf = psf.rechunk(dict.fromkeys(range(-CORE, 0), -1))
    depth = _depth(image, psf)
    image = da.overlap.overlap(image, depth, boundary="none")
    labels = tuple(range(leading + CORE))
    own = tuple(range(len(labels), len(labels) + CORE))  # the PSF's (z, y, x), not those of the image
    result = da.blockwise(
        partial(_one_by_one, function),
        labels,
        image,
        labels[-image.ndim :],
        psf,
        labels[-psf.ndim : -CORE] + own,
        dtype=np.float32,
        meta=da.utils.meta_from_array(image._meta, leading + CORE, np.float32),
        concatenate=True,
    )
    return da.overlap.trim_internal(
        result, {axis + leading + CORE - image.ndim: n for axis, n in depth.items()}, "none"
    )


def _depth(image: Array, psf: Array) -> dict[int, int]:
    """Return the halo for each axis of the image: none where it has one chunk."""
    split = [image.numblocks[axis] > 1 for axis in range(-CORE, 0)]
    margin = [0] * CORE
    if any(split):
        known = np.asarray(psf).reshape(-1, *psf.shape[-CORE:])
        margin = np.max([measure_halo(one) for one in known], axis=0).tolist()
    depths = [n if cut else 0 for n, cut in zip(margin, split, strict=True)]
    return dict(enumerate([0] * (image.ndim - CORE) + depths))
