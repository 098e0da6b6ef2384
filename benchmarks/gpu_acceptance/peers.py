"""Other Richardson-Lucy implementations, an iteration of each at the same size."""

import time
from importlib import import_module
from typing import Any

import numpy as np

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import Sizes
from gpu_acceptance.subject import forget_channels, import_cupy, make_image, make_psf, measure_slope, restore
from gpu_acceptance.traffic import find_cyclic_shape
from lightsheet.simulation import Array

CUPY, TORCH, SKIMAGE = (
    "CuPy, as scikit-image and cuCIM do it",
    "PyTorch, torch.fft, padded alike",
    "scikit-image, on the CPU",
)


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet with milliseconds an iteration."""
    image, psf = make_image(sizes.volume), make_psf(sizes.psf)
    sheet.attempt("gpu", measure_ours, sizes, image, psf)
    forget_channels()
    sheet.attempt(CUPY, measure_cupy, sizes, image, psf)
    forget_channels()
    sheet.attempt(TORCH, measure_torch, sizes, image, psf)
    sheet.attempt(SKIMAGE, measure_skimage, sizes)


def measure_ours(sizes: Sizes, image: Array, psf: Array) -> float:
    """Measure engine gpu once more, in turn with the others."""
    device = import_cupy().asarray(image)
    return 1000 * measure_slope(lambda count: restore(device, psf, count), sizes.counts, sizes.repeats)


def measure_cupy(sizes: Sizes, image: Array, psf: Array) -> float:
    """Measure what cuCIM does: nothing padded, two convolutions by `fftconvolve`, whose module needs cuBLAS too."""
    cupy, signal = import_cupy(), import_module("cupyx.scipy.signal")
    device, blur = cupy.asarray(image), cupy.asarray(psf)
    mirror = blur[::-1, ::-1, ::-1]

    def run(iterations: int) -> Any:
        estimate = cupy.full(device.shape, 0.5, cupy.float32)
        for _ in range(iterations):
            blurred = signal.fftconvolve(estimate, blur, mode="same") + np.float32(1e-12)
            estimate *= signal.fftconvolve(device / blurred, mirror, mode="same")
        return estimate

    return 1000 * measure_slope(run, sizes.counts, sizes.repeats)


def measure_torch(sizes: Sizes, image: Array, psf: Array) -> float:
    """Measure twenty lines of PyTorch, at the cyclic size that engine gpu has."""
    torch = import_module("torch")
    shape = find_cyclic_shape(image.shape, psf, "extended")
    padded, blur = (np.zeros(shape, np.float32) for _ in range(2))
    padded[tuple(slice(n) for n in image.shape)] = image
    blur[tuple(slice(min(n, k)) for n, k in zip(shape, psf.shape, strict=True))] = psf[tuple(slice(n) for n in shape)]
    observed = torch.from_numpy(padded).cuda()
    otf = torch.fft.rfftn(torch.from_numpy(blur).cuda())

    def run(iterations: int) -> Any:
        estimate = torch.full_like(observed, float(observed.mean()))
        for _ in range(iterations):
            blurred = torch.fft.irfftn(torch.fft.rfftn(estimate) * otf, s=shape)
            ratio = observed / blurred.clamp_(min=1e-6)
            estimate *= torch.fft.irfftn(torch.fft.rfftn(ratio) * otf.conj(), s=shape)
        return estimate

    with torch.no_grad():
        return 1000 * measure_slope(run, sizes.counts, sizes.repeats)


def measure_skimage(sizes: Sizes) -> dict[str, Any]:
    """Measure scikit-image on small volumes, since it is slow: an eighth of the others' voxels."""
    restoration = import_module("skimage.restoration")
    image, psf = make_image(sizes.small_volume), make_psf(sizes.psf)
    restoration.richardson_lucy(image[:8, :8, :8], psf[:3, :3, :3], 1)  # loads what it needs
    seconds = []
    for iterations in (1, 3):
        begin = time.perf_counter()
        restoration.richardson_lucy(image, psf, iterations, clip=False, filter_epsilon=1e-3)
        seconds.append(time.perf_counter() - begin)
    return {"ms": 500 * (seconds[1] - seconds[0]), "volume": sizes.small_volume}
