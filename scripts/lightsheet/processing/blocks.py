"""What one job does: the volumes of a block whose records do not hold, and what its manifest says at the end.

A volume that cannot be done stops only itself: the others are done before the job fails, and a rerun does no
more than what is missing.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.cluster import WorkerRequest, map_volumes, start_workers
from lightsheet.processing.deconvolve import compute_fingerprint, deconvolve_volume, write_hole
from lightsheet.processing.ingest import ingest_volume
from lightsheet.processing.memory import estimate_memory, find_available_memory
from lightsheet.sources import describe_stack
from lightsheet.store import Record, Results, StoreLayout, VolumeKey, is_done, make_failure, read_record, write_record
from lightsheet.system import InputError, Progress, logger, read_json, wait_until_visible

Manifest = dict[str, str]
"""Fingerprint by volume."""


def ingest_block(results: Results, channel: str, tiles: Sequence[Any], layout: StoreLayout, threads: int) -> Manifest:
    """Ingest a block of one channel.

    Parameters
    ----------
    results : Results
        Where to.
    channel : str
        The block's channel.
    tiles : sequence of (int, list)
        Timepoint, and the tiles of its volume as `ingest.ingest_volume` wants them.
    layout : Layout
        Of the raw store.
    threads : int
        How many chunks are encoded at a time.

    Returns
    -------
    dict
        What the manifest shall say.

    Raises
    ------
    InputError
        Naming each file that could not be ingested.
    """
    progress, manifest, errors = Progress(f"ingest {channel}", len(tiles)), {}, []
    for timepoint, where in tiles:
        key = VolumeKey("raw", channel, timepoint)
        before = read_record(results.record(key))
        try:
            record = ingest_volume(results, key, where, layout, threads)
        except InputError as error:
            errors.append(f"{key.label}: {error}")
            logger.error("%s", errors[-1])
            continue
        kept = before and record["finished"] == before["finished"]
        progress.step(f"timepoint {timepoint} {'was there' if kept else 'written'}")
        manifest[f"{channel}/{timepoint}"] = record["fingerprint"]
    _raise(errors, len(tiles), "ingested")
    return manifest


def deconvolve_block(
    results: Results,
    channels: Sequence[str],
    timepoints: Sequence[int],
    settings: Mapping[str, Any],
    layout: StoreLayout,
    workers: WorkerRequest,
    attempt: int = 1,
) -> Manifest:
    """Deconvolve a block of all channels on Dask workers.

    Parameters
    ----------
    results : Results
        Where from and where to.
    channels, timepoints : sequence
        Which volumes.
    settings : mapping
        As `deconvolve.deconvolve_volume` wants them, but `engine` may be auto, and `background` is per channel.
    layout : Layout
        Of the result.
    workers : cluster.Workers
        Which Dask workers, and how many.
    attempt : int
        The how-manieth of this run: a volume that the first gave up is not tried again by the next.

    Returns
    -------
    dict
        What the manifest shall say.

    Raises
    ------
    InputError
        Naming each volume that could not be deconvolved.
    """
    settings = {**settings, "engine": workers.choose_engine(settings["engine"])}
    every = _tasks(results, channels, timepoints, settings, layout)
    todo, errors = {}, []
    for key, task in every.items():
        record = read_record(results.record(key))
        missing = task.pop("missing")
        if is_done(record, task["fingerprint"], results, key):
            continue
        if missing:
            write_hole(**{name: value for name, value in task.items() if name != "psf"})
        elif attempt > 1 and record and record["status"] == "failed":
            errors.append(f"{key.label}: {record['error']}")
        else:
            todo[key] = task
            if record and record["status"] == "failed":
                results.record(key).unlink()  # this run tries again
    logger.info("%d of %d volumes are to be deconvolved", len(todo), len(every))
    if todo:
        errors += _run(todo, dataclasses.replace(workers, number=min(workers.number, len(todo))))
    _raise(errors, len(every), "deconvolved")
    return {f"{key.channel}/{key.timepoint}": task["fingerprint"] for key, task in every.items()}


def _tasks(
    results: Results,
    channels: Sequence[str],
    timepoints: Sequence[int],
    settings: Mapping[str, Any],
    layout: StoreLayout,
) -> dict[VolumeKey, dict[str, Any]]:
    """Return the arguments of `deconvolve.deconvolve_volume` for each volume, and whether it is `missing`."""
    ingested = _ingested(results, channels, timepoints)
    tasks = {}
    for channel in channels:
        psf = read_json(results.psf(channel, ".json"))["sha256"]
        own = {**settings, "background": settings["background"][channel]}
        for timepoint in timepoints:
            key = VolumeKey("result", channel, timepoint)
            raw = ingested[key.raw]
            tasks[key] = {
                "results": results,
                "key": key,
                "psf": results.psf(channel, ".tif"),
                "settings": own,
                "layout": layout,
                "missing": raw.get("missing", False),
                "fingerprint": compute_fingerprint(raw, psf, own, layout),
            }
    return tasks


def _ingested(results: Results, channels: Sequence[str], timepoints: Sequence[int]) -> dict[VolumeKey, Record]:
    """Return the raw volumes' records; they, and the PSFs' facts, may just have been written by other nodes."""
    keys = [VolumeKey("raw", channel, timepoint) for channel in channels for timepoint in timepoints]
    done: dict[VolumeKey, Record] = {}

    def missing() -> list[str]:
        raw = {key: read_record(results.record(key)) for key in keys}
        done.update((key, record) for key, record in raw.items() if record and record["status"] == "done")
        absent = [key.label for key in keys if key not in done]
        return absent + [f"the PSF of {c}" for c in channels if not read_json(results.psf(c, ".json"))]

    folders = {results.record(key).parent for key in keys} | {results.psf(c, ".json").parent for c in channels}
    if absent := wait_until_visible(missing, *folders):
        raise InputError(f"{absent[0]} is not ingested: run the same command again")
    return done


def _run(todo: Mapping[VolumeKey, Mapping[str, Any]], workers: WorkerRequest) -> list[str]:
    """Do what is to be done; return a sentence for each volume that could not be."""
    # Workers on this machine share its memory; a SLURM job finds out what it was given.
    share = find_available_memory() // workers.number if workers.kind == "local" else None
    common = {"threads": workers.cores, "memory": share}
    named = {key.label: {**task, **common} for key, task in todo.items()}
    any_task = next(iter(todo.values()))
    settings, shape = any_task["settings"], any_task["layout"].levels[0].shape
    psf = max(describe_stack(task["psf"])[0] for task in todo.values())
    needed = estimate_memory(shape, psf, settings["engine"], settings["acceleration"])
    errors = []
    with start_workers(workers, settings["engine"], needed) as pool:
        for name, error in map_volumes(pool, deconvolve_volume, named, "deconvolve"):
            if error:
                errors.append(f"{name}: {error}")
                logger.error("%s", errors[-1], exc_info=None if isinstance(error, InputError) else error)
                write_record(named[name]["results"].record(named[name]["key"]), make_failure(str(error)))
    return errors


def _raise(errors: Sequence[str], total: int, done: str) -> None:
    if errors:
        raise InputError(f"{len(errors)} of {total} volumes could not be {done}, the others are:\n" + "\n".join(errors))
