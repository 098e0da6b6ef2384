"""Whether this process can compute on a GPU: tried once, by tiny volumes whose results are known. Light to import."""

import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from lightsheet.deconvolution.method import CHOICES, Method
from lightsheet.system import InputError

NO_CUPY = "CuPy is not installed"

TRIAL_ERROR = 1e-3
"""Relative; two right results differ by 1e-6."""


@cache
def explain_absence() -> str | None:
    """Say why this process cannot compute on a GPU; None if one was given small volumes, and each came out right.

    A device that is seen is not enough: CuPy needs libraries of CUDA beside it, and these a driver that is new enough.
    """
    try:
        cupy = import_module("cupy")
    except ImportError as error:
        is_absent = isinstance(error, ModuleNotFoundError) and error.name in (None, "cupy")
        return NO_CUPY if is_absent else f"CuPy cannot be imported: {_shorten(error)}"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return "CuPy sees no GPU"
        errors = list(_measure_errors())
    except Exception as error:  # CuPy's, CUDA's and cuFFT's have no class in common
        return _shorten(error)
    worst = max(errors)
    return None if worst < TRIAL_ERROR else f"the GPU computes wrongly (a relative error of {worst:.1g})"


def is_available() -> bool:
    """Tell whether this process can compute on a GPU."""
    return explain_absence() is None


def check_gpu() -> None:
    """Refuse to compute without a GPU: InputError with the reason."""
    if reason := explain_absence():
        raise InputError(
            f"engine: gpu needs CuPy and an NVIDIA GPU that it sees: {reason} (on {os.uname().nodename}); run `make "
            "install-gpu` on a machine that has one, or choose cpu"
        )


def list_devices() -> list[str]:
    """List the devices that this process may use, as `CUDA_VISIBLE_DEVICES` names them; none may be found."""
    try:
        number = import_module("cupy").cuda.runtime.getDeviceCount()
    except Exception:  # as above: without a driver, CUDA's
        return []
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return names[:number] or [str(index) for index in range(number)]


def _measure_errors() -> Iterator[float]:
    """Yield the relative errors of tiny volumes, between them through all kernels, by the oracle."""
    fourier, backend, gpu = (
        import_module(f"lightsheet.deconvolution.{name}") for name in ("fourier", "backend", "gpu")
    )
    numpy_backend, random = backend.make_numpy_backend(1), np.random.default_rng(0)
    image, psf = random.random((8, 9, 10), np.float32), random.random((3, 4, 5), np.float32)
    psf /= psf.sum()
    for boundary, acceleration in zip(("extended", "replicate", "extended"), CHOICES["acceleration"], strict=True):
        method = Method(3, boundary, "flat" if boundary == "extended" else "image", acceleration)
        setup = fourier.prepare(image.shape, psf, method, numpy_backend)
        expected: Any = fourier.iterate(image, setup, method, numpy_backend)
        yield float(np.abs(gpu.compute(image, psf, method) - expected).max() / expected.max())


def _shorten(error: BaseException) -> str:
    """Return the first line of what an error says, with its class."""
    lines = str(error).strip().splitlines() or ["no reason is told"]
    return f"{type(error).__name__}: {lines[0]}"
