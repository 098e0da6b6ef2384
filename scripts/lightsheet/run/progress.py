"""How far a run has come, as its records and shards say: volumes that are finished, failed, lost, or still to do."""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from lightsheet.run.run import KINDS, Run
from lightsheet.store import Record, VolumeKey, name_measured_psf, shard_path, shards_exist
from lightsheet.system import InputError, find_existing_parent, format_size, read_free_bytes, read_json


class FinishedRecord(NamedTuple):
    """The record of a volume that is done with the fingerprint that its block's manifest names, else None."""

    manifest: str
    key: VolumeKey
    record: Record | None


def is_stored(run: Run, key: VolumeKey) -> bool:
    """Tell whether a volume has a record and the shards that it names."""
    record = read_json(run.results.record(key))
    return bool(record and record["status"] == "done" and shards_exist(record["shards"], run.results, key))


def finished_records(run: Run) -> Iterator[FinishedRecord]:
    """Yield for each volume its record, if that says done with the fingerprint that its manifest holds."""
    fingerprints = {path: read_json(Path(path)) or {} for path in run.list_manifests()}
    for block, timepoints in run.blocks.items():
        for timepoint, channel in product(timepoints, run.channels):
            manifests = (run.name_ingest_manifest(channel, block), run.name_deconvolve_manifest(block))
            for kind, manifest in zip(KINDS, manifests, strict=True):
                key = VolumeKey(kind, channel, timepoint)
                record = read_json(run.results.record(key))
                fingerprint = fingerprints[manifest].get(f"{channel}/{timepoint}")
                if record and (record["status"] != "done" or record["fingerprint"] != fingerprint):
                    record = None
                yield FinishedRecord(manifest, key, record)


def list_failed_volumes(run: Run) -> list[str]:
    """Return a sentence for each volume whose record says that it could not be done."""
    records = {key: read_json(run.results.record(key)) for key in run.list_keys()}
    return [f"{key}: {r['error']}" for key, r in records.items() if r and r["status"] == "failed"]


def find_lost_work(run: Run) -> set[str]:
    """Return the manifests whose work is no longer all there, so that Snakemake must run their jobs again.

    Snakemake sees only manifests; a deleted shard, or one that consolidation found damaged, shows here.
    """
    manifests = {
        manifest
        for manifest, key, record in finished_records(run)
        if Path(manifest).exists() and not (record and shards_exist(record["shards"], run.results, key))
    }
    consolidated = run.results.manifest("consolidate")
    if consolidated.exists() and not _is_published(run):
        manifests.add(str(consolidated))
    return manifests


def _is_published(run: Run) -> bool:
    """Tell whether every shard and the provenance stand where readers look for them."""
    results = run.results
    paths = [*results.provenance, *(results.folder / name_measured_psf(channel) for channel in run.channels)]
    stores = {results.store: "result", **{results.raw_store(channel): "raw" for channel in run.channels}}
    for store, kind in stores.items():
        levels = len(run.layouts[kind].levels)
        for t in range(run.acquisition.timepoints):
            indices = [(t, c) for c in range(len(run.channels))] if kind == "result" else [(t,)]
            paths += [shard_path(store, level, index) for level in range(levels) for index in indices]
    return all(path.exists() for path in paths)


def summarise_run(run: Run) -> str:
    """Say in one line what a run will make; refuse it if its folder cannot be written, or its disk cannot hold it."""
    needed = sum(run.layouts[key.kind].count_volume_bytes() for key in run.list_keys() if not is_stored(run, key))
    _check_disk(run.results.folder, needed)
    z, y, x = run.shape
    return (
        f"{run.config['name']}: {run.acquisition.timepoints} timepoints x {len(run.channels)} channels "
        f"({', '.join(run.channels)}) = {len(run.acquisition.volumes)} volumes of ({z}, {y}, {x}) {run.dtype}; "
        f"still to be written: at most {format_size(needed)} into {run.results.folder}"
    )


def _check_disk(results: Path, needed: int) -> None:
    """Refuse a folder that cannot be made, or whose disk has less than so many bytes free."""
    folder = find_existing_parent(results)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(
            f"config key output.folder: {results} cannot be made, because {folder} is not a folder "
            "that you may write to"
        )
    free = read_free_bytes(results)
    if needed > free:
        raise InputError(
            f"{results} needs up to {format_size(needed)} more (raw and result volumes with their "
            f"pyramids, not compressed), but its disk has {format_size(free)} free: make room, or name another "
            "disk in output.folder"
        )
