"""What a run took: seconds and bytes of each stage, per volume and in all, and on which machines."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from lightsheet.viewing.run_table import VolumeRecords

STAGES = {
    "ingest": "TIFF files checked, digested and written as raw shards with their pyramid",
    "read": "raw shards read back",
    "deconvolve": "background, deconvolution, statistics",
    "write": "result shards and their pyramid written",
}
"""What happens in each stage."""

STORES = {"raw": "ingest", "result": "write"}
"""Which stage writes what is published."""


class Cost(NamedTuple):
    """What one volume, or all, took.

    Parameters
    ----------
    seconds : dict
        Per stage.
    read, written : dict
        Bytes per stage, where it reads or writes any.
    """

    seconds: dict[str, float]
    read: dict[str, float]
    written: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())


def count_costs(volumes: Sequence[VolumeRecords]) -> list[Cost]:
    """Return what each volume took; a file that several volumes share is read in equal parts by each."""
    shared = Counter(source["path"] for volume in volumes for source in volume.raw.get("sources", []))
    return [_cost(volume, shared) for volume in volumes]


def _cost(volume: VolumeRecords, shared: Counter[str]) -> Cost:
    raw, result = volume.raw, volume.result
    own = {stage: result["seconds"].get(stage, 0.0) for stage in ("read", "deconvolve", "write")}
    return Cost(
        {"ingest": sum(raw["seconds"].values()), **own},
        {
            "ingest": sum(source["bytes"] / shared[source["path"]] for source in raw.get("sources", [])),
            "read": 0 if volume.missing else raw["shards"][0]["bytes"],
        },
        {kind: sum(shard["bytes"] for shard in r["shards"]) for kind, r in (("ingest", raw), ("write", result))},
    )


def sum_stages(costs: Sequence[Cost]) -> list[dict[str, Any]]:
    """Add up what volumes took, stage by stage.

    Returns
    -------
    list of dict
        Per stage its `name`, `what` it does, and in all `seconds`, bytes `read` and `written`, None where it does not.
    """
    return [
        {
            "name": stage,
            "what": what,
            "seconds": sum(cost.seconds[stage] for cost in costs),
            "read": sum(cost.read[stage] for cost in costs) if stage in costs[0].read else None,
            "written": sum(cost.written[stage] for cost in costs) if stage in costs[0].written else None,
        }
        for stage, what in STAGES.items()
    ]


def sum_hosts(volumes: Sequence[VolumeRecords]) -> list[dict[str, Any]]:
    """Say which machine did how much.

    Returns
    -------
    list of dict
        Per host its name `host`, how many volumes it `ingested` and `deconvolved`, in how many `seconds`, and the ids
        of its SLURM `jobs`.
    """
    found: dict[str, dict[str, Any]] = {}
    for did, record in [pair for v in volumes for pair in (("ingested", v.raw), ("deconvolved", v.result))]:
        host = record.get("host") or "unknown"
        own = found.setdefault(host, {"host": host, "ingested": 0, "deconvolved": 0, "seconds": 0.0, "jobs": {}})
        own[did] += 1
        own["seconds"] += sum(record["seconds"].values())
        if record.get("slurm_job"):
            own["jobs"][str(record["slurm_job"])] = None
    return [{**own, "jobs": list(own["jobs"])} for _, own in sorted(found.items())]
