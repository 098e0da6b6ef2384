"""What there is when a run ends: its stores, its report, what it took, and what a person may do next."""

import shlex
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from lightsheet.run import Run
from lightsheet.store import Record, VolumeKey
from lightsheet.system import format_duration, format_size, write_number


def describe_outcome(run: Run, records: Mapping[VolumeKey, Record | None], start: float | None = None) -> list[str]:
    """Say in lines what a run has made and where it is.

    Parameters
    ----------
    run : Run
    records : mapping, of its volumes
    start : float, optional
        Seconds since 1970; with it the volumes that were done since then are told, and what they took.
    """
    done = {key: record for key, record in records.items() if record and record["status"] == "done"}
    work = {
        key: record
        for key, record in done.items()
        if not record.get("missing") and (run.keeps_raw or key.kind == "result")
    }
    return [*(_describe_work(work, start) if start else ()), *_list_places(run, done), *_suggest(run)]


def _describe_work(done: Mapping[VolumeKey, Record], start: float) -> list[str]:
    """Say how many volumes were done since a time, and the hours of cores that they took."""
    first = datetime.fromtimestamp(start, UTC).replace(microsecond=0)
    new = {key: record for key, record in done.items() if datetime.fromisoformat(record["finished"]) >= first}
    counts = Counter(key.kind for key in new)
    words = {"raw": "ingested", "result": "deconvolved"}
    work = [f"{write_number(counts[kind], 'volume')} {word}" for kind, word in words.items() if counts[kind]]
    seconds = sum(map(_count_core_seconds, new.values()))
    elapsed = format_duration(datetime.now(UTC).timestamp() - start)
    hours = f"; volumes took {seconds / 3600:.2g} core-hours" if seconds else ""
    return [f"Done in {elapsed}: {', '.join(work) or 'no volume was made'}{hours}."]


def _count_core_seconds(record: Record) -> float:
    """Return the seconds of cores that a volume's worker held for it; of an ingest its duration on one."""
    share = record.get("share")
    return float(share["seconds"] * share["cores"] if share else sum(record["seconds"].values()))


def _list_places(run: Run, done: Mapping[VolumeKey, Record]) -> list[str]:
    """List the stores with their sizes, and the report."""
    results = run.results
    stores = {results.store: [done[key] for key in done if key.kind == "result"]}
    for channel in run.channels:
        stores[results.raw_store(channel)] = [done[k] for k in done if k.kind == "raw" and k.channel == channel]
    rows = []
    for store, records in stores.items():
        if store.exists():
            count = sum(shard["bytes"] for record in records for shard in record["shards"])
            holes = sum(bool(record.get("missing")) for record in records)
            volumes = write_number(len(records), "volume") + f", {holes} of them missing" * (holes > 0)
            rows.append((str(store), f"{format_size(count)}, {volumes}"))
    if results.report.exists():
        rows.append((str(results.report), "the page about this run: look at it first"))
    width = max((len(place) for place, _ in rows), default=0)
    return [f"  {place:{width}}  {text}" for place, text in rows]


def _suggest(run: Run) -> list[str]:
    folder = shlex.quote(str(run.results.folder))
    if not run.results.store.exists():
        return []
    return [f"Look at it: lightsheet view {folder}    Make some of it again, to be sure: lightsheet verify {folder}"]
