"""Volumes for a device and for NumPy, and the settings with which both take them the same way."""

from importlib import import_module

import numpy as np

from lightsheet.processing import (
    camera,
    gpu_kernels,
)
from lightsheet.processing.deconvolve import deconvolve_pixels

VOXEL, CODEC = {"z": 0.3, "y": 0.1, "x": 0.1}, {"name": "zstd"}
SHAPE = (9, 134, 131)
BALL = np.exp(-sum(a**2 / 4 for a in np.meshgrid(*[np.arange(-r, r + 1) for r in (2, 4, 3)], indexing="ij")))
PSF = BALL[:, :, :-1].astype(np.float32)
SETTINGS = {
    "engine": "gpu",
    "iterations": 3,
    "boundary": "extended",
    "acceleration": "none",
    "background": 107.5,
    "dtype": "float32",
    "scale": 1,
}


def draw(shape=SHAPE, dtype="uint16", seed=0):
    """A dark field with light on one side, and some saturated voxels."""
    random = np.random.default_rng(seed)
    pixels = random.poisson(np.linspace(100, 400, shape[-1]), shape).astype(dtype)
    pixels[0, 0, : min(3, shape[-1])] = camera.find_largest(np.dtype(dtype)) if np.dtype(dtype).kind in "iu" else 1000
    return pixels


def run(raw, psf=PSF, block=None, **changes):
    """Return what both engines make of a volume."""
    return [
        deconvolve_pixels(raw, psf, {**SETTINGS, **changes, "engine": engine}, 1, block) for engine in ("gpu", "cpu")
    ]


def upload(array, stored="float32"):
    """Return it on the device, and the kernels for it."""
    cupy = import_module("cupy")
    return cupy.asarray(array), gpu_kernels.get_kernels(cupy, array.dtype.name, stored)
