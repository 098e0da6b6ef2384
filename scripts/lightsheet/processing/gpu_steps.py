"""The steps of a volume's way on a GPU, over CuPy's arrays: each computes what NumPy's of the same name does.

Only numbers and a few planes are copied to the host within; they and what is stored are all that leaves the device.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from lightsheet.deconvolution import Method, gpu, gpu_memory
from lightsheet.processing.camera import OUTPUT_MAX, estimate_background, find_largest, name_counts
from lightsheet.processing.gpu_kernels import C_TYPES, Kernels, get_kernels
from lightsheet.processing.gpu_quality import compare_result, find_brightest_region
from lightsheet.processing.quality import Planes
from lightsheet.processing.statistics import find_places, find_sampling, name_statistics
from lightsheet.processing.way import Array, Numbers, Step, Steps, follow_way

Region = tuple[slice, ...]


def can_follow(raw: np.ndarray, psf: np.ndarray, settings: Mapping[str, Any]) -> bool:
    """Tell whether a volume may go all its way on a GPU: as a whole, and if there are kernels for what it holds."""
    method = _find_method(settings)
    limits = gpu_memory.list_limits(psf.shape, method)
    return (
        "fill" not in settings
        and raw.dtype.isnative
        and raw.dtype.name in C_TYPES
        and raw.dtype.itemsize <= gpu_memory.FLOAT
        and all(limit.allows(raw.shape) for limit in limits)
    )


def follow_way_on_gpu(
    raw: np.ndarray,
    psf: np.ndarray,
    settings: Mapping[str, Any],
    threads: int,
    coarser: Sequence[Step] = (),
) -> tuple[list[np.ndarray], tuple[Numbers, Planes]]:
    """Take a volume of the host all its way on the device; arguments and results as for `follow_way`."""
    steps = make_gpu_steps(get_kernels(import_module("cupy"), raw.dtype.name, settings["dtype"]))

    def follow(on_device: Array) -> tuple[list[Array], tuple[Numbers, Planes]]:
        return follow_way(on_device, psf, settings, threads, steps, coarser=coarser)

    size = gpu_memory.estimate_memory(raw.shape, psf.shape, _find_method(settings))
    return gpu.process_volume(follow, raw, size)


def make_gpu_steps(kernels: Kernels) -> Steps:
    """Return the steps over CuPy's arrays, all of them in the current stream."""
    return Steps(
        kernels.cupy.empty,
        lambda raw, settings: None,  # noqa: ARG005 (as NumPy's)
        lambda raw: estimate_background(raw.get()),
        partial(find_brightest_region, kernels),
        partial(cut_image, kernels),
        partial(summarise_volume, kernels),
        partial(describe_counts, kernels),
        partial(convert_result, kernels),
        partial(measure_rounding, kernels),
        partial(compare_result, kernels),
        partial(coarsen, kernels),
    )


def cut_image(kernels: Kernels, raw: Array, region: Region, background: float, mask: Any) -> tuple[Array, Any]:
    """See `fill.cut_image`."""
    part = kernels.cupy.ascontiguousarray(raw[region])
    image = kernels.cupy.empty(part.shape, np.float32)
    kernels.start_voxels("subtract", part.size, part, image, np.float32(background))
    return image, mask


def summarise_volume(kernels: Kernels, volume: Array) -> Numbers:
    """See `statistics.summarise_volume`; the subsample is sorted, and only values at percentiles are copied."""
    low, high, total = kernels.sum_voxels("summarise", ("min", "max", "sum"), volume.size, volume, None)
    flat = volume.reshape(-1)
    ordered = kernels.cupy.sort(flat[find_sampling(flat.size)])
    ranks, places = find_places(ordered.size)
    chosen = ordered[kernels.cupy.asarray(places)].get()
    return name_statistics(low, high, total, volume.size, np.interp(ranks, places, chosen))


def describe_counts(kernels: Kernels, raw: Array, background: float, mask: Any) -> Numbers:  # noqa: ARG001
    """See `camera.describe_counts`."""
    arguments = (raw, None, np.float32(background), np.float64(find_largest(raw.dtype)))
    negative, saturated, flux = kernels.sum_voxels("describe_counts", ("sum",) * 3, raw.size, *arguments)
    return name_counts(background, flux, int(negative), int(saturated), None)


def convert_result(kernels: Kernels, result: Array, dtype: str, scale: float) -> tuple[Array, int]:
    """See `camera.convert_result`."""
    if dtype == "float32":
        return result, 0
    stored = kernels.cupy.empty(result.shape, dtype)
    arguments = (result, stored, None, np.float32(scale), np.float32(OUTPUT_MAX))
    (clipped,) = kernels.sum_voxels("convert", ("sum",), result.size, *arguments)
    return stored, int(clipped)


def measure_rounding(kernels: Kernels, result: Array, stored: Array, scale: float) -> float:
    """See `statistics.measure_rounding`."""
    arguments = (result, stored, None, np.float32(OUTPUT_MAX / scale), np.float32(1 / scale))
    energy, difference = kernels.sum_voxels("measure_rounding", ("sum", "sum"), result.size, *arguments)
    return float(np.sqrt(difference / energy)) if energy else 0.0


def coarsen(kernels: Kernels, stored: Array, coarser: Sequence[Step]) -> list[Array]:
    """Make the levels of a pyramid, each of the one below, as `store.downsample` does."""
    levels = [stored]
    for step in coarser:
        fine = levels[-1]
        shape = tuple(-(-n // s) for n, s in zip(fine.shape, step, strict=True))
        levels.append(kernels.cupy.empty(shape, fine.dtype))
        sizes = map(np.uint32, (*step, *fine.shape))
        rows = (np.uint32(size) for size in (shape[0] * shape[1], *shape[1:]))
        kernels.start("coarsen", shape[0] * shape[1], fine, levels[-1], *sizes, np.float32(1 / prod(step)), *rows)
    return levels[1:]


def _find_method(settings: Mapping[str, Any]) -> Method:
    return Method(1, settings["boundary"], acceleration=settings["acceleration"])
