"""An image that was measured in part: a mask of voxels beside it, and the weights of boundary "extended" that follow.

A voxel that was never measured is treated as one beyond the field of view: its quotient is 0, and the weights are the
inverse of the light that measured voxels captured, see `padding.Weights`. No short table along each axis holds them.
`mask[z]` is bool (y, x), True where plane z was measured: the mask is an array, or an object that makes such planes.
"""

import hashlib
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from lightsheet.deconvolution.padding import LEAST_CAPTURED, Array, Frame, Weights

CACHE: dict[tuple[Any, ...], Any] = {}
"""The weights used last, for the volumes of a movie are measured alike; they take most of an iteration to compute."""


def place_mask(mask: Any, target: Any, xp: Any = np) -> None:
    """Write 1 where the image was measured, else 0, into an array (z, y, x) of NumPy or CuPy."""
    for z, plane in enumerate(target):
        plane[...] = xp.asarray(mask[z])


def read_mask(mask: Any, region: tuple[slice, ...]) -> Array:
    """Return the part of a mask in a region of the volume, an array of bool of NumPy."""
    part = mask[region]
    planes = (part[z] for z in range(part.shape[0]))
    return np.stack([plane if isinstance(plane, np.ndarray) else plane.get() for plane in planes])


def is_on_device(mask: Any) -> bool:
    """Tell whether a mask is on a device, with methods of its own; its images are erased already."""
    return hasattr(mask, "erase")


def has_voxels(mask: Any, value: bool) -> bool:
    """Tell whether the mask is `value` anywhere."""
    if is_on_device(mask):
        return bool(mask.has(value))
    return any(bool((mask[z] == value).any()) for z in range(mask.shape[0]))


def erase_unmeasured(volume: Any, mask: Any) -> None:
    """Set to 0 what was never measured of a volume (z, y, x) of NumPy or CuPy, in place."""
    if is_on_device(mask):
        mask.erase(volume)
        return
    for z, plane in enumerate(volume):
        plane[~_match_module(mask[z], plane)] = 0


def erase_image(image: Any, mask: Any) -> Any:
    """Return an image (z, y, x) with 0 where it was never measured: itself, if it is so already."""
    if is_on_device(mask) or all(not plane[~_match_module(mask[z], plane)].any() for z, plane in enumerate(image)):
        return image
    image = image.copy()
    erase_unmeasured(image, mask)
    return image


def _match_module(array: Any, model: Any) -> Any:
    """Return an array of NumPy or CuPy in that of these modules that another array is of."""
    if isinstance(model, np.ndarray):
        return array if isinstance(array, np.ndarray) else array.get()
    return import_module(type(model).__module__.split(".")[0]).asarray(array)


def weigh_captured(captured: Any) -> Weights:
    """Return the weights that follow from the light captured of each voxel of the cyclic array, which they replace."""
    threshold = LEAST_CAPTURED * float(captured.max())
    for plane in captured:
        plane[plane < threshold] = np.inf
        plane[...] = 1 / plane
    z, y, x = (np.arange(total) for total in captured.shape)
    return Weights(captured, (z, y, x))


def keep_weights(mask: Any, psf: Array, frame: Frame, compute: partial[Any]) -> Any:
    """Return what `compute` returned for the same mask, PSF and frame; or call it, when no other weights are kept.

    Its function is another one in each engine, whose weights are laid out in another way.
    """
    key = (compute.func, hashlib.sha256(mask.tobytes()).digest(), hashlib.sha256(psf.tobytes()).digest(), frame)
    weights = CACHE.get(key)
    if weights is None:  # and other threads may forget those that are kept
        CACHE.clear()
        CACHE[key] = weights = compute()
    return weights


def forget_weights() -> None:
    """Free the memory of the weights that are kept."""
    CACHE.clear()
