"""The end of a run: every volume proven to be there and whole, then the stores published."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any

from lightsheet.processing import Choice
from lightsheet.run.backlog import explain_raw, explain_result
from lightsheet.run.choices import find_choices
from lightsheet.run.discard import discard_raw
from lightsheet.run.psf_state import PsfState, read_psf_state
from lightsheet.run.publication import identify_publication
from lightsheet.run.run import KINDS, Run
from lightsheet.run.store_attributes import Records, describe_store
from lightsheet.store import Record, VolumeKey, find_fault, publish_store, read_records
from lightsheet.system import (
    PART,
    PROGRESS_SECONDS,
    InputError,
    Progress,
    format_size,
    join_first,
    logger,
    wait_until_visible,
    write_json,
)


def check_shards(run: Run, threads: int) -> dict[VolumeKey, Record]:
    """Compare every record with every shard: size, digest, and the crc32c of each inner chunk.

    Parameters
    ----------
    run : Run, whose work is done
    threads : int, shards that are read at a time

    Returns
    -------
    dict of VolumeKey to Record, all volumes

    Raises
    ------
    InputError
        Names each volume that is not done, and each damaged shard. The record of a damaged volume is removed, so that
        the next run does that volume again.
    """
    records = _read_all_records(run)
    keys = [key for key in records if run.keeps_raw or key.kind == "result"]
    suspects = [(key, shard) for key in keys for shard in records[key]["shards"]]
    folders = {run.results.shard(key, shard["level"]).parent for key, shard in suspects}
    logger.info("checking %d shards, %s", len(suspects), format_size(sum(shard["bytes"] for _, shard in suspects)))

    def find_faults() -> list[str]:
        nonlocal suspects
        progress, faults = Progress("check", len(suspects), "shard", PROGRESS_SECONDS), []
        with ThreadPoolExecutor(threads) as pool:
            for suspect, fault in pool.map(lambda suspect: (suspect, _find_fault(run, *suspect)), suspects):
                progress.step(str(suspect[0]))
                if fault:
                    faults.append((suspect, fault))
        suspects = [suspect for suspect, _ in faults]
        return [fault for _, fault in faults]

    if faults := wait_until_visible(find_faults, *folders):
        for key, _ in suspects:
            run.results.record(key).unlink(missing_ok=True)
        raise InputError(
            "\n".join(faults) + "\nThe records of these volumes are removed: run the same command again, "
            "and they alone are done again"
        )
    return records


def _read_all_records(run: Run) -> dict[VolumeKey, Record]:
    records: dict[VolumeKey, Record] = {}

    def find_missing() -> list[str]:
        latest = read_records(run.results, run.list_keys(), ())
        records.update((key, record) for key, record in latest.items() if record)
        psfs = {channel: read_psf_state(run, channel) for channel in run.channels}
        choices = find_choices(run)
        return [str(key) for key in run.list_keys() if not _is_current(run, key, records, psfs, choices)]

    folders = {run.results.record(VolumeKey(kind, channel, 0)).parent for kind in KINDS for channel in run.channels}
    if missing := wait_until_visible(find_missing, *folders):
        raise InputError(f"{len(missing)} volumes are not done ({join_first(missing, 10)}): run the same command again")
    return records


def _is_current(
    run: Run,
    key: VolumeKey,
    records: Records,
    psfs: Mapping[str, PsfState],
    choices: Mapping[str, Choice | None],
) -> bool:
    """Tell whether a record is of this run's settings, and of the raw volume and the PSF that are there.

    Whether a TIFF has changed since the run began is for the next run to see.
    """
    record = records.get(key)
    if key.kind == "raw":
        return explain_raw(run, key, record) is None
    psf, choice = psfs[key.channel], choices[key.channel]
    return explain_result(run, key, record, records.get(key.raw), psf, choice=choice) is None


def _find_fault(run: Run, key: VolumeKey, shard: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a shard."""
    level = run.layouts[key.kind].levels[shard["level"]]
    chunks = prod(n // c for n, c in zip(level.shape, level.chunk, strict=True))
    path = run.results.shard(key, shard["level"])
    fault = find_fault(path, chunks, shard["bytes"], shard["blake3"])
    return f"{path} ({key}) {fault}" if fault else None


def publish_stores(run: Run, records: Records) -> None:
    """Publish the raw store of each channel, if they are kept, and the result.

    Parameters
    ----------
    run : Run, whose work is done
    records : mapping, what `check_shards` returned
    """
    results, times, identity = run.results, run.timepoints, identify_publication(run, records)
    for channel in run.channels if run.keeps_raw else ():
        volumes = [(results.work("raw", channel), t, (place,)) for place, t in enumerate(times)]
        attributes = describe_store(run, "raw", f"{results.name} raw", (channel,), records, identity)
        publish_store(results.raw_store(channel), volumes, run.layouts["raw"], (len(times),), attributes)
        logger.info("published %s", results.raw_store(channel))
    keys = [VolumeKey("result", channel, t) for t in times for channel in run.channels]
    places = [(results.work("result", key.channel), key.timepoint, run.find_index(key)) for key in keys]
    attributes = describe_store(run, "result", results.name, run.channels, records, identity)
    publish_store(results.store, places, run.layouts["result"], (len(times), len(run.channels)), attributes)
    logger.info("published %s", results.store)
    if not run.keeps_raw:
        for channel in run.channels:
            discard_raw(results, channel)
    _warn_of_strays(run)


def _warn_of_strays(run: Run) -> None:
    """Name raw stores of channels that a run no longer has; they may be the last copy of their pixels, and stay."""
    stores = set(map(run.results.raw_store, run.channels))  # `discard_raw` tells of stores that are not kept
    for store in sorted(set(run.results.store.parent.glob("raw/*.ome.zarr")) - stores):
        if not store.name.startswith(PART):
            logger.warning("%s is of a channel that this run does not have: it stays, and is not in the crate", store)


def write_manifest(records: Records, path: Path) -> None:
    """Write what Snakemake sees of the consolidation: the fingerprint of every volume."""
    fingerprints = {f"{kind}/{channel}/{t}": record["fingerprint"] for (kind, channel, t), record in records.items()}
    write_json(path, fingerprints)
