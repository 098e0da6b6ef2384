"""What the audit of the engine found or feared, each tried on the device."""

import threading
from typing import Any

import numpy as np

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import Sizes
from gpu_acceptance.subject import (
    estimate_memory,
    fill_device,
    forget_channels,
    import_cupy,
    make_image,
    make_psf,
    restore,
    synchronise,
)
from lightsheet.deconvolution.gpu_memory import find_memory_budget
from lightsheet.simulation import Array
from lightsheet.system import InputError

TOLERANCE = 1e-3
"""That of blocks, relative."""

SPARE = 0.1
"""Of what channels held, what CUDA itself may keep: modules of kernels, cuFFT's tables."""


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet."""
    psf = make_psf(sizes.psf)
    sheet.try_check("CuPy arrays in and out have the same bits on every run", race, sizes, psf)
    sheet.try_check("threads beside each other have the same bits as one", crowd, sizes, psf)
    sheet.try_check("channels that make room give all their memory back", forget, sizes)
    sheet.try_check("what exceeds float32 is refused, as by cpu", overflow, psf)
    sheet.try_check("NaN is refused, as by cpu", refuse_nan, psf)
    sheet.try_check("a device that others fill is told in a sentence, and works again", fill, sizes, psf)
    sheet.try_check("more than 2 ** 31 padded voxels are deconvolved in blocks", deconvolve_long_volume, sizes, psf)


def race(sizes: Sizes, psf: Array) -> tuple[bool, str]:
    """Give arrays that the caller's stream still writes; it reads results that the next volume could overwrite."""
    cupy = import_cupy()
    image = make_image(sizes.small_volume) - np.float32(3)
    reference = restore(image, psf, 2)
    copies: list[Any] = []
    for _ in range(sizes.races):
        array = np.multiply(cupy.asarray(image), np.float32(1))
        result = restore(array, psf, 2)
        copies.append(np.multiply(result, np.float32(1)))  # in the caller's stream, as the next volume begins
        del result, array
    differences = sum(not np.array_equal(copy.get(), reference) for copy in copies)
    return differences == 0, f"{differences} of {sizes.races} results differ from the one of a NumPy array"


def crowd(sizes: Sizes, psf: Array) -> tuple[bool, str]:
    """Deconvolve the same volumes in threads at once, as a worker does."""
    images = [make_image(sizes.small_volume, seed) for seed in range(4)]
    references = [restore(image, psf, 3) for image in images]
    results: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda number=number: results.update({number: restore(images[number % 4], psf, 3)}))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same = sum(np.array_equal(results[number], references[number % 4]) for number in results)
    return same == len(threads), f"{same} of {len(threads)}"


def forget(sizes: Sizes) -> tuple[bool, str]:
    """Prepare four channels and drop them."""
    cupy = import_cupy()
    image = make_image(sizes.small_volume)
    restore(image[:8, :16, :16], make_psf(sizes.psf), 1)  # loads kernels
    forget_channels()
    synchronise()
    before, _ = cupy.cuda.runtime.memGetInfo()
    for channel in range(4):
        restore(image, make_psf(sizes.psf) + np.float32(channel * 1e-6), 1)
    full, _ = cupy.cuda.runtime.memGetInfo()
    forget_channels()
    synchronise()
    after, _ = cupy.cuda.runtime.memGetInfo()
    size, rest = before - full, before - after
    return rest <= SPARE * size, f"{size / 1e6:.3f} MB held, of which {rest / 1e6:.3f} stay"


def overflow(psf: Array) -> tuple[bool, str]:
    """Deconvolve numbers near the largest that float32 holds."""
    image = np.full((16, 32, 32), 1e30, np.float32)
    image[8, 16, 16] = 3e38
    return _compare_ends(image, psf - np.float32(0.9 * psf.mean()))


def refuse_nan(psf: Array) -> tuple[bool, str]:
    """Deconvolve an image with a voxel that is no number."""
    image = np.ones((16, 32, 32), np.float32)
    image[3, 4, 5] = np.nan
    return _compare_ends(image, psf)


def _compare_ends(image: Array, psf: Array) -> tuple[bool, str]:
    """Tell whether gpu and cpu both refuse a volume in the same words, or both return numbers near each other."""
    device, host = (_end(image, psf, engine) for engine in ("gpu", "cpu"))
    if isinstance(device, str) or isinstance(host, str):
        return device == host, f"gpu: {_shorten(device)}; cpu: {_shorten(host)}"
    return bool(np.allclose(device, host, rtol=1e-3)), f"both return numbers up to {host.max():.3g}"


def _end(image: Array, psf: Array, engine: str) -> Array | str:
    try:
        result: Array = restore(image, psf, 20, engine=engine)
    except InputError as error:
        return str(error)
    return result


def _shorten(end: Array | str) -> str:
    return end if isinstance(end, str) else f"numbers up to {end.max():.3g}"


def fill(sizes: Sizes, psf: Array) -> tuple[bool, str]:
    """Take nearly all of the device as another program would, deconvolve, give it back, and deconvolve again."""
    runtime, image = import_cupy().cuda.runtime, make_image(sizes.volume)
    reference = restore(image, psf, 1)
    forget_channels()
    pointers, left = [], estimate_memory(sizes.volume, sizes.psf, "none", "extended") // 4
    while (free := runtime.memGetInfo()[0]) > left:
        pointers.append(runtime.malloc(min(2**30, free - left // 2)))
    end = _end(image, psf, "gpu")
    for pointer in pointers:
        runtime.free(pointer)
    is_same = np.array_equal(restore(image, psf, 1), reference)
    return isinstance(end, str) and is_same, f"{_shorten(end)}; then the same bits: {is_same}"


def deconvolve_long_volume(sizes: Sizes, psf: Array) -> tuple[bool, str]:
    """Deconvolve a flat volume on the device: it stays flat in the middle."""
    image = fill_device(sizes.long_volume, 7)
    find_memory_budget.cache_clear()  # what a process sees that begins now
    result = restore(image, psf, 1)
    middle = float(result[tuple(n // 2 for n in sizes.long_volume)])
    passed = abs(middle - 7) < 7 * TOLERANCE and result.shape == image.shape
    return passed, f"{sizes.long_volume}, all 7: {middle:.6g} in the middle"
