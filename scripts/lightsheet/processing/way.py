"""A volume's way from camera counts to what is stored: which steps there are, and what each hands on to the next.

What a step does to voxels is written for each kind of arrays, in `Steps`: those of NumPy are here, those of a GPU in
`gpu_steps`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution import (
    assemble_blocks,
    cut_blocks,
    find_brightest_region,
    measure_halo,
    resolve_iterations,
    richardson_lucy,
)
from lightsheet.processing.camera import convert_result, describe_counts, estimate_background, find_stored_per_count
from lightsheet.processing.fill import cut_image, find_mask
from lightsheet.processing.geometry import find_geometry
from lightsheet.processing.quality import Planes, compare_result, measure_noise_share, measure_resolutions
from lightsheet.processing.rounding import round_result
from lightsheet.processing.statistics import measure_rounding, summarise_volume
from lightsheet.scan import OutputGeometry, OutputVolume
from lightsheet.system import Allocate

Array = Any  # of numpy or cupy
Numbers = dict[str, Any]
Step = tuple[int, int, int]
"""By how much a pyramid level is coarser than the one below, along (z, y, x)."""


class Steps(NamedTuple):
    """What is done to voxels of one kind of arrays; see the functions of NumPy."""

    allocate: Allocate  # makes the array for the result of several blocks
    find_mask: Callable[[Array, Mapping[str, Any]], Any]
    estimate_background: Callable[[Array], float]
    find_brightest_region: Callable[[Array, Any], tuple[slice, ...]]
    cut_image: Callable[[Array, tuple[slice, ...], float, Any], tuple[Array, Any]]
    summarise_volume: Callable[[Array], Numbers]
    describe_counts: Callable[[Array, float, Any], Numbers]
    convert_result: Callable[[Array, str, float], tuple[Array, int]]
    measure_rounding: Callable[[Array, Array, float], float]
    round_result: Callable[[Array, int, int], float]
    compare_result: Callable[[Array, Array, np.ndarray, float, float, Any], tuple[float | None, Planes]]
    change_geometry: Callable[[Array, OutputGeometry, Callable[[Array], Array], str], Any]
    coarsen: Callable[[Array, Sequence[Step], int | None], list[Array]]


def make_numpy_steps(allocate: Allocate = np.empty) -> Steps:
    """Return the steps over NumPy's arrays. Coarser levels are left to `write_volume`, which makes them by bands."""
    return Steps(
        allocate,
        find_mask,
        estimate_background,
        find_brightest_region,
        cut_image,
        summarise_volume,
        describe_counts,
        partial(convert_result, allocate=allocate),
        measure_rounding,
        round_result,
        compare_result,
        lambda result, *rest: OutputVolume(result, *rest),
        lambda stored, coarser, bits: [],  # noqa: ARG005 (as the GPU's)
    )


def follow_way(
    raw: Array,
    psf: np.ndarray,
    settings: Mapping[str, Any],
    threads: int,
    steps: Steps,
    block: Sequence[int] | None = None,
    coarser: Sequence[Step] = (),
) -> tuple[list[Array], tuple[Numbers, Planes]]:
    """Take a volume all its way; arguments as for `deconvolve_pixels`.

    Returns
    -------
    list of array
        What is stored (z, y, x), and those coarser levels of it that the steps make, of `coarser`. On the host the
        result of a stage scan is moved or turned when its bands are read.
    dict, Planes
        Numbers for the record, and planes of the host that `finish_numbers` needs: a device can go on meanwhile.
    """
    mask = steps.find_mask(raw, settings)
    background, method = _resolve_method(raw, psf, settings, threads, steps, mask)
    block = tuple(block or raw.shape)
    result, blocks = _deconvolve_blocks(raw, psf, method, threads, steps, block, background, mask)
    numbers = {
        **steps.summarise_volume(result),
        **steps.describe_counts(raw, background, mask),
        "iterations": method["iterations"],
        "block": list(block),
        "blocks": blocks,
    }
    stored, numbers["clipped_voxels"] = steps.convert_result(result, settings["dtype"], settings["scale"])
    geometry = find_geometry(settings, raw.shape)
    is_moved = geometry and geometry.kind != "raw"
    if bits := settings.get("precision"):
        # What is moved or turned is rounded after that, and not before: a part tells what it loses.
        is_kept = is_moved and stored is result
        rounded = result[steps.find_brightest_region(raw, mask)].copy() if is_kept else stored
        numbers["rounding_error"] = steps.round_result(rounded, bits, threads)
    if stored is not result:
        numbers["rounding_error"] = steps.measure_rounding(result, stored, settings["scale"])
    scale = find_stored_per_count(settings)
    numbers["residual"], planes = steps.compare_result(raw, stored, psf, background, scale, mask)
    if geometry and is_moved:
        stored = _change_geometry(result, geometry, settings, threads, steps)
    return [stored, *steps.coarsen(stored, coarser, bits)], (numbers, planes)


def _change_geometry(
    result: Array, geometry: OutputGeometry, settings: Mapping[str, Any], threads: int, steps: Steps
) -> Any:
    """Move or turn a result; each band of it is converted and rounded after that, as settings say."""

    def convert(band: Array) -> Array:
        values, _ = steps.convert_result(band, settings["dtype"], settings["scale"])
        if bits := settings.get("precision"):
            steps.round_result(values, bits, threads)
        return values

    return steps.change_geometry(result, geometry, convert, settings["dtype"])


def _deconvolve_blocks(
    raw: Array,
    psf: np.ndarray,
    method: Mapping[str, Any],
    threads: int,
    steps: Steps,
    block: tuple[int, ...],
    background: float,
    mask: Any,
) -> tuple[Array, int]:
    """Deconvolve a volume block by block; return the result in counts, and the number of blocks."""
    halo = (0, 0, 0) if block == tuple(raw.shape) else measure_halo(psf)
    blocks = list(cut_blocks(raw.shape, block, halo))

    def deconvolve_region(region: tuple[slice, ...]) -> Array:
        image, part_mask = steps.cut_image(raw, region, background, mask)
        return richardson_lucy(image, psf, threads=threads, mask=part_mask, **method)

    return assemble_blocks(deconvolve_region, blocks, raw.shape, steps.allocate), len(blocks)


def finish_numbers(numbers: Numbers, planes: Planes) -> Numbers:
    """Return all numbers of a volume, with what is measured of the planes that its way led to."""
    noise_share = measure_noise_share(planes["raw"], numbers["background"])
    return numbers | {"resolution_voxels": measure_resolutions(planes), "noise_share": noise_share}


def _resolve_method(
    raw: Array, psf: np.ndarray, settings: Mapping[str, Any], threads: int, steps: Steps, mask: Any
) -> tuple[float, dict[str, Any]]:
    """Return the background, and how to deconvolve, once for all blocks: where settings say auto, from the volume."""
    background = settings["background"]
    if background == "auto":
        background = steps.estimate_background(raw)
    method = {name: settings[name] for name in ("iterations", "engine", "boundary", "acceleration")}
    if method["iterations"] == "auto":
        part, part_mask = steps.cut_image(raw, steps.find_brightest_region(raw, mask), background, mask)
        method["iterations"] = resolve_iterations(
            part, psf, acceleration=method["acceleration"], threads=threads, mask=part_mask
        )
    return background, method
