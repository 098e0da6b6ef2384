"""The steps of a volume's way on a GPU, over CuPy's arrays: each computes what NumPy's of the same name does.

Only numbers and a few planes are copied to the host within; they and what is stored are all that leaves the device.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from math import prod, sqrt
from typing import Any

import numpy as np

from lightsheet.deconvolution import Method, gpu, gpu_memory
from lightsheet.processing.camera import OUTPUT_MAX, estimate_background, find_largest, name_counts
from lightsheet.processing.geometry import find_geometry
from lightsheet.processing.gpu_code import C_TYPES
from lightsheet.processing.gpu_kernels import Kernels, get_kernels
from lightsheet.processing.gpu_mask import find_mask
from lightsheet.processing.gpu_quality import compare_result, find_brightest_region
from lightsheet.processing.memory import BYTES_PER_VOXEL
from lightsheet.processing.quality import Planes
from lightsheet.processing.statistics import find_places, find_sampling, name_statistics
from lightsheet.processing.way import Array, Numbers, Step, Steps, follow_way
from lightsheet.scan import OutputGeometry, OutputVolume
from lightsheet.store import ALL_BITS, CutVolume, Shape, StoreLayout

Region = tuple[slice, ...]

BAND_PLANES = 32
"""Of the result of a stage scan that are moved or turned at a time."""


def can_follow(
    raw: np.ndarray | CutVolume, psf: np.ndarray, settings: Mapping[str, Any], layout: StoreLayout | None = None
) -> bool:
    """Tell whether a volume may go all its way on a GPU: as a whole, and if there are kernels for what it holds.

    What is pinned for it on the host must be no more than a volume of that engine is promised to take there; a rotated
    result may be several times as large as its raw volume.
    """
    stored = layout.count_volume_bytes() if layout else 0
    pinned_bytes = raw.dtype.itemsize * prod(raw.shape) + stored
    limits = gpu_memory.list_limits(psf.shape, _find_method(settings), "fill" in settings)
    scratch = _measure_more(raw.shape, settings)
    return (
        raw.dtype.isnative
        and raw.dtype.name in C_TYPES
        and raw.dtype.itemsize <= gpu_memory.FLOAT
        and pinned_bytes <= BYTES_PER_VOXEL["gpu"] * prod(raw.shape)
        and all(limit.needs(raw.shape) + scratch <= limit.budget for limit in limits)
    )


def follow_way_on_gpu(
    raw: np.ndarray | CutVolume,
    psf: np.ndarray,
    settings: Mapping[str, Any],
    threads: int,
    layout: StoreLayout | None = None,
) -> tuple[list[Any], tuple[Numbers, Planes]]:
    """Take a volume of the host all its way on the device; arguments and results as for `follow_way`.

    With a layout what is stored comes as all its levels, each a `CutVolume`: so no voxel is copied between decoding and
    encoding but by the device.
    """
    kernels = get_kernels(import_module("cupy"), raw.dtype.name, settings["dtype"])
    steps, coarser = make_gpu_steps(kernels), layout.list_steps() if layout else ()

    def follow(on_device: Array) -> tuple[list[Array], tuple[Numbers, Planes]]:
        if isinstance(raw, CutVolume):
            on_device = join_chunks(kernels, on_device, raw.shape)
        levels, numbers = follow_way(on_device, psf, settings, threads, steps, coarser=coarser)
        if layout:
            levels = [cut_chunks(kernels, levels.pop(0), level.chunk) for level in layout.levels]
        return levels, numbers

    size = gpu_memory.estimate_memory(raw.shape, psf.shape, _find_method(settings), "fill" in settings)
    size += _measure_more(raw.shape, settings)
    voxels = raw.chunks if isinstance(raw, CutVolume) else raw
    levels, numbers = gpu.process_volume(follow, voxels, raw.shape, size)
    if layout:
        return [CutVolume(level.shape, chunks) for level, chunks in zip(layout.levels, levels, strict=True)], numbers
    return levels, numbers


def join_chunks(kernels: Kernels, chunks: Array, shape: Shape) -> Array:
    """Return the volume (z, y, x) of what a `CutVolume` of it holds."""
    raw = kernels.cupy.empty(shape, chunks.dtype)
    _start_chunks(kernels, "join_chunks", chunks, raw, chunks.shape[1:], shape)
    return raw


def cut_chunks(kernels: Kernels, stored: Array, chunk: Shape) -> Array:
    """Return what a `CutVolume` of a volume holds."""
    chunks = kernels.cupy.empty((stored.size // prod(chunk), *chunk), stored.dtype)
    _start_chunks(kernels, "cut_chunks", stored, chunks, chunk, stored.shape)
    return chunks


def _start_chunks(kernels: Kernels, name: str, source: Array, target: Array, chunk: Shape, shape: Shape) -> None:
    z, y, x = shape
    kernels.start(name, z * y, source, target, *map(np.uint32, (*chunk, z * y, y, x)))


def _measure_more(shape: Sequence[int], settings: Mapping[str, Any]) -> int:
    """Return what results of a stage scan take of the device beyond those of raw shape: when they leave, and are made.

    Then raw and result are there (8 bytes a voxel), and what is stored, as a volume, as its pyramid, and cut (12).
    Iterations take no less than 28 of a raw voxel, which are free by then.
    """
    geometry = find_geometry(settings, shape)
    if not geometry:
        return 0
    raw, stored = prod(shape), prod(geometry.shape)
    queue_bytes = (gpu_memory.IN_FLIGHT - 1) * gpu_memory.WAITING_BYTES * max(0, stored - raw)
    return queue_bytes + max(0, 12 * stored - 20 * raw)


def make_gpu_steps(kernels: Kernels) -> Steps:
    """Return the steps over CuPy's arrays, all of them in the current stream."""
    return Steps(
        kernels.cupy.empty,
        partial(find_mask, kernels),
        lambda raw: estimate_background(raw.get()),
        partial(find_brightest_region, kernels),
        partial(cut_image, kernels),
        partial(summarise_volume, kernels),
        partial(describe_counts, kernels),
        partial(convert_result, kernels),
        partial(measure_rounding, kernels),
        partial(round_result, kernels),
        partial(compare_result, kernels),
        partial(change_geometry, kernels),
        partial(coarsen, kernels),
    )


def cut_image(kernels: Kernels, raw: Array, region: Region, background: float, mask: Any) -> tuple[Array, Any]:
    """See `fill.cut_image`."""
    part = kernels.cupy.ascontiguousarray(raw[region])
    image = kernels.cupy.empty(part.shape, np.float32)
    flags, is_masked = kernels.list_flags(mask)
    if mask:
        flags = kernels.cupy.ascontiguousarray(flags[region])
    kernels.start_voxels("subtract", part.size, part, flags, is_masked, image, np.float32(background))
    return image, mask[region] if mask else None


def summarise_volume(kernels: Kernels, volume: Array) -> Numbers:
    """See `statistics.summarise_volume`; the subsample is sorted, and only values at percentiles are copied."""
    low, high, total = kernels.sum_voxels("summarise", ("min", "max", "sum"), volume.size, volume, None)
    flat = volume.reshape(-1)
    sample = kernels.cupy.sort(flat[find_sampling(flat.size)])
    ranks, places = find_places(sample.size)
    values = sample[kernels.cupy.asarray(places)].get()
    return name_statistics(low, high, total, volume.size, np.interp(ranks, places, values))


def describe_counts(kernels: Kernels, raw: Array, background: float, mask: Any) -> Numbers:
    """See `camera.describe_counts`."""
    numbers = (np.float32(background), np.float64(find_largest(raw.dtype)))
    arguments = (raw, *kernels.list_flags(mask), None, *numbers)
    negative, saturated, flux = kernels.sum_voxels("describe_counts", ("sum",) * 3, raw.size, *arguments)
    return name_counts(background, flux, int(negative), int(saturated), raw.size - mask.number if mask else None)


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
    return sqrt(difference / energy) if energy else 0.0


def round_result(kernels: Kernels, stored: Array, bits: int, threads: int = 1) -> float:  # noqa: ARG001
    """See `rounding.round_result`."""
    dropped = ALL_BITS[stored.dtype.name] - bits
    if dropped <= 0:
        return 0.0
    arguments = (stored, None, np.uint32(dropped))
    changed, energy = kernels.sum_voxels("round_last_bits", ("sum", "sum"), stored.size, *arguments)
    return sqrt(changed / energy) if energy else 0.0


def change_geometry(
    kernels: Kernels, result: Array, geometry: OutputGeometry, convert: Callable[[Array], Array], dtype: str
) -> Array:
    """Move or turn the result of a stage scan, a band after the other, on the device."""
    source = OutputVolume(result, geometry, convert, dtype, kernels.cupy)
    stored = kernels.cupy.empty(geometry.shape, dtype)
    for start in range(0, source.shape[0], BAND_PLANES):
        planes = slice(start, min(start + BAND_PLANES, source.shape[0]))
        stored[planes] = source[planes, slice(0, source.shape[1])]
    return stored


def coarsen(kernels: Kernels, stored: Array, coarser: Sequence[Step], bits: int | None) -> list[Array]:
    """Make the levels of a pyramid, each of the one below, as `store.downsample` does, and rounded as that is."""
    levels = [stored]
    for step in coarser:
        fine = levels[-1]
        shape = tuple(-(-n // s) for n, s in zip(fine.shape, step, strict=True))
        levels.append(kernels.cupy.empty(shape, fine.dtype))
        sizes = map(np.uint32, (*step, *fine.shape))
        rows = (np.uint32(size) for size in (shape[0] * shape[1], *shape[1:]))
        kernels.start("coarsen", shape[0] * shape[1], fine, levels[-1], *sizes, np.float32(1 / prod(step)), *rows)
        if bits:
            round_result(kernels, levels[-1], bits)
    return levels[1:]


def _find_method(settings: Mapping[str, Any]) -> Method:
    return Method(1, settings["boundary"], acceleration=settings["acceleration"])
