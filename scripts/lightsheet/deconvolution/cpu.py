"""Engine `cpu`: NumPy and SciPy's FFT, all the cores inside one volume; see `lightsheet.deconvolution.sweeps`."""

from importlib.metadata import version as version_of
from typing import Any

import numpy as np

from lightsheet.capacity import available_cores
from lightsheet.deconvolution import sweeps
from lightsheet.method import Method

Array = np.ndarray[Any, Any]


def deconvolve(image: Array, psf: Array, method: Method, threads: int | None) -> Array:
    """Deconvolve on the CPU; arguments and result as in `sweeps.deconvolve`, `threads` all cores if None."""
    return sweeps.deconvolve(image, psf, method, threads or available_cores())


def version() -> str:
    """Name the libraries that compute."""
    return f"numpy {version_of('numpy')}, scipy {version_of('scipy')}"
