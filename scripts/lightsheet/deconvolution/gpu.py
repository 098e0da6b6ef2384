"""Engine `gpu`: the code of engine `cpu` over CuPy arrays and cuFFT, on the current CUDA device."""

from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from lightsheet.deconvolution import fourier
from lightsheet.errors import InputError


def deconvolve(
    image: np.ndarray[Any, Any],
    psf: np.ndarray[Any, Any],
    *,
    iterations: int,
    boundary: str,
    threads: int | None,  # noqa: ARG001 (engines share one signature)
) -> np.ndarray[Any, Any]:
    """Deconvolve on the GPU; arguments and result, both in host memory, as in `fourier.deconvolve`."""
    cupy = _cupy()
    fft = import_module("cupyx.scipy.fft")
    backend = fourier.Backend(cupy, fft.rfftn, lambda spectrum, shape: fft.irfftn(spectrum, s=shape, overwrite_x=True))
    result: np.ndarray[Any, Any] = cupy.asnumpy(
        fourier.deconvolve(
            cupy.asarray(image), cupy.asarray(psf), iterations=iterations, boundary=boundary, backend=backend
        )
    )
    return result


def version() -> str:
    """Name the library that computes; a machine without a GPU, which plans the work of others, can say it too."""
    try:
        return f"cupy {import_module('cupy').__version__}"
    except ImportError:
        return "cupy, not installed"


def is_available() -> bool:
    """Tell whether CuPy can be imported and sees a device."""
    try:
        return bool(import_module("cupy").is_available())
    except ImportError:
        return False


def _cupy() -> ModuleType:
    if not is_available():
        raise InputError(
            "engine: gpu needs CuPy and an NVIDIA GPU that it sees; run `make install-gpu` on a machine that "
            "has one, or choose cpu"
        )
    return import_module("cupy")
