import pytest

from lightsheet.viewing import costs
from lightsheet.viewing.finished_run import VolumeRecords


def volume(t: int, source: str | None, host: str = "a", job: str | None = None) -> VolumeRecords:
    shards = [{"level": 0, "bytes": 70}, {"level": 1, "bytes": 7}]
    where = {"host": host, "slurm_job": job}
    sources = [{"path": source, "bytes": 100}] if source else []
    raw = {"seconds": {"ingest": 1.0}, "shards": shards, "sources": sources, "missing": not source, **where}
    seconds = {"read": 0.5, "deconvolve": 4.0, "write": 2.0} if source else {"write": 0.25}
    return VolumeRecords("A", t, raw, {"seconds": seconds, "shards": [{"level": 0, "bytes": 300}], **where})


def test_each_stage_has_its_seconds_and_bytes() -> None:
    per_volume = costs.count_costs([volume(0, "x.tif"), volume(1, "y.tif"), volume(2, None)])
    assert sum(per_volume[0].seconds.values()) == 7.5
    stages = {
        stage["name"]: (stage["seconds"], stage["read"], stage["written"]) for stage in costs.sum_stages(per_volume)
    }
    assert stages == {
        "ingest": (3, 200, 231),
        "read": (1, 140, None),
        "deconvolve": (8, None, None),
        "write": (4.25, None, 900),
    }


def test_a_file_that_holds_several_volumes_is_read_once() -> None:
    per_volume = costs.count_costs([volume(t, "all.tif") for t in range(4)])
    assert sum(cost.read["ingest"] for cost in per_volume) == pytest.approx(100)


def test_hosts_say_how_much_they_did() -> None:
    hosts = costs.sum_hosts(
        [volume(0, "x", "b", "10"), volume(1, "y", "b", "8"), volume(2, "z", "a"), volume(3, "w", "b")]
    )
    assert hosts == [
        {"host": "a", "ingested": 1, "deconvolved": 1, "seconds": 7.5, "jobs": []},
        {"host": "b", "ingested": 3, "deconvolved": 3, "seconds": 22.5, "jobs": ["8", "10"]},
    ]
