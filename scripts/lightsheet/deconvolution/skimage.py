"""Engine `skimage`: scikit-image's `richardson_lucy`, for comparisons; it starts flat, and is no reference.

Three things are put right around it. It takes what lies beyond the volume for dark, so that a flat image of ones comes
out between 0.03 and 4.7 near its edges: it gets the volume as boundary "replicate" pads it (0.6 to 1.2). An even-sized
PSF shifts its result by half a voxel: it gets an odd-sized one. Its thresholds are in image units: it gets an image
whose maximum is 1.
"""

from importlib import import_module
from importlib.metadata import version as version_of

import numpy as np
import scipy.fft

from lightsheet.deconvolution.fourier import ROUNDING
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.padding import Array
from lightsheet.system import count_cores


def deconvolve(image: Array, psf: Array, method: Method, threads: int | None) -> Array:
    """Deconvolve one volume; boundary "replicate" without acceleration is all that there is, and a flat start."""
    brightest = np.float32(image.max())
    if brightest == 0:
        return np.zeros(image.shape, np.float32)
    pads = [(k // 2, k // 2) for k in psf.shape]
    padded = np.pad(image.astype(np.float32) / brightest, pads, mode="edge")
    odd_psf = np.pad(psf, [(0, 1 - k % 2) for k in psf.shape])
    with (
        scipy.fft.set_workers(threads or count_cores()),
        np.errstate(divide="ignore", over="ignore", invalid="ignore"),
    ):
        result = import_module("skimage.restoration").richardson_lucy(
            padded, odd_psf, method.iterations, clip=False, filter_epsilon=ROUNDING
        )
    view = tuple(slice(low, low + n) for (low, _), n in zip(pads, image.shape, strict=True))
    positive: Array = np.maximum(result[view], 0)  # rounding of the FFT makes dark voxels slightly negative
    return positive * brightest


def version() -> str:
    """Name the libraries that compute."""
    return f"scikit-image {version_of('scikit-image')}, scipy {version_of('scipy')}"
