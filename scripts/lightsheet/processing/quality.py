"""How well a result explains its image, and what it resolves: numbers about one volume, for its record.

They are taken where the image is brightest, so that they cost little and are of structures, not of empty field.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import fft

from lightsheet.deconvolution import find_brightest_region
from lightsheet.processing.camera import subtract_background
from lightsheet.processing.resolution import measure_resolution

Array = np.ndarray[Any, Any]
Region = tuple[slice, ...]

SIDE = 512
"""Pixels of the xy plane, at most, whose resolution is measured."""


def assess_result(raw: Array, result: Array, psf: Array, background: float, scale: float = 1.0) -> dict[str, Any]:
    """Compare a result with its image.

    Parameters
    ----------
    raw : numpy.ndarray
        (z, y, x), counts.
    result : numpy.ndarray
        (z, y, x), counts times `scale`.
    psf : numpy.ndarray
        (z, y, x), its centre at N // 2; its sum is brought to 1.
    background : float
        The camera's offset, counts.
    scale : float
        Stored value per count.

    Returns
    -------
    dict
        `residual`: the root of the summed squares of (result blurred by the PSF - image) by that of the image's, both
        without background; None if the image is dark there. `resolution_voxels`: of `raw` and `result`, see
        `lightsheet.processing.resolution`, in the brightest xy plane.
    """
    region = find_brightest_region(raw)
    image = np.maximum(subtract_background(raw[region], background), 0)
    energy = float(np.square(image, dtype=np.float64).sum())
    difference = blur_again(result, psf / (scale * psf.sum(dtype=np.float64)), region) - image
    plane = _plane(image, region, raw.shape)
    return {
        "residual": float(np.sqrt(np.square(difference, dtype=np.float64).sum() / energy)) if energy else None,
        "resolution_voxels": {
            kind: measure_resolution(volume[plane].astype(np.float32))
            for kind, volume in (("raw", raw), ("result", result))
        },
    }


def blur_again(result: Array, psf: Array, region: Region) -> Array:
    """Blur a part of a result by the PSF, as the microscope did.

    Parameters
    ----------
    result : numpy.ndarray
        (z, y, x); what lies beyond it is taken to be as its faces are.
    psf : numpy.ndarray
        (z, y, x), its centre at N // 2.
    region : tuple of slice
        Of the result, with start and stop.

    Returns
    -------
    numpy.ndarray
        float32, of the region's shape.
    """
    spans = zip(result.shape, psf.shape, region, strict=True)
    # Index i of the exact part sees i to i + k - 1 of the result, the PSF reversed: its centre at k - 1 - k // 2.
    around = [np.arange(s.start - (k - 1 - k // 2), s.stop + k // 2).clip(0, n - 1) for n, k, s in spans]
    part = result[np.ix_(*around)].astype(np.float32)
    # Cyclic, so that it wraps around into the first k - 1 voxels alone, which are left out; the rest is exact.
    shape = [fft.next_fast_len(n, real=True) for n in part.shape]
    spectrum = fft.rfftn(part, shape)
    spectrum *= fft.rfftn(psf.astype(np.float32), shape)
    blurred: Array = fft.irfftn(spectrum, shape, overwrite_x=True)
    return blurred[tuple(slice(k - 1, n) for k, n in zip(psf.shape, part.shape, strict=True))]


def _plane(image: Array, region: Region, shape: Sequence[int]) -> tuple[int | slice, ...]:
    """Choose the plane of the region with the most light, and a window of it around the region."""
    z = region[0].start + int(np.argmax(image.sum(axis=(1, 2))))
    starts = [max(0, min((s.start + s.stop - SIDE) // 2, n - SIDE)) for s, n in zip(region[1:], shape[1:], strict=True)]
    return (z, *(slice(start, start + SIDE) for start in starts))
