"""Richardson-Lucy deconvolution: the one function behind which the engines stand, and which there are.

The method is that of Richardson (1972, J. Opt. Soc. Am. 62, 55) and Lucy (1974, Astron. J. 79, 745). An engine is a
file with two functions. `deconvolve(image, psf, method, threads)` takes an image (z, y, x) of any real dtype, finite
and not negative, a PSF (z, y, x) float32 of sum 1, its centre at N // 2, and the most threads to use, all cores if
None; it returns float32 (z, y, x) of the image's shape. `version()` names the libraries that compute. To add an engine,
write such a file and name it in `ENGINES` and in config/schema.yaml, with its memory in `processing.memory`. It is
imported only when it is used, so that nobody needs its libraries. Those with boundary "extended" also take a mask, see
`mask`.
"""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from lightsheet.deconvolution.arrays import broadcast, is_dask, to_host
from lightsheet.deconvolution.auto_iterations import Fit, choose_iterations, find_brightest_region, follow_fit
from lightsheet.deconvolution.backend import make_numpy_backend
from lightsheet.deconvolution.choice import check_engine, resolve_engine
from lightsheet.deconvolution.mask import erase_image, erase_unmeasured, forget_weights, has_voxels, read_mask
from lightsheet.deconvolution.method import ALGORITHM_VERSION, ENGINES, Method, check_mask, check_method
from lightsheet.system import InputError

FLOAT32_MAX = float(np.finfo(np.float32).max)


def richardson_lucy(
    image: Any,
    psf: Any,
    *,
    iterations: int | str,
    engine: str = "auto",
    boundary: str = "extended",
    acceleration: str = "none",
    threads: int | None = None,
    mask: Any = None,
) -> Any:
    """Deconvolve one volume, or many.

    Parameters
    ----------
    image : array
        (..., z, y, x) of NumPy, CuPy or Dask, any real dtype, the camera's offset removed; negative voxels count as 0.
    psf : array
        (..., z, y, x), any size, sampled at the image's voxel size, its centre at index N // 2 of each axis. The sum
        of each is brought to 1 here. Its leading dimensions and the image's are broadcast against each other.
    iterations : int or str
        How many, at least 1; or "auto": for each volume as many as `auto_iterations` chooses.
    engine : str
        "auto" (see `resolve_engine`) or one of `ENGINES`.
    boundary : str
        "extended": the estimate starts flat and reaches beyond the field of view by the PSF's support, and only
        measured voxels count (Bertero and Boccacci 2005, Astron. Astrophys. 437, 369). "replicate": the estimate
        starts as the image, whose edge is repeated outwards, as in ITK.
    acceleration : str
        "none", "heavy-ball" or "biggs": momentum, which takes about half the iterations for the same picture.
    threads : int, optional
        How many threads to use for a volume; unless given all cores that this process may use, but one for Dask
        arrays, since Dask does as many volumes at a time. Engine "gpu" ignores it.
    mask : array, optional
        (z, y, x) of bool, for one volume of NumPy or CuPy and boundary "extended": False where the image was never
        measured, whatever it holds there, as in the empty corners of a deskewed stack. The result is 0 there.

    Returns
    -------
    array
        (..., z, y, x) of the image's z, y and x, float32, finite, in the image's module; a lazy one of Dask, see
        `arrays`. The same bits on every run.

    Raises
    ------
    InputError
        If an argument cannot be used, or a result exceeds what float32 holds.
    RuntimeError
        If ITK's process dies.
    """
    engine = resolve_engine(engine, is_used_here=True)
    method = Method(iterations, boundary, "flat" if boundary == "extended" else "image", acceleration)
    check_method(method, engine)
    if mask is not None:
        check_mask(method.boundary, engine)
        if tuple(mask.shape) != tuple(image.shape) or image.ndim != 3 or is_dask(image) or is_dask(psf):
            raise InputError(
                f"the mask has shape {mask.shape} and the image {image.shape}; a mask is for one (z, y, x) volume of "
                "NumPy or CuPy, of its shape"
            )
        return _deconvolve(image, psf, method, engine, threads, mask)
    if any(is_dask(array) for array in (image, psf)):
        threads = threads or 1
    return broadcast(partial(_deconvolve, method=method, engine=engine, threads=threads), image, psf)


def _deconvolve(image: Any, psf: Any, method: Method, engine: str, threads: int | None, mask: Any = None) -> Any:
    """Deconvolve one volume, (z, y, x)."""
    if mask is not None:
        image = erase_image(image, mask)
        if not has_voxels(mask, False):
            mask = None
        elif not has_voxels(mask, True):
            return np.zeros_like(image, np.float32)
    _check_volume("image", image)
    _check_volume("PSF", psf)
    if engine != "gpu" and not isinstance(image, np.ndarray):
        raise InputError(f"engine: {engine} needs arrays of NumPy, not of {type(image).__module__}; choose gpu")
    if float(image.min()) < 0:
        image = np.maximum(image, 0)
    psf = _normalise(to_host(psf))
    with np.errstate(over="ignore", invalid="ignore"):  # the check below says it in a sentence
        if method.iterations == "auto":
            number = resolve_iterations(image, psf, acceleration=method.acceleration, threads=threads, mask=mask)
            method = method._replace(iterations=number)
        module = import_module(ENGINES[engine])
        if mask is None:
            forget_weights()
            result = module.deconvolve(image, psf, method, threads)
        else:
            result = module.deconvolve(image, psf, method, threads, mask)
            erase_unmeasured(result, mask)
    if not _is_finite(result):
        raise InputError(
            "the deconvolved volume exceeds what float32 holds; check the image's largest values and the PSF's "
            "negative ones"
        )
    return result


def resolve_iterations(
    image: Any, psf: Any, *, acceleration: str = "none", threads: int | None = None, mask: Any = None
) -> int:
    """Find what `iterations="auto"` stands for, with boundary "extended"; only the image's brightest part is looked at.

    Parameters
    ----------
    image, psf : array (z, y, x), as for `richardson_lucy`
    acceleration, threads, mask : str, int, array of bool, as for `richardson_lucy`

    Returns
    -------
    int, iterations for the whole image; the same on every run

    Raises
    ------
    InputError
        If no noise is found.
    """
    part, measured = _cut_brightest(image, mask)
    method = Method(1, acceleration=acceleration)
    return choose_iterations(part, _normalise(to_host(psf)), method, make_numpy_backend(threads), measured)


def measure_fit(
    image: Any, psf: Any, *, iterations: int, acceleration: str = "none", threads: int | None = None, mask: Any = None
) -> Fit:
    """Measure how iterations explain an image, with boundary "extended"; only its brightest part is looked at.

    Parameters
    ----------
    image, psf : array (z, y, x), as for `richardson_lucy`
    iterations : int, how many are done
    acceleration, threads, mask : str, int, array of bool, as for `richardson_lucy`

    Returns
    -------
    Fit, of 0 to `iterations` - 1 iterations; the same on every run
    """
    part, measured = _cut_brightest(image, mask)
    method = Method(iterations, acceleration=acceleration)
    return follow_fit(part, _normalise(to_host(psf)), method, make_numpy_backend(threads), measured)


def _cut_brightest(image: Any, mask: Any) -> tuple[Any, Any]:
    """Return an image's brightest part, and which voxels of it were measured, None if all."""
    region = find_brightest_region(image, mask)
    return np.maximum(to_host(image[region]), 0), None if mask is None else read_mask(mask, region)


def describe_engine(engine: str) -> str:
    """Say what computes the pixels, for records: like "cpu-sweeps 3 (numpy 2.4.6, scipy 1.17.1)".

    The engine ("auto" or one of `ENGINES`), the algorithm's version, and the versions of the libraries behind it.
    """
    name = resolve_engine(engine, is_used_here=True)
    return f"{name} {ALGORITHM_VERSION} ({import_module(ENGINES[name]).version()})"


def try_engine(engine: str) -> None:
    """Deconvolve a tiny volume: if a library or a GPU is missing, its error is raised here; what compiles, compiles."""
    check_engine(engine)
    richardson_lucy(np.ones((8, 8, 8)), np.ones((3, 3, 3)), iterations=1, engine=engine, boundary="replicate")


def _check_volume(name: str, volume: np.ndarray[Any, Any]) -> None:
    if volume.ndim != 3 or volume.size == 0:
        raise InputError(f"the {name} has shape {volume.shape}; it must be a (z, y, x) volume")
    if volume.dtype.kind not in "biuf":
        raise InputError(f"the {name} has dtype {volume.dtype}; it must hold real numbers")
    if not _is_finite(volume):
        raise InputError(f"the {name} has voxels that are NaN or infinite in float32; write it anew without them")


def _is_finite(volume: np.ndarray[Any, Any]) -> bool:
    """Tell whether float32 holds all voxels, without an array of booleans: NaN shows in the extremes."""
    return float(volume.min()) >= -FLOAT32_MAX and float(volume.max()) <= FLOAT32_MAX


def _normalise(psf: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Bring the PSF's sum to 1, as float32."""
    total = psf.sum(dtype=np.float64)
    if not total > 0:
        raise InputError(f"the PSF's sum is {total:g}; it must be positive (is its background right?)")
    return np.asarray(psf / total, dtype=np.float32)
