"""Restoration of one volume: from its raw shard to the deconvolved one and its record.

A volume that does not fit into the worker's memory is done in overlapping blocks (`lightsheet.deconvolution.tiling`);
its raw pixels and its result are then kept in nameless files beside the result's shards.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import next_fast_len

from lightsheet import counts, deconvolution, files, records, summary, tiff
from lightsheet.assessment import assess
from lightsheet.capacity import Allocate, memory_limit, scratch
from lightsheet.deconvolution import gpu, tiling
from lightsheet.deconvolution.stopping import brightest_part
from lightsheet.log import about
from lightsheet.method import Method
from lightsheet.records import Record
from lightsheet.results import Results
from lightsheet.store import Layout, hole, read_volume, write_volume

PROCESS_BYTES = 500_000_000
"""Python with its libraries, and as much again to be safe."""

LEAST_BYTES = 1_000_000_000
"""No volume is cut for want of less: a worker that has less is killed and gets twice as much, see `slurm_pool`."""

BYTES_PER_PADDED_VOXEL = {"cpu": 17, "gpu": 0, "itk": 92, "skimage": 50}
BYTES_PER_VOXEL = {"cpu": 8, "gpu": 14, "itk": 8, "skimage": 8}
MOMENTUM_BYTES = {"none": 0, "heavy-ball": 4, "biggs": 8}
"""Measured by `benchmarks/memory.py`, and a little more; momentum's are per padded voxel, of engine cpu."""


def fingerprint_of(raw: Record, psf_sha256: str, settings: Mapping[str, Any], layout: Layout) -> str:
    """Return the digest of all that decides a deconvolved volume.

    Parameters
    ----------
    raw : dict
        The raw volume's record.
    psf_sha256 : str
        Digest of the PSF used.
    settings : mapping
        See `deconvolve`.
    layout : Layout
        Of the result.
    """
    content = {
        "raw": raw["shards"][0]["blake3"],
        "missing": raw.get("missing", False),
        "psf": psf_sha256,
        "settings": dict(settings),
        "engine": deconvolution.engine_version(settings["engine"]),
        "algorithm": deconvolution.ALGORITHM_VERSION,
        "layout": layout.as_json(),
    }
    return files.digest(content)


def deconvolve(
    results: Results,
    channel: str,
    timepoint: int,
    psf: Path,
    settings: Mapping[str, Any],
    layout: Layout,
    fingerprint: str,
    threads: int,
    memory: int | None = None,
) -> Record:
    """Deconvolve one ingested volume; shards, pyramid and record are on the disk when this returns.

    Parameters
    ----------
    results : Results
        Where from and where to.
    channel : str
        The volume's channel.
    timepoint : int
        Index on the time axis.
    psf : Path
        The PSF used, (z, y, x) float32 TIFF.
    settings : mapping
        `engine` (resolved), `iterations`, `boundary`, `acceleration`, `background` (counts, or auto), `dtype`
        and `scale` (of the result, for uint16).
    layout : Layout
        Of the result.
    fingerprint : str
        What `fingerprint_of` returned.
    threads : int
        Cores to use inside the volume.
    memory : int, optional
        Bytes that this process may use; what `available_memory` returns unless given.

    Returns
    -------
    dict
        The volume's record.

    Raises
    ------
    InputError
        If the raw shard cannot be read, or not even blocks fit into the memory or the disk.
    """
    before = records.read(results.record("result", channel, timepoint))
    if before and records.holds(before, fingerprint, results.work("result", channel), timepoint):
        return before  # done by a worker that was lost before it could say so
    seconds: dict[str, float] = {}
    used, work, level = tiff.read(psf), results.work("result", channel), layout.levels[0]
    block = block_shape(level.shape, level.chunk, used, settings, memory or available_memory())
    allocate: Allocate = np.empty if block == level.shape else scratch(work)
    with records.timed(seconds, "read"):
        raw = read_volume(results.work("raw", channel), timepoint, threads, allocate)
    with records.timed(seconds, "deconvolve"), about(f"{channel} timepoint {timepoint}"):
        result, statistics = compute(raw, used, settings, threads, block, allocate)
        statistics |= assess(raw, result, used, statistics["background"], counts.stored_per_count(settings))
    del raw
    with records.timed(seconds, "write"):
        shards, _ = write_volume(work, timepoint, result, layout, threads)
    engine = deconvolution.engine_version(settings["engine"])
    record = records.done(fingerprint, shards, seconds, settings=dict(settings), engine=engine, statistics=statistics)
    records.write(results.record("result", channel, timepoint), record)
    return record


def leave(
    results: Results, channel: str, timepoint: int, settings: Mapping[str, Any], layout: Layout, fingerprint: str
) -> Record:
    """Write a hole where the raw volume is missing, and a record that says so; arguments as for `deconvolve`."""
    seconds: dict[str, float] = {}
    with records.timed(seconds, "write"):
        shards, _ = write_volume(results.work("result", channel), timepoint, hole(layout), layout, 1)
    record = records.done(fingerprint, shards, seconds, settings=dict(settings), statistics=None, missing=True)
    records.write(results.record("result", channel, timepoint), record)
    return record


def available_memory() -> int:
    """Return the bytes that volumes here may use at a time, all worker processes of the machine or job together."""
    return max(memory_limit(), LEAST_BYTES)


def memory_bytes(shape: Sequence[int], psf: Sequence[int], engine: str, acceleration: str) -> int:
    """Return the memory that `deconvolve` needs for a volume, its process included.

    Parameters
    ----------
    shape, psf : sequence of int
        (z, y, x) of the volume and of the PSF used.
    engine : str
        One of `deconvolution.ENGINES`.
    acceleration : str
        One of `deconvolution.ACCELERATIONS`.

    Returns
    -------
    int
        Bytes of host memory, for as many volumes as a worker has in hand.
    """
    padded: int = math.prod(next_fast_len(n + k, real=True) for n, k in zip(shape, psf, strict=True))
    each = BYTES_PER_PADDED_VOXEL[engine] + (MOMENTUM_BYTES[acceleration] if engine == "cpu" else 0)
    volume = each * padded + BYTES_PER_VOXEL[engine] * math.prod(shape)
    return PROCESS_BYTES + deconvolution.slots(engine) * volume


def block_shape(
    shape: Sequence[int], chunk: Sequence[int], psf: np.ndarray, settings: Mapping[str, Any], memory: int
) -> tuple[int, ...]:
    """Choose the blocks in which to deconvolve a volume.

    Parameters
    ----------
    shape, chunk : sequence of int
        (z, y, x) of the volume and of an inner chunk of its shard.
    psf : numpy.ndarray
        The PSF used, (z, y, x).
    settings : mapping
        See `deconvolve`.
    memory : int
        Bytes that the process may use; it shares them among as many volumes as it has in hand.

    Returns
    -------
    tuple of int
        (z, y, x) without halo, in whole chunks; the volume's shape if it fits.

    Raises
    ------
    InputError
        If not even one chunk with its halo fits.
    """
    engine = settings["engine"]
    method = Method(1, settings["boundary"], acceleration=settings["acceleration"])
    limits = [
        tiling.Limit("the worker", memory, lambda block: memory_bytes(block, psf.shape, engine, method.acceleration))
    ]
    if engine == "gpu":
        limits.append(
            tiling.Limit("the GPU", gpu.memory_budget(), lambda block: gpu.memory_bytes(block, psf.shape, method))
        )
    return tiling.block_shape(tuple(shape), psf.shape, tiling.halo(psf), limits, tuple(chunk))


def compute(
    raw: np.ndarray,
    psf: np.ndarray,
    settings: Mapping[str, Any],
    threads: int,
    block: Sequence[int] | None = None,
    allocate: Allocate = np.empty,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Deconvolve one volume, as the settings say.

    Parameters
    ----------
    raw : numpy.ndarray
        (z, y, x), counts.
    psf : numpy.ndarray
        The PSF used, (z, y, x).
    settings : mapping
        See `deconvolve`.
    threads : int
        Cores to use.
    block : sequence of int, optional
        What `block_shape` returned; the whole volume unless given.
    allocate : callable
        Makes the arrays for the result of several blocks.

    Returns
    -------
    numpy.ndarray
        (z, y, x) in the dtype that `settings` name.
    dict
        Statistics of the result in counts, `background` (counts) that was subtracted, `flux_before` (sum of the
        image after that), how many `negative_voxels`, `saturated_voxels` and `clipped_voxels` there were, how many
        `iterations`, and the `block` (z, y, x) and how many `blocks` there were of it.
    """
    background = settings["background"]
    if background == "auto":
        background = counts.estimate_background(raw)
    how = {key: settings[key] for key in ("iterations", "engine", "boundary", "acceleration")}
    if how["iterations"] == "auto":  # once for all blocks
        part = counts.subtract(brightest_part(raw), background)
        how["iterations"] = deconvolution.auto_iterations(part, psf, acceleration=how["acceleration"], threads=threads)

    def deconvolve_region(region: tuple[slice, ...]) -> np.ndarray:
        image = counts.subtract(raw[region], background)
        restored: np.ndarray = deconvolution.richardson_lucy(
            np.maximum(image, 0, out=image), psf, threads=threads, **how
        )
        return restored

    size = tuple(block or raw.shape)
    cut = list(tiling.blocks(raw.shape, size, tiling.halo(psf)))
    result = tiling.assemble(deconvolve_region, cut, raw.shape, allocate)
    statistics = {
        **summary.of(result),
        **counts.describe(raw, background),
        "iterations": how["iterations"],
        "block": list(size),
        "blocks": len(cut),
    }
    result, statistics["clipped_voxels"] = counts.to_dtype(result, settings["dtype"], settings["scale"], allocate)
    return result, statistics
