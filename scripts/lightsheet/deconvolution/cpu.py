"""Engine `cpu`: NumPy arrays and SciPy's FFT (pocketfft), which keeps float32 and uses threads."""

import os
from functools import partial
from importlib.metadata import version as version_of
from typing import Any

import numpy as np
import scipy.fft

from lightsheet.deconvolution import fourier

Array = np.ndarray[Any, Any]


def deconvolve(image: Array, psf: Array, *, iterations: int, boundary: str, threads: int | None) -> Array:
    """Deconvolve on the CPU; arguments and result as in `fourier.deconvolve`, `threads` all cores if None."""
    workers = threads or available_cores()
    backend = fourier.Backend(np, partial(scipy.fft.rfftn, workers=workers), partial(_inverse, workers=workers))
    result: Array = fourier.deconvolve(image, psf, iterations=iterations, boundary=boundary, backend=backend)
    return result


def version() -> str:
    """Name the libraries that compute."""
    return f"numpy {version_of('numpy')}, scipy {version_of('scipy')}"


def available_cores() -> int:
    """Count the cores that this process may use, which on a cluster are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _inverse(spectrum: Array, shape: tuple[int, ...], workers: int) -> Array:
    """`irfftn` in two steps, because in one it copies the spectrum instead of overwriting it."""
    spectrum = scipy.fft.ifftn(spectrum, axes=(0, 1), overwrite_x=True, workers=workers)
    real: Array = scipy.fft.irfft(spectrum, n=shape[2], axis=2, overwrite_x=True, workers=workers)
    return real
