"""Engine `cpu`: Richardson-Lucy in the four sweeps of `sweeps`, compiled, each with a piece of them in cache.

What differs from `sweeps` are the FFTs, which are our own (`lanes`): 16 rows or columns at a time, the OTF's product
between the last butterfly forward and the first one back. Results agree to 1e-6, but not in their bits.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version as version_of
from math import prod
from typing import Any

import numpy as np

from lightsheet.deconvolution.fourier import find_threshold, index_edge
from lightsheet.deconvolution.fused_layout import (
    CORRECT,
    DIVIDE,
    GROUP,
    LOAD,
    PREDICT,
    SUM_CHANGES,
    Layout,
    Numbers,
    Placed,
    Room,
    Volumes,
    count_padded_voxels,
    make_layout,
    place_volume,
)
from lightsheet.deconvolution.lanes.native import Flat, flatten, load_function
from lightsheet.deconvolution.lanes.plan import BLOCK, VECTOR, Array, allocate
from lightsheet.deconvolution.mask import keep_weights, place_mask, weigh_captured
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.momentum import compute_biggs, compute_heavy_ball
from lightsheet.deconvolution.padding import Frame, compute_weights, make_trimmed_frame
from lightsheet.system import PROGRESS_SECONDS, Progress, count_cores

VOXELS_OF_A_THREAD = 1 << 17
"""Fewer are done sooner by one thread than shared by two."""

sweep_planes = load_function("lightsheet.deconvolution.fused_planes", "sweep_planes")
sweep_columns = load_function("lightsheet.deconvolution.fused_columns", "sweep_columns")
sweep_result = load_function("lightsheet.deconvolution.fused_blocks", "sweep_result")

Run = Callable[..., None]
"""Calls a sweep in all threads, each with its room, the layout, and the sweep's other arguments."""


def deconvolve(image: Array, psf: Array, method: Method, threads: int | None, mask: Any = None) -> Array:
    """Deconvolve one volume; the result does not depend on the number of threads."""
    image = image.astype(np.float32, copy=False)
    psf, frame = make_trimmed_frame(image.shape, psf, method.boundary)
    threads = max(1, min(threads or count_cores(), prod(frame.shape) // VOXELS_OF_A_THREAD))
    layout = make_layout(frame.shape)
    rooms = [flatten((_make_room(layout), layout)) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        run = partial(_call_in_threads, pool, rooms)
        numbers = _choose_numbers(image, method)
        volumes = _prepare(image, psf, mask, frame, method, layout, numbers, run)
        progress = Progress("iteration", method.iterations, "iteration", PROGRESS_SECONDS)
        for iteration in range(1, method.iterations + 1):
            _iterate(volumes, numbers, iteration, method, frame, run)
            progress.step(f"{image.shape} voxels")
        estimate = volumes.estimate
        del volumes  # frees all other arrays before the result is written
        result = np.empty(frame.image, np.float32)
        run(sweep_result, estimate, *frame.low, *frame.image, result.reshape(-1))
    return result


def version() -> str:
    """Name the libraries that compute."""
    return ", ".join(f"{name} {version_of(name)}" for name in ("numba", "llvmlite", "numpy"))


def _make_room(layout: Layout) -> Room:
    sizes = 1 + max(GROUP * layout.planes, layout.width), layout.width, layout.blocks * BLOCK * min(layout.tail, 1)
    buffer, side, tail = (allocate(size * VECTOR) for size in sizes)
    return Room(buffer, side, tail, np.zeros(2 * BLOCK, np.int64))


def _call_in_threads(pool: ThreadPoolExecutor, rooms: list[Flat], sweep: Callable[..., None], *arguments: Any) -> None:
    counter, (room, *others), flat = flatten(np.zeros(1, np.int64)), rooms, flatten(arguments)
    futures = [pool.submit(sweep, counter, other, flat) for other in others]
    sweep(counter, room, flat)
    for future in futures:
        future.result()


def _choose_numbers(image: Array, method: Method) -> Numbers:
    brightest = float(image.max())
    clips = method.boundary == "extended" or method.acceleration != "none"  # as `sweeps` does
    floor = 0.0 if clips else -math.inf
    threshold = find_threshold(brightest, method.boundary)
    return Numbers(np.float32(threshold), np.float32(floor), np.float32(brightest), np.float32(0))


def _prepare(
    image: Array, psf: Array, mask: Any, frame: Frame, method: Method, layout: Layout, numbers: Numbers, run: Run
) -> Volumes:
    """Allocate, transform the PSF, and make the first estimate."""
    voxels, blocks = count_padded_voxels(layout), layout.planes * layout.blocks
    empty, momentum, biggs = allocate(0), method.acceleration != "none", method.acceleration == "biggs"
    volumes = Volumes(
        spectrum=allocate(layout.planes * layout.stride),
        otf=allocate(layout.planes * (layout.rows * layout.groups + layout.tail_columns) * VECTOR),
        image=_place_psf(psf, frame),
        weights=_place_weights(psf, frame, method.boundary) if mask is None else _place_constant(1, frame),
        masked_weights=empty,
        estimate=empty,
        previous=allocate(voxels) if momentum else empty,
        change=allocate(voxels) if biggs else empty,
        sums=np.zeros(2 * BLOCK * blocks if biggs else 0),
    )
    load = partial(run, sweep_planes)
    load(volumes, numbers, layout.planes, layout.rows, LOAD, False, True)
    run(sweep_columns, volumes.spectrum, volumes.otf, layout.planes, layout.planes, 0)
    if mask is not None:
        weigh = partial(_weigh_mask, volumes, mask, frame, layout, numbers, run)
        volumes = volumes._replace(masked_weights=keep_weights(mask, psf, frame, weigh))
    edge = place_volume(image, [index_edge(*axis) for axis in zip(frame.shape, frame.low, frame.image, strict=True)])
    is_flat = method.start == "flat"
    start = _place_constant(numbers.flat, frame) if is_flat else edge
    volumes = volumes._replace(estimate=allocate(voxels), image=start)
    load(volumes, numbers, layout.planes, layout.rows, LOAD, False, not is_flat)
    return volumes._replace(image=_place_image(image, frame) if method.boundary == "extended" else edge)


def _place_image(image: Array, frame: Frame) -> Placed:
    """Place the image with nothing around it."""
    positions = [np.arange(total) for total in frame.shape]
    return place_volume(image, [np.where(p < n, p, -1) for p, n in zip(positions, frame.image, strict=True)])


def _place_constant(value: float | np.float32, frame: Frame) -> Placed:
    return place_volume(np.full((1, 1, 1), value, np.float32), [np.zeros(total, np.int64) for total in frame.shape])


def _place_psf(psf: Array, frame: Frame) -> Placed:
    """Place the PSF with its centre at the origin, scaled as the OTF shall be.

    The spectra of rows come out doubled, here and of what the OTF is multiplied with.
    """
    positions = [(np.arange(total) + k // 2) % total for total, k in zip(frame.shape, psf.shape, strict=True)]
    indices = [np.where(position < k, position, -1) for position, k in zip(positions, psf.shape, strict=True)]
    return place_volume((psf * (0.25 / prod(frame.shape))).astype(np.float32), indices)


def _place_weights(psf: Array, frame: Frame, boundary: str) -> Placed:
    if boundary == "extended":
        return place_volume(*compute_weights(psf, frame))
    return _place_constant(1.0, frame)


def _weigh_mask(volumes: Volumes, mask: Any, frame: Frame, layout: Layout, numbers: Numbers, run: Run) -> Array:
    """Correlate the mask with the PSF, as a first iteration does with quotients, from an estimate and weights of 1."""
    measured = np.empty(frame.image, np.float32)
    place_mask(mask, measured)
    volumes = volumes._replace(image=_place_image(measured, frame), estimate=allocate(0))
    run(sweep_planes, volumes, numbers, *frame.image[:2], LOAD, False, True)
    volumes = volumes._replace(image=volumes.weights, estimate=allocate(count_padded_voxels(layout)))
    del measured  # before there are more arrays
    volumes.estimate[:] = 1
    run(sweep_columns, volumes.spectrum, volumes.otf, frame.image[0], layout.planes, -1)
    run(sweep_planes, volumes, numbers, layout.planes, layout.rows, CORRECT, True, False)
    captured = volumes.estimate.reshape(layout.planes, -1, layout.width)  # in another order
    return weigh_captured(captured).table.reshape(-1)


def _iterate(volumes: Volumes, numbers: Numbers, iteration: int, method: Method, frame: Frame, run: Run) -> None:
    planes, rows, _ = frame.shape
    image_planes, image_rows = frame.image[:2] if method.boundary == "extended" else (planes, rows)
    is_last = iteration == method.iterations
    is_flat = iteration == 1 and method.start == "flat"
    sweep = partial(run, sweep_planes, volumes)
    convolve = partial(run, sweep_columns, volumes.spectrum, volumes.otf)
    if not is_flat:
        convolve(planes, image_planes, 1)
    sweep(numbers, image_planes, image_rows, DIVIDE, not is_flat, True)
    if is_last:
        planes, rows = (frame.low[axis] + frame.image[axis] for axis in (0, 1))
    convolve(image_planes, planes, -1)
    if is_last or method.acceleration != "biggs":
        numbers = numbers._replace(alpha=np.float32(compute_heavy_ball(iteration)))
        sweep(numbers, planes, rows, CORRECT, True, not is_last)
        return
    sweep(numbers, planes, rows, SUM_CHANGES, True, False)
    products, squares = volumes.sums.reshape(-1, 2, BLOCK).transpose(1, 0, 2)
    numbers = numbers._replace(alpha=np.float32(compute_biggs(math.fsum(products.flat), math.fsum(squares.flat))))
    sweep(numbers, planes, rows, PREDICT, False, True)
