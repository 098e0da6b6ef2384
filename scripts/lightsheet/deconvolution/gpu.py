"""Engine `gpu`: the code of `fourier` over CuPy arrays, our kernels and cuFFT, on the current CUDA device.

FFTs are whole-volume and in place. What a PSF and a shape need is prepared once, for the worker's life. One volume
computes at a time: one of the host in a stream of the engine, while a worker's threads copy others to the device and
back in streams of theirs; one that is on the device already in its caller's stream, so that nobody need wait for it.
`process_volume` does so with all that is done to a volume, of which Richardson-Lucy is a part.

Considered and left out, by the bytes that an iteration moves at (315, 1120, 840), 43 GB with three passes a transform
and 24 GB with one (`gpu_model`), so 8 to 15 ms of an H100: an OTF of half precision saves 1.2
GB, 3 to 5 %, and rounds by 5e-4. CUDA graphs save the host's work for some 20 launches, 0.1 ms, which it does while the
device computes: less than 1 %. Callbacks of cuFFT could save the 4.7 GB by which products of spectra are written and
read again, 11 to 20 %; but those that need no compiler of CUDA's on each machine need a newer CUDA than drivers from
525 run. A first measurement on a GPU has to tell whether they are worth a second way.
"""

import hashlib
import re
import sys
from collections import OrderedDict
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from lightsheet.deconvolution import fourier
from lightsheet.deconvolution.backend import Array, Setup
from lightsheet.deconvolution.blocks import assemble_blocks, choose_block_shape, cut_blocks, measure_halo
from lightsheet.deconvolution.gpu_backend import get_backend, get_transforms
from lightsheet.deconvolution.gpu_memory import PinnedBuffers, estimate_memory, list_limits
from lightsheet.deconvolution.gpu_transfer import download, upload
from lightsheet.deconvolution.gpu_trial import check_gpu
from lightsheet.deconvolution.gpu_turn import COMPUTING, PLACES
from lightsheet.deconvolution.gpu_wait import wait_for
from lightsheet.deconvolution.mask import forget_weights, keep_weights
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.padding import Shape
from lightsheet.system import InputError, logger

T = TypeVar("T")

CHANNELS: OrderedDict[tuple[Any, ...], Setup] = OrderedDict()
"""What is kept on the device, by shape, method and PSF; the one used last at the end."""

IMAGES, RAW, STORED = PinnedBuffers(), PinnedBuffers(), PinnedBuffers()
"""Of the host: for images and results of this engine alone; for raw volumes, and what is stored of them."""


def deconvolve(
    image: Array,
    psf: np.ndarray[Any, Any],
    method: Method,
    threads: int | None,  # noqa: ARG001
    mask: Any = None,
) -> Array:
    """Deconvolve one volume, in blocks where it does not fit into the GPU's memory; `threads` mean nothing here."""
    check_gpu()
    limits = list_limits(psf.shape, method, mask is not None)
    tight = next((limit for limit in limits if not limit.allows(image.shape)), None)
    if not tight:
        return compute(image, psf, method, mask)
    halo = measure_halo(psf)
    shape = choose_block_shape(image.shape, psf.shape, halo, limits)
    blocks = list(cut_blocks(image.shape, shape, halo))
    logger.info(
        "a volume of %s voxels needs %.1f GB of GPU memory, and %s has %.1f: done in %d blocks of %s",
        *(image.shape, tight.needs(image.shape) / 1e9, tight.name, tight.budget / 1e9, len(blocks), shape),
    )
    allocate = np.empty if isinstance(image, np.ndarray) else import_module("cupy").empty

    def compute_region(region: tuple[slice, ...]) -> Array:
        return compute(image[region], psf, method, None if mask is None else mask[region])

    return assemble_blocks(compute_region, blocks, image.shape, allocate)


def compute(image: Array, psf: np.ndarray[Any, Any], method: Method, mask: Any = None) -> Array:
    """Deconvolve what fits, into an array of the image's module; InputError if the device has no memory left."""
    cupy = import_module("cupy")
    _check_device(cupy, image)

    def run() -> Array:
        if not isinstance(image, np.ndarray):
            return _compute_on_device(cupy, image, psf, method, mask, cupy.cuda.get_current_stream())
        measured = mask.get() if hasattr(mask, "get") else mask  # of CuPy, while the image is of NumPy
        on_device = upload(cupy, image, np.float32, IMAGES)
        result = _compute_on_device(cupy, on_device, psf, method, measured, _get_computing_stream(cupy))
        return download(cupy, [result], IMAGES)[0]

    size = estimate_memory(image.shape, psf.shape, method, mask is not None)
    return _tell_shortage(cupy, _in_place(run) if isinstance(image, np.ndarray) else run, size, image.shape)


def process_volume(
    function: Callable[[Array], tuple[list[Array], Any]], raw: np.ndarray[Any, Any], shape: Shape, size: int
) -> tuple[list[np.ndarray[Any, Any]], Any]:
    """Do all that is done to a volume on the device: it goes there once, and what comes of it back once.

    Parameters
    ----------
    function : callable, takes the volume on the device, and returns arrays there and anything of the host; all of it in
        the engine's stream, while no other volume computes
    raw : ndarray, the voxels in any shape, best of `allocate_raw`, from which they are copied straight
    shape : tuple of int, (z, y, x) of the volume
    size : int, bytes of the device that this takes at most

    Returns
    -------
    list of ndarray, and what else the function returned; InputError if the device has no memory left
    """
    check_gpu()
    cupy = import_module("cupy")
    _check_device(cupy, raw)

    def run() -> tuple[list[np.ndarray[Any, Any]], Any]:
        on_device, stream = [upload(cupy, raw, raw.dtype, RAW)], _get_computing_stream(cupy)
        with COMPUTING, stream:
            try:
                arrays, values = function(on_device.pop())
            finally:
                wait_for(cupy, stream)
        return download(cupy, arrays, STORED), values

    return _tell_shortage(cupy, _in_place(run), size, shape)


def allocate_raw(shape: Shape, dtype: Any) -> np.ndarray[Any, Any]:
    """Return an array of the host, content undefined, from which `process_volume` uploads without another copy."""
    return RAW.allocate(import_module("cupy"), shape, dtype)


def version() -> str:
    """Name the library that computes; in a process that has computed, also cuFFT and the GPU, which decide rounding."""
    try:
        cupy = import_module("cupy")
    except ImportError:
        return "cupy, not installed"
    text = f"cupy {cupy.__version__}"
    if cufft := sys.modules.get("cupy.cuda.cufft"):
        device = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
        text += f", cufft {cufft.getVersion()}, {device['name'].decode()}"
    return text


def _check_device(cupy: ModuleType, image: Array) -> None:
    """Refuse another device than that of the first volume, on which all is that is kept: streams, OTFs and plans."""
    current, first = cupy.cuda.runtime.getDevice(), _find_device(cupy)
    place = current if isinstance(image, np.ndarray) else image.device.id
    if (current, place) != (first, first):
        raise InputError(
            f"engine: gpu uses device {first} in this process, not device {place if place != first else current}; "
            "start a process for each GPU, with CUDA_VISIBLE_DEVICES, or keep arrays on one"
        )


@cache
def _find_device(cupy: ModuleType) -> int:
    """Return the device that was current at the first call."""
    return int(cupy.cuda.runtime.getDevice())


def _in_place(run: Callable[[], T]) -> Callable[[], T]:
    """Let what has arrays on the device have them while it has a place there: they are gone when it returns."""

    def wait_and_run() -> T:
        with PLACES:
            return run()

    return wait_and_run


def _tell_shortage(cupy: ModuleType, run: Callable[[], T], size: int, shape: Shape) -> T:
    """Run what needs so many bytes of the device; InputError if it has them not."""
    try:
        return run()
    except Exception as error:  # CuPy's, CUDA's and cuFFT's have no class in common
        if not re.search("out of memory|ALLOC_FAILED", str(error), re.IGNORECASE):
            raise
    # Not from within the handler: the error keeps all arrays of the volume alive.
    raise InputError(_describe_shortage(cupy, size, shape))


def _compute_on_device(
    cupy: ModuleType, image: Array, psf: np.ndarray[Any, Any], method: Method, mask: Any, stream: Any
) -> Array:
    """Deconvolve in a stream, which has done all when this returns: the next volume's may be another one."""
    with COMPUTING, stream:
        try:
            setup, backend = _prepare_channel(cupy, image.shape, psf, method, mask is not None), get_backend(cupy)
            if mask is not None:
                weigh = partial(fourier.weigh_mask, setup, mask, backend)
                setup = setup._replace(weights=keep_weights(mask, psf, setup.frame, weigh))
            return fourier.iterate(image, setup, method, backend)
        finally:
            wait_for(cupy, stream)


def _prepare_channel(
    cupy: ModuleType, shape: Shape, psf: np.ndarray[Any, Any], method: Method, is_masked: bool
) -> Setup:
    """Return what is kept for this PSF and shape, or make it, and room for it."""
    key = (shape, psf.shape, hashlib.sha256(np.ascontiguousarray(psf)).digest(), method._replace(iterations=1))
    if key not in CHANNELS:
        _make_room(cupy, estimate_memory(shape, psf.shape, method, is_masked))
        CHANNELS[key] = fourier.prepare(shape, psf, method, get_backend(cupy))
    CHANNELS.move_to_end(key)
    return CHANNELS[key]


def _make_room(cupy: ModuleType, size: int) -> None:
    """Drop the channels used longest ago until so many bytes are free, those of volumes in flight included."""
    pool, transforms = cupy.get_default_memory_pool(), get_transforms(cupy)
    forget_weights()
    while CHANNELS:
        pool.free_all_blocks()
        channel_bytes = sum(setup.otf.nbytes for setup in CHANNELS.values()) + transforms.area_bytes
        if size <= cupy.cuda.runtime.memGetInfo()[0] + pool.used_bytes() - channel_bytes:
            return
        CHANNELS.popitem(last=False)
        transforms.keep({setup.frame.shape for setup in CHANNELS.values()})
    pool.free_all_blocks()


def _describe_shortage(cupy: ModuleType, size: int, shape: Shape) -> str:
    free, total = cupy.cuda.runtime.memGetInfo()
    return (
        f"the GPU's memory does not suffice for a volume of {shape} voxels, which needs {size / 1e9:.1f} GB of it; "
        f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free (does another program use this GPU?)"
    )


@cache
def _get_computing_stream(cupy: ModuleType) -> Any:
    return cupy.cuda.Stream(non_blocking=True)
