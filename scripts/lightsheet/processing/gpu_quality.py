"""How well a result explains its image, on a GPU: what `quality` computes, over CuPy's arrays."""

from itertools import product
from math import sqrt
from typing import Any

import numpy as np

from lightsheet.deconvolution import PART_SHAPE, gpu_backend
from lightsheet.processing.gpu_kernels import Kernels
from lightsheet.processing.quality import Planes, choose_plane, level_fill, list_neighbours

Array = Any  # of cupy
Region = tuple[slice, ...]


def find_brightest_region(kernels: Kernels, raw: Array, mask: Any) -> Region:
    """See `deconvolution.find_brightest_region`."""
    shape = [min(n, size) for n, size in zip(raw.shape, PART_SHAPE, strict=True)]
    starts = [sorted({*range(0, n - size, size), n - size}) for n, size in zip(raw.shape, shape, strict=True)]
    corners = np.array(list(product(*starts)), np.int32)
    parts = kernels.cupy.empty((len(corners), shape[2]), np.float64)
    sizes = map(np.uint32, (*shape[:2], *raw.shape[1:], shape[2]))
    kernels.start(
        "sum_squares", len(corners), raw, *kernels.list_flags(mask), parts, kernels.cupy.asarray(corners), *sizes
    )
    low = corners[np.argmax(parts.get().sum(axis=1))].tolist()
    return tuple(slice(start, start + size) for start, size in zip(low, shape, strict=True))


def compare_result(
    kernels: Kernels, raw: Array, stored: Array, psf: np.ndarray, background: float, scale: float, mask: Any
) -> tuple[float | None, Planes]:
    """See `quality.compare_result`."""
    region = find_brightest_region(kernels, raw, mask)
    blurred = blur_again(kernels, stored, psf / (scale * psf.sum(dtype=np.float64)), region)
    shape = [part.stop - part.start for part in region]
    parts = kernels.cupy.empty((3, shape[0] * shape[2]), np.float64)
    sizes = map(
        np.uint32,
        (
            *(part.start for part in region),
            *(k - 1 for k in psf.shape),
            shape[1],
            *raw.shape[1:],
            blurred.shape[1],
            blurred.strides[1] // blurred.itemsize,
            shape[2],
        ),
    )
    kernels.start("compare", shape[0], blurred, raw, *kernels.list_flags(mask), parts, np.float32(background), *sizes)
    sums = parts.get()
    energy, difference, _ = sums.sum(axis=1).tolist()
    plane = choose_plane(sums[2].reshape(shape[0], shape[2]).sum(axis=1), region, raw.shape)
    measured = {plane[0]: mask[plane[0]].get().astype(bool)} if mask else None
    planes = {
        kind: level_fill(volume[plane].get().astype(np.float32), dark, measured, plane)
        for kind, volume, dark in (("raw", raw, background), ("result", stored, 0.0))
    }
    return (sqrt(difference / energy) if energy else None), planes


def blur_again(kernels: Kernels, stored: Array, psf: np.ndarray, region: Region) -> Array:
    """Blur what is stored of a region; the values are `low` voxels behind the begin of what is returned, k - 1."""
    cupy, backend = kernels.cupy, gpu_backend.get_backend(kernels.cupy)
    places = [cupy.asarray(place.astype(np.int32)) for place in list_neighbours(stored.shape, psf.shape, region)]
    shape = backend.round_up(place.size for place in places)
    image, kernel = backend.buffer(shape), backend.buffer(shape)
    sizes = (*(place.size for place in places), *stored.shape[1:], shape[0] * shape[1], *shape[1:])
    pitch = image.real.strides[1] // image.real.itemsize
    kernels.start("gather", shape[0] * shape[1], stored, *places, image.real, *map(np.uint32, (*sizes, pitch)))
    kernel.real[...] = 0
    kernel.real[tuple(slice(k) for k in psf.shape)] = cupy.asarray((psf / np.prod(shape)).astype(np.float32))
    backend.forward(image)
    backend.forward(kernel)
    backend.multiply(image.spectrum, kernel.spectrum)
    backend.inverse(image)
    return image.real
