"""What a run took: seconds and bytes of each stage, per volume and in all, and on which machines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lightsheet.acquisition import make_natural_key
from lightsheet.sources import format_pages, is_selection
from lightsheet.viewing.finished_run import VolumeRecords

STAGES = {
    "ingest": "source files checked, digested and written as raw shards with their pyramid",
    "read": "raw shards read back, or the files themselves where no raw volumes are kept",
    "deconvolve": "background, deconvolution, statistics",
    "write": "result shards and their pyramid written",
}


class Cost(NamedTuple):
    """What one volume took, per stage: seconds, and bytes where the stage reads or writes any."""

    seconds: dict[str, float]
    read: dict[str, float]
    written: dict[str, float]
    source: float = 0.0  # bytes of its files


def count_costs(volumes: Sequence[VolumeRecords]) -> list[Cost]:
    """Return what each volume took; a file that several volumes share is read in equal parts by each."""
    readers = Counter(_name_file(source) for volume in volumes for source in volume.raw.get("sources", []))
    return [_count_cost(volume, readers) for volume in volumes]


def _count_cost(volume: VolumeRecords, readers: Mapping[str, int]) -> Cost:
    seconds = {stage: volume.result["seconds"].get(stage, 0.0) for stage in ("read", "deconvolve", "write")}
    source = sum(s["bytes"] / readers[_name_file(s)] for s in volume.raw.get("sources", []))
    raw = [shard["bytes"] for shard in volume.raw["shards"]]
    read = {"ingest": source, "read": 0 if volume.missing else raw[0]} if raw else {"ingest": 0, "read": source}
    written = {"ingest": sum(raw), "write": sum(shard["bytes"] for shard in volume.result["shards"])}
    return Cost({"ingest": sum(volume.raw["seconds"].values()), **seconds}, read, written, source)


def sum_stages(costs: Sequence[Cost]) -> list[dict[str, Any]]:
    """Add up what volumes took, stage by stage; bytes are None where a stage reads or writes none."""
    return [
        {
            "name": stage,
            "description": description,
            "seconds": sum(cost.seconds[stage] for cost in costs),
            "read": sum(cost.read[stage] for cost in costs) if stage in costs[0].read else None,
            "written": sum(cost.written[stage] for cost in costs) if stage in costs[0].written else None,
        }
        for stage, description in STAGES.items()
    ]


def sum_hosts(volumes: Sequence[VolumeRecords]) -> list[dict[str, Any]]:
    """Return per host how many volumes it ingested and deconvolved, in how many seconds, in which SLURM jobs."""
    hosts: dict[str, dict[str, Any]] = {}
    for volume in volumes:
        for action, record in (("ingested", volume.raw), ("deconvolved", volume.result)):
            name = record.get("host") or "unknown"
            host = hosts.setdefault(name, {"host": name, "ingested": 0, "deconvolved": 0, "seconds": 0.0, "jobs": []})
            host[action] += 1
            host["seconds"] += sum(record["seconds"].values())
            job = str(record.get("slurm_job") or "")
            if job and job not in host["jobs"]:
                host["jobs"].append(job)
    for host in hosts.values():
        host["jobs"].sort(key=make_natural_key)
    return [hosts[name] for name in sorted(hosts, key=make_natural_key)]


def _name_file(source: Mapping[str, Any]) -> str:
    """Name what the bytes of a source are of: a file, or the chunks of one volume of a Zarr array."""
    pages = source.get("pages")
    return f"{source['path']}:{format_pages(pages)}" if is_selection(pages) else str(source["path"])
