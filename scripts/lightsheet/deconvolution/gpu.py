"""Engine `gpu`: the code of `fourier` over CuPy arrays and cuFFT, on the current CUDA device.

FFTs are whole-volume and in place, by plans that live as long as what `fourier.prepare` made for a shape and a PSF:
one for each channel, for the worker's life. One volume computes at a time, in a stream of its own; a worker's threads
copy others to the device and back meanwhile.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from math import prod
from threading import Lock, local
from types import ModuleType
from typing import Any

import numpy as np

from lightsheet.deconvolution import fourier
from lightsheet.deconvolution.backend import Array, Backend, Buffer
from lightsheet.deconvolution.blocks import MemoryLimit, assemble_blocks, choose_block_shape, cut_blocks, measure_halo
from lightsheet.deconvolution.mask import forget_weights, keep_weights
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.padding import Shape, Weights, make_frame
from lightsheet.system import InputError, logger

CORRECT = """
    const ptrdiff_t x = i % nx, y = i / nx % ny, z = i / nx / ny;
    const float weight = table[(index_z[z] * table_y + index_y[y]) * table_x + index_x[x]];
    correction = estimate * max(weight * correction, 0.0f);
"""

CHANNELS: OrderedDict[tuple[Any, ...], tuple[Backend, fourier.Setup]] = OrderedDict()
"""What is kept on the device, by shape, method and PSF; the one used last at the end."""

COMPUTING = Lock()

STREAMS = local()
"""Of each thread its `copying` stream: CuPy keeps the memory of an array for the stream in which it was made."""

IN_FLIGHT = 3
"""Volumes that may be on the device at a time: one that comes, one that computes, one that leaves."""


def deconvolve(
    image: Array,
    psf: np.ndarray[Any, Any],
    method: Method,
    threads: int | None,  # noqa: ARG001
    mask: Any = None,
) -> Array:
    """Deconvolve one volume, in blocks where it does not fit into the GPU's memory; `threads` mean nothing here."""
    cupy = _import_cupy()
    needs = partial(estimate_memory, psf=psf.shape, method=method, is_masked=mask is not None)
    limit = MemoryLimit("the GPU", find_memory_budget(), needs)
    if limit.allows(image.shape):
        return _deconvolve_whole(image, psf, method, mask)
    halo = measure_halo(psf)
    shape = choose_block_shape(image.shape, psf.shape, halo, [limit])
    blocks = list(cut_blocks(image.shape, shape, halo))
    logger.info(
        "a volume of %s voxels needs %.1f GB of GPU memory, and there are %.1f: done in %d blocks of %s",
        *(image.shape, limit.needs(image.shape) / 1e9, limit.budget / 1e9, len(blocks), shape),
    )
    allocate = np.empty if isinstance(image, np.ndarray) else cupy.empty

    def deconvolve_region(region: tuple[slice, ...]) -> Array:
        return _deconvolve_whole(image[region], psf, method, None if mask is None else mask[region])

    return assemble_blocks(deconvolve_region, blocks, image.shape, allocate)


def _deconvolve_whole(image: Array, psf: np.ndarray[Any, Any], method: Method, mask: Any) -> Array:
    """Copy what fits to the device, compute, and copy the result back if the image came from the host."""
    cupy = _import_cupy()
    if not hasattr(STREAMS, "copying"):
        STREAMS.copying = cupy.cuda.Stream(non_blocking=True)
    with STREAMS.copying as copying:
        on_device = cupy.asarray(image, cupy.float32)
        copying.synchronize()
    with COMPUTING, _get_computing_stream(cupy) as computing:
        backend, setup = _prepare_channel(cupy, image.shape, psf, method, mask is not None)
        if mask is not None:
            weigh = partial(fourier.weigh_mask, setup, mask, backend)
            setup = setup._replace(weights=keep_weights(mask, psf, setup.frame, weigh))
        result = fourier.iterate(on_device, setup, method, backend)
        computing.synchronize()
    if not isinstance(image, np.ndarray):
        return result
    host: np.ndarray[Any, Any] = import_module("cupyx").empty_pinned(image.shape, np.float32)
    with STREAMS.copying as copying:
        cupy.asnumpy(result, stream=copying, out=host)
        copying.synchronize()
    return host


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


@cache
def find_memory_budget() -> int:
    """Return the bytes of the device that volumes here may use: what is free at the first call."""
    free, _ = _import_cupy().cuda.runtime.memGetInfo()
    return int(free)


def estimate_memory(shape: Shape, psf: Shape, method: Method, is_masked: bool = False) -> int:
    """Return the bytes of device memory that a volume (z, y, x) needs with a PSF of that shape.

    Of the cyclic size the FFT's buffer, the OTF, the estimate and cuFFT's two work areas, with momentum one or two
    more, for "replicate" the image with its edge repeated, with a mask its weights; and `IN_FLIGHT` images, before and
    after.
    """
    arrays = 5 + {"none": 0, "heavy-ball": 1, "biggs": 2}[method.acceleration] + (method.boundary == "replicate")
    arrays += is_masked
    z, y, x = make_frame(shape, psf, method.boundary).shape
    return 4 * (arrays * z * y * 2 * (x // 2 + 1) + 2 * IN_FLIGHT * prod(shape))


def _prepare_channel(
    cupy: ModuleType, shape: Shape, psf: np.ndarray[Any, Any], method: Method, is_masked: bool
) -> tuple[Backend, fourier.Setup]:
    """Return what is kept for this PSF and shape, or make it, and room for it."""
    key = (shape, psf.shape, hashlib.sha256(np.ascontiguousarray(psf)).digest(), method._replace(iterations=1))
    if key not in CHANNELS:
        _make_room(cupy, shape, psf.shape, method, is_masked)
        backend = _make_backend(cupy)
        CHANNELS[key] = backend, fourier.prepare(shape, psf, method, backend)
    CHANNELS.move_to_end(key)
    return CHANNELS[key]


def _make_room(cupy: ModuleType, shape: Shape, psf: Shape, method: Method, is_masked: bool) -> None:
    """Drop the channels used longest ago until the volume fits."""
    forget_weights()
    size = estimate_memory(shape, psf, method, is_masked)
    while True:
        cupy.get_default_memory_pool().free_all_blocks()
        free, total = cupy.cuda.runtime.memGetInfo()
        if size <= free:
            return
        if not CHANNELS:
            raise InputError(
                f"a volume of {shape} voxels with a PSF of {psf} needs {size / 1e9:.1f} GB of GPU memory; "
                f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free"
            )
        CHANNELS.popitem(last=False)


@cache
def _get_computing_stream(cupy: ModuleType) -> Any:
    return cupy.cuda.Stream(non_blocking=True)


def _make_backend(cupy: ModuleType) -> Backend:
    """Return CuPy's arrays with in-place FFTs, each shape's plans made once."""
    cufft = cupy.cuda.cufft
    plans: dict[Shape, tuple[Any, Any]] = {}

    def buffer(shape: Shape) -> Buffer:
        z, y, x = shape
        real, half = (z, y, 2 * (x // 2 + 1)), (z, y, x // 2 + 1)  # in place, rows of both are equally long
        spectrum = cupy.empty(half, cupy.complex64)
        if shape not in plans:
            plans[shape] = (
                cufft.PlanNd(shape, real, 1, 1, half, 1, 1, cufft.CUFFT_R2C, 1, "C", 2, half[2]),
                cufft.PlanNd(shape, half, 1, 1, real, 1, 1, cufft.CUFFT_C2R, 1, "C", 2, x),
            )
        return Buffer(spectrum.view(cupy.float32)[:, :, :x], spectrum)

    def forward(buffer: Buffer) -> None:
        plans[buffer.real.shape][0].fft(buffer.real, buffer.spectrum, cufft.CUFFT_FORWARD)

    def inverse(buffer: Buffer) -> None:
        plans[buffer.real.shape][1].fft(buffer.spectrum, buffer.real, cufft.CUFFT_INVERSE)

    return Backend(cupy, buffer, forward, inverse, cupy.fuse, _make_corrector(cupy))


def _make_corrector(cupy: ModuleType) -> Callable[[Array, Array, Weights], None]:
    """Return `correct_planes` as one kernel, which looks the weights up in their table."""
    kernel = cupy.ElementwiseKernel(
        "raw float32 table, raw int64 index_z, raw int64 index_y, raw int64 index_x, "
        "int32 ny, int32 nx, int32 table_y, int32 table_x, float32 estimate",
        "float32 correction",
        CORRECT,
        "lightsheet_correct",
    )

    def correct(correction: Array, estimate: Array, weights: Weights) -> None:
        table = weights.table
        kernel(table, *weights.indices, *correction.shape[1:], *table.shape[1:], estimate, correction)

    return correct


def _import_cupy() -> ModuleType:
    if not is_available():
        raise InputError(
            "engine: gpu needs CuPy and an NVIDIA GPU that it sees; run `make install-gpu` on a machine that "
            "has one, or choose cpu"
        )
    return import_module("cupy")
