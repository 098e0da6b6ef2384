"""Restoration of one volume: from its raw shard to the deconvolved one and its record.

A volume that does not fit into the worker's memory is done in overlapping blocks (`lightsheet.deconvolution.blocks`);
its raw pixels and its result are then kept in nameless files beside the result's shards.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.deconvolution import (
    ALGORITHM_VERSION,
    assemble_blocks,
    cut_blocks,
    describe_engine,
    find_brightest_part,
    measure_halo,
    resolve_iterations,
    richardson_lucy,
)
from lightsheet.processing.camera import (
    convert_result,
    describe_counts,
    estimate_background,
    find_stored_per_count,
    subtract_background,
)
from lightsheet.processing.memory import choose_volume_blocks, find_available_memory
from lightsheet.processing.quality import assess_result
from lightsheet.processing.statistics import summarise_volume
from lightsheet.sources import read_stack
from lightsheet.store import (
    Record,
    Results,
    StoreLayout,
    VolumeKey,
    is_done,
    make_hole,
    make_record,
    read_record,
    read_volume,
    time_stage,
    write_record,
    write_volume,
)
from lightsheet.system import Allocate, allocate_on_disk, digest_json, name_subject


def compute_fingerprint(raw: Record, psf_sha256: str, settings: Mapping[str, Any], layout: StoreLayout) -> str:
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
        "engine": describe_engine(settings["engine"]),
        "algorithm": ALGORITHM_VERSION,
        "layout": layout.as_json(),
    }
    return digest_json(content)


def deconvolve_volume(
    results: Results,
    key: VolumeKey,
    psf: Path,
    settings: Mapping[str, Any],
    layout: StoreLayout,
    fingerprint: str,
    threads: int,
    memory: int | None = None,
) -> Record:
    """Deconvolve one ingested volume; shards, pyramid and record are on the disk when this returns.

    Parameters
    ----------
    results : Results
        Where from and where to.
    key : VolumeKey
        The deconvolved volume.
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
    before = read_record(results.record(key))
    if before and is_done(before, fingerprint, results, key):
        return before  # done by a worker that was lost before it could say so
    seconds: dict[str, float] = {}
    used, work, level = read_stack(psf), results.work("result", key.channel), layout.levels[0]
    block = choose_volume_blocks(level.shape, level.chunk, used, settings, memory or find_available_memory())
    allocate: Allocate = np.empty if block == level.shape else allocate_on_disk(work)
    with time_stage(seconds, "read"):
        raw = read_volume(results.work("raw", key.channel), key.timepoint, threads, allocate)
    with time_stage(seconds, "deconvolve"), name_subject(key.label):
        result, statistics = restore_volume(raw, used, settings, threads, block, allocate)
        statistics |= assess_result(raw, result, used, statistics["background"], find_stored_per_count(settings))
    del raw
    with time_stage(seconds, "write"):
        shards, _ = write_volume(work, key.timepoint, result, layout, threads)
    engine = describe_engine(settings["engine"])
    record = make_record(fingerprint, shards, seconds, settings=dict(settings), engine=engine, statistics=statistics)
    write_record(results.record(key), record)
    return record


def write_hole(
    results: Results, key: VolumeKey, settings: Mapping[str, Any], layout: StoreLayout, fingerprint: str
) -> Record:
    """Write a hole where the raw volume is missing, and a record that says so; arguments as for `deconvolve`."""
    seconds: dict[str, float] = {}
    with time_stage(seconds, "write"):
        shards, _ = write_volume(results.work("result", key.channel), key.timepoint, make_hole(layout), layout, 1)
    record = make_record(fingerprint, shards, seconds, settings=dict(settings), statistics=None, missing=True)
    write_record(results.record(key), record)
    return record


def restore_volume(
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
        background = estimate_background(raw)
    how = {key: settings[key] for key in ("iterations", "engine", "boundary", "acceleration")}
    if how["iterations"] == "auto":  # once for all blocks
        part = subtract_background(find_brightest_part(raw), background)
        how["iterations"] = resolve_iterations(part, psf, acceleration=how["acceleration"], threads=threads)

    def deconvolve_region(region: tuple[slice, ...]) -> np.ndarray:
        image = subtract_background(raw[region], background)
        restored: np.ndarray = richardson_lucy(np.maximum(image, 0, out=image), psf, threads=threads, **how)
        return restored

    size = tuple(block or raw.shape)
    cut = list(cut_blocks(raw.shape, size, measure_halo(psf)))
    result = assemble_blocks(deconvolve_region, cut, raw.shape, allocate)
    statistics = {
        **summarise_volume(result),
        **describe_counts(raw, background),
        "iterations": how["iterations"],
        "block": list(size),
        "blocks": len(cut),
    }
    result, statistics["clipped_voxels"] = convert_result(result, settings["dtype"], settings["scale"], allocate)
    return result, statistics
