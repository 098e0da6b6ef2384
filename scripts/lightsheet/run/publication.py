"""Whether what is published is of the present records: stores, provenance and report name their publication."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lightsheet.run.run import Run
from lightsheet.store import Record, VolumeKey, name_measured_psf, repair_store, shard_path, shards_exist
from lightsheet.system import digest_json, read_json

HEAD_BYTES = 4096  # of the report, which names its publication at its beginning


def list_stores(run: Run) -> dict[Path, list[VolumeKey]]:
    """Return the stores in the order of their publication, and the volumes of each."""
    keys, channels = run.list_keys(), run.channels if run.keeps_raw else ()
    raw = {run.results.raw_store(c): [k for k in keys if k.kind == "raw" and k.channel == c] for c in channels}
    return {**raw, run.results.store: [key for key in keys if key.kind == "result"]}


def repair_stores(run: Run) -> None:
    """Put right what a killed publication left, so that readers have a store while this run works."""
    for store in list_stores(run):
        repair_store(store)


def identify_publication(run: Run, records: Mapping[VolumeKey, Record]) -> str:
    """Return the digest of all that a publication shows: the shards of every volume, and its axes and names.

    Parameters
    ----------
    run : Run
    records : mapping, of all volumes, raw and result
    """
    acquisition = run.acquisition
    content = {
        "name": run.results.name,
        "wavelengths": [[channel, acquisition.wavelengths[channel]] for channel in run.channels],
        **({"colours": dict(acquisition.colours)} if acquisition.colours else {}),
        "voxel_size": dict(run.config["voxel_size"]),
        "seconds": acquisition.seconds,
        "volumes": [[*key, *_identify_volume(run, key, records[key])] for key in run.list_keys()],
    }
    return digest_json(content)


def _identify_volume(run: Run, key: VolumeKey, record: Record) -> list[Any]:
    if key.kind == "raw" and not run.keeps_raw:  # an earlier run may have kept it: that makes no difference
        return [record["source"]]
    return [record["fingerprint"], [shard["blake3"] for shard in record["shards"]]]


def explain_publication(run: Run, records: Mapping[VolumeKey, Record], identity: str) -> str:
    """Say why the stores and the provenance must be published again; empty if they are whole and of these records.

    `identity` is what `identify_publication` returned.
    """
    return next(_list_faults(run, records, identity), "")


def _list_faults(run: Run, records: Mapping[VolumeKey, Record], identity: str) -> Iterator[str]:
    results = run.results
    stores = {store: keys[0].kind for store, keys in reversed(list_stores(run).items())}
    extents = {"raw": [run.acquisition.timepoints], "result": [run.acquisition.timepoints, len(run.channels)]}
    for store, kind in stores.items():
        if read_identity(store) != identity:
            yield _explain_identity(run, store)
        for number, level in enumerate(run.layouts[kind].levels):
            if not _has_shape(store / str(number), [*extents[kind], *level.shape]):
                yield f"{store.name} is damaged"
    for key, record in records.items():
        if key.kind == "raw" and not run.keeps_raw:
            continue
        store = results.raw_store(key.channel) if key.kind == "raw" else results.store
        if not shards_exist(record["shards"], partial(shard_path, store, index=run.find_index(key))):
            yield f"the shard of {key} in {store.name} is missing or damaged"
    yield from _list_faults_of_crate(run, identity)


def read_identity(store: Path) -> str:
    """Return what `identify_publication` returned for a published store; empty if it does not say."""
    return str(_read_attributes(store).get("publication", ""))


def _read_attributes(store: Path) -> dict[str, Any]:
    """Return what this workflow says of a published store; nothing of one that is absent, or another's."""
    try:
        return dict(read_json(store / "zarr.json")["attributes"]["lightsheet"])
    except (KeyError, TypeError, ValueError):
        return {}


def _explain_identity(run: Run, store: Path) -> str:
    """Say what a store that is of another publication is."""
    if not store.exists():
        return f"{store.name} is missing"
    if not run.keeps_raw and "source" not in _read_attributes(
        store
    ):  # `source` is what a store says of raw volumes that are not kept
        return "output.raw keep -> none"
    return f"{store.name} is of other volumes"


def _has_shape(array: Path, shape: list[int]) -> bool:
    metadata = read_json(array / "zarr.json")
    return isinstance(metadata, dict) and metadata.get("shape") == shape


def _list_faults_of_crate(run: Run, identity: str) -> Iterator[str]:
    """Yield what is missing of the provenance, or has another size than the crate says."""
    results = run.results
    crate = read_json(results.crate)
    graph = crate.get("@graph", ()) if isinstance(crate, dict) else ()
    graph = [entity for entity in graph if isinstance(entity, dict)] if isinstance(graph, list) else []
    if not any(entity.get("value") == identity for entity in graph):
        yield f"{results.crate.name} is of other volumes" if graph else f"{results.crate.name} is missing or damaged"
    sizes = {unquote(str(entity.get("@id"))): entity["contentSize"] for entity in graph if "contentSize" in entity}
    for name in sizes.keys() | {name_measured_psf(channel) for channel in run.channels}:
        try:
            size = str((results.folder / name).stat().st_size)
        except OSError:
            yield f"{name} is missing"
        else:
            if size != sizes.get(name):
                yield f"{name} is not the one that {results.crate.name} describes"


def is_report_current(run: Run, identity: str) -> bool:
    """Tell whether the report is of the publication of this identity."""
    try:
        with run.results.report.open("rb") as file:
            return identity.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False
