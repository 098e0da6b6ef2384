"""Whether a GPU can be used, and which: tried by tiny volumes whose results are known. Light to import.

A process that only has to know, as the coordinator of workers has, asks a process of its own for it: what has tried a
device holds memory of it as long as it lives, and where a device is for one process only, nobody else can use it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution.method import CHOICES, Method
from lightsheet.system import InputError

NO_CUPY = "CuPy is not installed"

TRIAL_ERROR = 1e-3
"""Relative; two right results differ by 1e-6."""

TRIAL_SECONDS = 300.0
"""A process that has not tried a GPU by then is given up: CuPy and CUDA's libraries may come from a slow disk."""

ANSWER = "LIGHTSHEET_GPU_TRIAL"
"""Environment variable with what such a process said, for the jobs of a run on the same machine."""

CHILD = f"from {__name__} import try_device; import json; print(json.dumps(try_device()))"


class Trial(NamedTuple):
    """What came of it."""

    absence: str | None  # why no GPU can be used, None if one can
    devices: tuple[str, ...]  # that there are, as `CUDA_VISIBLE_DEVICES` names them


@cache
def explain_absence() -> str | None:
    """Say why this process cannot compute on a GPU; None if one was given small volumes, and each came out right.

    A device that is seen is not enough: CuPy needs libraries of CUDA beside it, and these a driver that is new enough.
    """
    try:
        cupy = import_module("cupy")
    except Exception as error:  # CuPy's wheel of another CUDA warns, a broken one lacks a library
        is_absent = isinstance(error, ModuleNotFoundError) and error.name == "cupy"
        return NO_CUPY if is_absent else f"CuPy cannot be imported: {_shorten(error)}"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return "CuPy sees no GPU"
        worst = max(_measure_errors())
    except Exception as error:  # CuPy's, CUDA's and cuFFT's have no class in common
        return _shorten(error)
    return None if worst < TRIAL_ERROR else f"the GPU computes wrongly (a relative error of {worst:.1g})"


def is_available() -> bool:
    """Tell whether this process can compute on a GPU."""
    return explain_absence() is None


def check_gpu() -> None:
    """Refuse to compute without a GPU: InputError with the reason."""
    if reason := explain_absence():
        raise InputError(
            f"engine: gpu needs CuPy and an NVIDIA GPU that it sees: {reason}; run `make install-gpu` on a machine "
            "that has one, or choose cpu"
        )


def ask_for_gpu() -> Trial:
    """Say whether processes that this one starts can use a GPU, and which; it uses none, unless it has CuPy already.

    Asked once for each machine, SLURM job and choice of devices, see `ANSWER`.
    """
    if "cupy" in sys.modules:
        return try_device()
    if find_spec("cupy") is None:
        return Trial(NO_CUPY, ())
    place = " ".join([os.uname().nodename, *(os.environ.get(n, "") for n in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"))])
    answer = json.loads(os.environ.get(ANSWER, "{}"))
    if answer.get("place") != place:
        answer = {"place": place, "trial": _ask_child()}
        os.environ[ANSWER] = json.dumps(answer)
    absence, devices = answer["trial"]
    return Trial(absence, tuple(devices))


def try_device() -> Trial:
    """Try a GPU in this process."""
    absence = explain_absence()
    if absence:
        return Trial(absence, ())
    number = import_module("cupy").cuda.runtime.getDeviceCount()
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return Trial(None, tuple(names[:number] or map(str, range(number))))


def _ask_child() -> list[Any]:
    """Return what `try_device` returns in a process of its own."""
    command = [sys.executable, "-c", CHILD]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return [f"it has not been tried within {TRIAL_SECONDS:.0f} s", []]
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or ["no reason is told"])[-1]
        return [f"the process that tried it died with status {ended.returncode}: {last}", []]
    result: list[Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return result


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
