"""Deconvolution of one volume: from its raw shard, or its files, to the deconvolved one and its record.

A volume that does not fit into the worker's memory is done in overlapping blocks; its raw pixels and its result are
then kept in nameless files beside the result's shards.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.deconvolution import check_engine, describe_engine, gpu
from lightsheet.processing.gpu_steps import can_follow, follow_way_on_gpu
from lightsheet.processing.memory import choose_volume_blocks, find_worker_memory
from lightsheet.processing.source import Source, read_source, stat_sources
from lightsheet.processing.way import finish_numbers, follow_way, make_numpy_steps
from lightsheet.processing.worker_share import take_share
from lightsheet.sources import read_stack
from lightsheet.store import (
    CutVolume,
    Record,
    Results,
    StoreLayout,
    VolumeKey,
    choose_chunk,
    is_done,
    make_failure,
    make_record,
    make_shape,
    read_cut_volume,
    read_record,
    read_volume,
    time_stage,
    write_volume,
)
from lightsheet.system import (
    Allocate,
    DamagedVolumeError,
    DiskError,
    InputError,
    allocate_on_disk,
    name_subject,
    write_json,
)


def deconvolve_volume(
    results: Results,
    key: VolumeKey,
    psf: Path,
    settings: Mapping[str, Any],
    layout: StoreLayout,
    inputs: Mapping[str, Any],
    threads: int,
    memory: int | None = None,
    raw_work: Path | None = None,
    sampled: Sequence[int] = (),
    noise: float | None = None,
    shape: Sequence[int] | None = None,
    source: Source | None = None,
) -> Record:
    """Deconvolve one volume; shards, pyramid and record are on the disk when this returns.

    Parameters
    ----------
    results, key : Results, VolumeKey
        The run and its result volume.
    psf : Path
        The PSF used, (z, y, x) float32 TIFF.
    settings : mapping
        `engine` (not auto), `iterations`, `boundary`, `acceleration`, `background` (counts, or auto), `dtype`
        and `scale` of the result, `precision` (bits of mantissa) where that is not full, and `fill` (`values` and
        `rim`) where there is some; of a stage scan also what `find_geometry` needs.
    layout, inputs : StoreLayout, mapping
        Layout of result volumes, and what `list_result_inputs` returned.
    threads : int
        Cores to use inside the volume.
    memory : int, optional
        Bytes that this process may use; by default what `find_worker_memory` returns.
    raw_work : Path, optional
        Work area of the raw volume; by default that of `results`.
    sampled : sequence of int, optional
        Timepoints from which settings were chosen, for the record.
    noise : float, optional
        Relative L2 of the noise of the channel's results, to tell the rounding error in units of it.
    shape : sequence of int, optional
        Of the raw volume, (z, y, x); by default that of the layout.
    source : Source, optional
        Where the raw pixels are, if no raw volumes are kept: they are read from there, and the record of the raw volume
        is written, too. What `inputs` say of the source is then replaced by what is found.

    Raises
    ------
    InputError
        If the raw shard or a file cannot be read, or not even blocks fit into the memory or the disk.
    """
    old = read_record(results, key)
    if old and is_done(old, inputs, results, key):
        return old  # by a worker that was lost before it could report
    check_engine(settings["engine"])
    seconds: dict[str, float] = {}
    psf_used, work = read_stack(psf), results.work("result", key.channel)
    shape = make_shape(shape or layout.levels[0].shape)
    block = choose_volume_blocks(shape, choose_chunk(shape), psf_used, settings, memory or find_worker_memory())
    allocate: Allocate = np.empty if block == shape else allocate_on_disk(work)
    is_on_gpu = settings["engine"] == "gpu" and block == shape
    raw: np.ndarray | CutVolume
    with time_stage(seconds, "read"):
        if source:
            raw, inputs = _read_source(
                results, key, source, inputs, threads, gpu.allocate_raw if is_on_gpu else allocate
            )
        else:
            work_of_raw = raw_work or results.work("raw", key.channel)
            raw = _read_raw(results, key, work_of_raw, threads, None if is_on_gpu else allocate)
    if source and old and is_done(old, inputs, results, key):
        return old  # the files have another date, and the pixels that they had
    with time_stage(seconds, "deconvolve"), name_subject(key.label):
        levels, statistics = _process(raw, psf_used, settings, threads, block, allocate, layout)
    del raw
    with time_stage(seconds, "write"):
        bits = settings.get("precision")
        shards, _ = write_volume(work, key.timepoint, levels[0], layout, threads, coarser=levels[1:], bits=bits)
    engine = describe_engine(settings["engine"])
    if noise and "rounding_error" in statistics:
        statistics["rounding_to_noise"] = statistics["rounding_error"] / noise
    facts = {**({"sampled": list(sampled)} if sampled else {}), **take_share()}
    record = make_record(inputs, shards, seconds, engine=engine, statistics=statistics, **facts)
    write_json(results.record(key), record)
    return record


def _read_raw(
    results: Results, key: VolumeKey, work: Path, threads: int, allocate: Allocate | None
) -> np.ndarray | CutVolume:
    """Read a volume from its shard: as it is cut into chunks, for a GPU, where nothing else allocates it."""
    try:
        if allocate is None:
            return read_cut_volume(work, key.timepoint, threads, gpu.allocate_raw)
        return read_volume(work, key.timepoint, threads, allocate)
    except DamagedVolumeError:
        results.record(key.raw).unlink(missing_ok=True)  # so that the next run ingests it again
        raise


def _read_source(
    results: Results, key: VolumeKey, source: Source, inputs: Mapping[str, Any], threads: int, allocate: Allocate
) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Read a volume from its files, and write the record of it; return what decides its result with its digest."""
    place, old = results.record(key.raw), read_record(results, key.raw)
    try:
        raw, record = read_source(source, threads, allocate)
    except DiskError:  # no fault of the volume
        raise
    except InputError as error:
        write_json(place, make_failure(str(error), sources=stat_sources(source.tiles)))
        raise
    if not old or any(old.get(name) != record[name] for name in ("status", "fingerprint", "sources")):
        write_json(place, record)
    others = {name: value for name, value in inputs.items() if name not in ("source", "ingest", "region")}
    return raw, {**others, **{name: record[name] for name in ("source", "ingest", "region") if name in record}}


def deconvolve_pixels(
    raw: np.ndarray,
    psf: np.ndarray,
    settings: Mapping[str, Any],
    threads: int,
    block: Sequence[int] | None = None,
    allocate: Allocate = np.empty,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Deconvolve one volume.

    Parameters
    ----------
    raw : ndarray (z, y, x), counts
    psf : ndarray (z, y, x), the PSF used
    settings : mapping, as for `deconvolve_volume`
    threads : int, cores to use
    block : sequence of int, optional, (z, y, x) from `choose_volume_blocks`; by default the whole volume
    allocate : callable, makes the array for the result of several blocks

    Returns
    -------
    ndarray
        The result (z, y, x) in the dtype, and of a stage scan in the geometry, that `settings` name.
    dict
        Statistics of the result in counts, what `describe_counts` returns, the `residual` and `resolution_voxels` (see
        `quality`), how many `clipped_voxels` and `iterations`, and the `block` (z, y, x) and how many `blocks` of it.
    """
    levels, statistics = _process(raw, psf, settings, threads, block, allocate)
    return np.asarray(levels[0][:, :]), statistics


def _process(
    raw: np.ndarray | CutVolume,
    psf: np.ndarray,
    settings: Mapping[str, Any],
    threads: int,
    block: Sequence[int] | None,
    allocate: Allocate,
    layout: StoreLayout | None = None,
) -> tuple[list[Any], dict[str, Any]]:
    """Take a volume all its way, on a GPU if it can; return what is stored, levels that are made, and statistics."""
    is_whole = block is None or tuple(block) == raw.shape
    if settings["engine"] == "gpu" and is_whole and can_follow(raw, psf, settings, layout):
        levels, numbers = follow_way_on_gpu(raw, psf, settings, threads, layout)
    else:
        whole = raw.assemble() if isinstance(raw, CutVolume) else raw
        levels, numbers = follow_way(whole, psf, settings, threads, make_numpy_steps(allocate), block)
    return levels, finish_numbers(*numbers)
