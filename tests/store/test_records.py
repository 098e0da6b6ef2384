from pathlib import Path

import numpy as np
import pytest

from lightsheet.store import records, volumes
from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.volumes import StoreLayout
from lightsheet.system import read_json, write_json

LAYOUT = StoreLayout.plan((4, 8, 8), {"z": 0.3, "y": 0.1, "x": 0.1}, "uint16", {"name": "zstd"})
KEY = VolumeKey("raw", "ch0", 2)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


@pytest.fixture
def record(results: Results) -> records.Record:
    shards, _ = volumes.write_volume(results.work("raw", "ch0"), 2, np.ones((4, 8, 8), np.uint16), LAYOUT, 1)
    return records.make_record({"iterations": 3}, shards, {"write": 0.12345}, sources=[])


def test_a_record_holds_while_its_fingerprint_and_its_shards_do(record: records.Record, results: Results) -> None:
    assert records.is_done(record, {"iterations": 3}, results, KEY)
    assert not records.is_done(record, {"iterations": 4}, results, KEY)
    assert not records.is_done(None, {}, results, KEY)
    assert not records.is_done(records.make_failure("damaged"), {}, results, KEY)
    shard = results.shard(KEY, 0)
    shard.write_bytes(shard.read_bytes()[:-1])
    assert not records.is_done(record, {"iterations": 3}, results, KEY)
    shard.unlink()
    assert not records.is_done(record, {"iterations": 3}, results, KEY)


def test_a_record_says_where_and_when(record: records.Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert record["seconds"] == {"write": 0.123}
    assert record["slurm_job"] is None
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert records.make_failure("why")["slurm_job"] == "77"
    write_json(tmp_path / "r.json", record)
    assert read_json(tmp_path / "r.json") == record


def test_seconds_of_a_stage_add_up() -> None:
    seconds: dict[str, float] = {}
    for _ in range(2):
        with records.time_stage(seconds, "read"):
            pass
    assert list(seconds) == ["read"]
    assert 0 <= seconds["read"] < 1
