"""The end of a run: every volume proven to be there and whole, then the stores published."""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any

from lightsheet.processing import find_stored_per_count
from lightsheet.run.progress import finished_records
from lightsheet.run.run import KINDS, Run
from lightsheet.store import (
    NGFF_VERSION,
    Record,
    Results,
    VolumeKey,
    describe_channels,
    describe_multiscales,
    find_fault,
    publish_store,
)
from lightsheet.system import (
    NEWS_SECONDS,
    PART,
    InputError,
    Progress,
    format_size,
    logger,
    wait_until_visible,
    write_json,
)


def check_shards(run: Run, threads: int) -> dict[VolumeKey, Record]:
    """Compare every record with every shard: size, digest, and the crc32c of each inner chunk.

    Parameters
    ----------
    run : Run
        The plan.
    threads : int
        How many shards are read at a time.

    Returns
    -------
    dict
        The record of every volume.

    Raises
    ------
    InputError
        Naming each volume that is not done, and each damaged shard; the record of a damaged volume is removed, so
        that the next run does that volume again.
    """
    done = _records(run)
    checks = [(key, shard) for key, record in done.items() for shard in record["shards"]]
    logger.info("checking %d shards, %s", len(checks), format_size(sum(shard["bytes"] for _, shard in checks)))
    suspects = checks

    def faults() -> list[str]:
        nonlocal suspects
        progress, found = Progress("check", len(suspects), "shard", NEWS_SECONDS), []
        with ThreadPoolExecutor(threads) as pool:
            for (key, _), fault in zip(suspects, pool.map(lambda check: _fault(run, *check), suspects), strict=True):
                progress.step(str(key))
                found.append(fault)
        suspects = [check for check, fault in zip(suspects, found, strict=True) if fault]
        return [fault for fault in found if fault]

    if found := wait_until_visible(faults, *{run.results.shard(key, shard["level"]).parent for key, shard in checks}):
        for key, _ in suspects:
            run.results.record(key).unlink(missing_ok=True)
        raise InputError(
            "\n".join(found) + "\nThe records of these volumes are removed: run the same command again, "
            "and they alone are done again"
        )
    return done


def _records(run: Run) -> dict[VolumeKey, Record]:
    """Return every volume's record, which must be the one that its block's manifest speaks of."""
    done: dict[VolumeKey, Record] = {}

    def missing() -> list[str]:
        volumes = list(finished_records(run))
        done.update((volume.key, volume.record) for volume in volumes if volume.record)
        return [str(volume.key) for volume in volumes if not volume.record]

    if absent := wait_until_visible(
        missing, *{run.results.record(VolumeKey(kind, c, 0)).parent for kind in KINDS for c in run.channels}
    ):
        raise InputError(
            f"{len(absent)} volumes are not done ({', '.join(absent[:10])}{', ...' if len(absent) > 10 else ''}): "
            "run the same command again"
        )
    return done


def _fault(run: Run, key: VolumeKey, shard: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a shard."""
    level = run.layouts[key.kind].levels[shard["level"]]
    chunks = prod(n // c for n, c in zip(level.shape, level.chunk, strict=True))
    path = run.results.shard(key, shard["level"])
    fault = find_fault(path, chunks, shard["bytes"], shard["blake3"])
    return f"{path} ({key}) {fault}" if fault else None


def publish_stores(run: Run, done: Mapping[VolumeKey, Record]) -> None:
    """Publish the raw store of each channel, and the result.

    Parameters
    ----------
    run : Run
        The plan.
    done : mapping
        What `prove` returned.
    """
    results, times = run.results, range(run.acquisition.timepoints)
    for channel in run.channels:
        volumes = [(results.work("raw", channel), t, (t,)) for t in times]
        attributes = _attributes(run, "raw", f"{results.name} raw", (channel,), done)
        publish_store(results.raw_store(channel), volumes, run.layouts["raw"], (len(times),), attributes)
        logger.info("published %s", results.raw_store(channel))
    both = [(results.work("result", channel), t, (t, c)) for t in times for c, channel in enumerate(run.channels)]
    attributes = _attributes(run, "result", results.name, run.channels, done)
    publish_store(results.store, both, run.layouts["result"], (len(times), len(run.channels)), attributes)
    logger.info("published %s", results.store)


def _attributes(
    run: Run, kind: str, name: str, channels: tuple[str, ...], done: Mapping[VolumeKey, Record]
) -> dict[str, Any]:
    """Return the attributes of a store's group: OME's, and what OME has no words for."""
    levels = run.layouts[kind].levels
    axes = "tczyx" if kind == "result" else "tzyx"
    scale = find_stored_per_count(run.config["output"]) if kind == "result" else 1
    windows = {channel: _window(run, kind, channel, done, scale) for channel in channels}
    wavelengths = {channel: run.acquisition.wavelengths[channel] for channel in channels}
    return {
        "ome": {
            "version": NGFF_VERSION,
            "multiscales": describe_multiscales(name, axes, levels, run.config["voxel_size"], run.acquisition.interval),
            "omero": describe_channels(wavelengths, windows),
        },
        "lightsheet": {
            "seconds": run.acquisition.seconds,
            "missing": [{"channel": c, "timepoint": t} for c, t in run.acquisition.holes if c in channels],
        },
    }


def _window(
    run: Run, kind: str, channel: str, done: Mapping[VolumeKey, Record], scale: float
) -> tuple[float, float, float, float]:
    """Return a channel's range, and the contrast window that shows all its timepoints well: (min, max, start, end)."""
    of_all = [done[VolumeKey(kind, channel, t)]["statistics"] for t in range(run.acquisition.timepoints)]
    every = [statistics for statistics in of_all if statistics]
    low, high = min(s["min"] for s in every), max(s["max"] for s in every)
    start = min(s["percentiles"]["1"] for s in every)
    end = max(s["percentiles"]["99.9"] for s in every)
    return low * scale, high * scale, start * scale, end * scale


def remove_unfinished(results: Results) -> None:
    """Remove the unfinished files that killed jobs left, a pilot's too; no job runs any more when this is called."""
    shutil.rmtree(results.folder / "work" / "pilot", ignore_errors=True)
    for folder in (results.folder / "work", results.folder / "records"):
        for part in folder.rglob(f"{PART}*"):
            part.unlink()


def write_manifest(done: Mapping[VolumeKey, Record], path: Path) -> None:
    """Write what Snakemake sees of the consolidation: the fingerprint of every volume."""
    write_json(path, {f"{kind}/{channel}/{t}": r["fingerprint"] for (kind, channel, t), r in done.items()})
