"""Richardson-Lucy deconvolution: the one function behind which the engines stand, and which there are.

The method is that of Richardson (1972, J. Opt. Soc. Am. 62, 55) and Lucy (1974, Astron. J. 79, 745). An
engine is a module with `deconvolve(image, psf, *, iterations, boundary, threads)` and `version()`; it is
imported only when it is used, so that nobody needs what another engine needs.
"""

from importlib import import_module
from typing import Any

import numpy as np

from lightsheet.errors import InputError

ENGINES = {name: f"{__name__}.{name}" for name in ("cpu", "gpu", "itk")}
BOUNDARIES = ("extended", "replicate")
ACCELERATIONS = ("none",)

# Part of every fingerprint: raise it when an engine's pixels change for the same settings.
ALGORITHM_VERSION = 1

LARGEST = float(np.finfo(np.float32).max)


def richardson_lucy(
    image: np.ndarray[Any, Any],
    psf: np.ndarray[Any, Any],
    *,
    iterations: int,
    engine: str = "auto",
    boundary: str = "extended",
    acceleration: str = "none",
    threads: int | None = None,
) -> np.ndarray[Any, Any]:
    """Deconvolve one volume.

    Parameters
    ----------
    image : numpy.ndarray
        (z, y, x), any real dtype, the camera's offset removed; negative voxels count as 0.
    psf : numpy.ndarray
        (z, y, x), any size, sampled at the image's voxel size, its centre at index N // 2 of each axis. Its
        sum is brought to 1 here.
    iterations : int
        How many, at least 1.
    engine : str
        "auto" (see `resolve`) or one of `ENGINES`.
    boundary : str
        "extended": the estimate reaches beyond the field of view by the PSF's support, and only measured
        voxels count (Bertero and Boccacci 2005, Astron. Astrophys. 437, 369). "replicate": the image's edge
        is repeated outwards, as ITK does.
    acceleration : str
        "none".
    threads : int, optional
        How many threads to use; all cores that this process may use unless given. Engine "gpu" ignores it.

    Returns
    -------
    numpy.ndarray
        (z, y, x) of the image's shape, float32, finite; the same bits on every run.

    Raises
    ------
    InputError
        If an argument cannot be used, or the result exceeds what float32 holds.
    RuntimeError
        If ITK's process dies.
    """
    _check_choice("boundary", boundary, BOUNDARIES)
    _check_choice("acceleration", acceleration, ACCELERATIONS)
    if iterations < 1:
        raise InputError(f"iterations: {iterations} is too few; give 1 or more")
    _check_volume("image", image)
    _check_volume("PSF", psf)
    module = import_module(ENGINES[resolve(engine)])
    if image.min() < 0:
        image = np.maximum(image, 0)
    with np.errstate(over="ignore", invalid="ignore"):  # the check below says it in a sentence
        result: np.ndarray[Any, Any] = module.deconvolve(
            image, _normalised(psf), iterations=iterations, boundary=boundary, threads=threads
        )
    if not _is_finite(result):
        raise InputError(
            "the deconvolved volume exceeds what float32 holds; check the image's largest values and the PSF's "
            "negative ones"
        )
    return result


def resolve(engine: str) -> str:
    """Name the engine that an `engine` setting stands for.

    Parameters
    ----------
    engine : str
        One of `ENGINES`, or "auto": "gpu" where CuPy can be imported and sees a device, else "cpu".

    Returns
    -------
    str
        One of `ENGINES`.

    Raises
    ------
    InputError
        If there is no such engine.
    """
    _check_choice("engine", engine, ("auto", *ENGINES))
    if engine != "auto":
        return engine
    return "gpu" if import_module(ENGINES["gpu"]).is_available() else "cpu"


def engine_version(engine: str) -> str:
    """Say what computes the pixels, for fingerprints: like "cpu 1 (numpy 2.4.6, scipy 1.17.1)".

    Parameters
    ----------
    engine : str
        "auto" or one of `ENGINES`.

    Returns
    -------
    str
        Engine, algorithm version, and the versions of the libraries behind it.

    Raises
    ------
    InputError
        If there is no such engine, or it is not installed.
    """
    name = resolve(engine)
    return f"{name} {ALGORITHM_VERSION} ({import_module(ENGINES[name]).version()})"


def try_out(engine: str) -> None:
    """Deconvolve a tiny volume: what the engine needs, a GPU say, is there or raises its error here.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    """
    richardson_lucy(np.ones((8, 8, 8)), np.ones((3, 3, 3)), iterations=1, engine=engine, boundary="replicate")


def _check_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{key}: there is no {value!r}; choose one of {', '.join(choices)}")


def _check_volume(name: str, volume: np.ndarray[Any, Any]) -> None:
    if volume.ndim != 3 or volume.size == 0:
        raise InputError(f"the {name} has shape {volume.shape}; it must be a (z, y, x) volume")
    if volume.dtype.kind not in "biuf":
        raise InputError(f"the {name} has dtype {volume.dtype}; it must hold real numbers")
    if not _is_finite(volume):
        raise InputError(f"the {name} has voxels that are NaN or infinite in float32; write it anew without them")


def _is_finite(volume: np.ndarray[Any, Any]) -> bool:
    """Tell whether float32 holds all voxels, without an array of booleans: NaN shows in the extremes."""
    return float(volume.min()) >= -LARGEST and float(volume.max()) <= LARGEST


def _normalised(psf: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Bring the PSF's sum to 1, as float32."""
    total = psf.sum(dtype=np.float64)
    if not total > 0:
        raise InputError(f"the PSF's sum is {total:g}; it must be positive (is its background right?)")
    return np.asarray(psf / total, dtype=np.float32)
