"""How well a result explains its image, and what both resolve: numbers about one volume, for its record.

They are measured where the image is brightest, so that they cost little and describe structures, not an empty field.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import fft

from lightsheet.deconvolution import Mask, erase_unmeasured, find_brightest_region
from lightsheet.processing.block_noise import SQUARED_WEIGHTS
from lightsheet.processing.camera import subtract_background
from lightsheet.processing.resolution import measure_resolution

Array = np.ndarray[Any, Any]
Region = tuple[slice, ...]
Plane = tuple[Any, ...]  # z, and slices along y and x

Planes = dict[str, Array]
"""Of `raw` and `result`, (y, x) float32."""

SIDE = 512
"""Largest side, in pixels, of the part of an xy plane whose resolution is measured."""


def compare_result(
    raw: Array, result: Array, psf: Array, background: float, scale: float = 1.0, mask: Mask | None = None
) -> tuple[float | None, Planes]:
    """Compare a result (counts times `scale`) with its raw image (counts), both (z, y, x).

    Return the residual, the root of the summed squares of (result blurred by the PSF - image) divided by that of the
    image, both without background, None if the image is dark; and the brightest xy plane of both, for
    `measure_resolutions`. The PSF's centre is at N // 2. What was never measured does not count.
    """
    region = find_brightest_region(raw, mask)
    image = np.maximum(subtract_background(raw[region], background), 0)
    difference = blur_again(result, psf / (scale * psf.sum(dtype=np.float64)), region) - image
    if mask:
        for values in (image, difference):
            erase_unmeasured(values, mask[region])
    energy = float(np.square(image, dtype=np.float64).sum())
    residual = float(np.sqrt(np.square(difference, dtype=np.float64).sum() / energy)) if energy else None
    plane = choose_plane(image.sum(axis=(1, 2)), region, raw.shape)
    return residual, {
        kind: level_fill(volume[plane].astype(np.float32), dark, mask, plane)
        for kind, volume, dark in (("raw", raw, background), ("result", result, 0.0))
    }


def measure_resolutions(planes: Planes) -> dict[str, float | None]:
    """Measure the resolution of each plane of `compare_result`."""
    return {kind: measure_resolution(plane) for kind, plane in planes.items()}


def measure_noise_share(plane: Array, background: float) -> float | None:
    """Measure the noise of a plane (y, x) in counts, relative to its light above background, by root mean square.

    Second differences along both axes leave out what a microscope resolves (Immerkær 1996, Computer Vision and Image
    Understanding 64, 300); hot pixels and what is undersampled count as noise. None where nothing can be told: the
    plane is dark, or narrower than three pixels.
    """
    light = float(np.square(plane - background, dtype=np.float64).mean())
    if min(plane.shape) < 3 or not light:
        return None
    differences = np.diff(plane, 2, axis=0)
    variance = float(np.square(np.diff(differences, 2, axis=1), dtype=np.float64).mean()) / SQUARED_WEIGHTS**2
    return float(np.sqrt(variance / light))


def level_fill(pixels: Array, dark: float, mask: Any, plane: Plane) -> Array:
    """Return the plane with darkness for what was never measured, whose edge is no structure.

    `mask`, if there is one, holds an array (y, x) of bool at the plane's z.
    """
    return np.where(mask[plane[0]][plane[1:]], pixels, np.float32(dark)) if mask else pixels


def blur_again(result: Array, psf: Array, region: Region) -> Array:
    """Blur a region of a result by the PSF, as the microscope did; beyond its faces the result repeats them."""
    part = result[np.ix_(*list_neighbours(result.shape, psf.shape, region))].astype(np.float32)
    # The convolution is cyclic and wraps around into the first k - 1 voxels only; they are left out, the rest is exact.
    shape = [fft.next_fast_len(n, real=True) for n in part.shape]
    spectrum = fft.rfftn(part, shape)
    spectrum *= fft.rfftn(psf.astype(np.float32), shape)
    blurred: Array = fft.irfftn(spectrum, shape, overwrite_x=True)
    return blurred[tuple(slice(k - 1, n) for k, n in zip(psf.shape, part.shape, strict=True))]


def list_neighbours(shape: Sequence[int], psf: Sequence[int], region: Region) -> list[Array]:
    """List along each axis the voxels of a volume that light comes from into a region."""
    # Voxel i of the exact part is made of i to i + k - 1 of the result, the PSF reversed: its centre at k - 1 - k // 2.
    spans = zip(shape, psf, region, strict=True)
    return [np.arange(s.start - (k - 1 - k // 2), s.stop + k // 2).clip(0, n - 1) for n, k, s in spans]


def choose_plane(light: Array, region: Region, shape: Sequence[int]) -> Plane:
    """Choose the plane of the region with the most light, of those along z, and a window of it around the region."""
    z = region[0].start + int(np.argmax(light))
    starts = [max(0, min((s.start + s.stop - SIDE) // 2, n - SIDE)) for s, n in zip(region[1:], shape[1:], strict=True)]
    return (z, *(slice(start, start + SIDE) for start in starts))
