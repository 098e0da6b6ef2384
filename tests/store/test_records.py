from pathlib import Path

import numpy as np
import pytest

from lightsheet.store import records, volumes
from lightsheet.store.volumes import StoreLayout

LAYOUT = StoreLayout.plan((4, 8, 8), {"z": 0.3, "y": 0.1, "x": 0.1}, "uint16", {"name": "zstd"})


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def record(work: Path) -> records.Record:
    shards, _ = volumes.write_volume(work, 2, np.ones((4, 8, 8), np.uint16), LAYOUT, 1)
    return records.make_record("f", shards, {"write": 0.12345}, sources=[])


def test_a_record_holds_while_its_fingerprint_and_its_shards_do(record: records.Record, work: Path) -> None:
    assert records.is_done(record, "f", work, 2)
    assert not records.is_done(record, "g", work, 2)
    assert not records.is_done(None, "f", work, 2)
    assert not records.is_done(records.make_failure("damaged"), "f", work, 2)
    shard = volumes.shard_path(work, 0, (2,))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert not records.is_done(record, "f", work, 2)
    shard.unlink()
    assert not records.is_done(record, "f", work, 2)


def test_a_record_says_where_and_when(record: records.Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert record["seconds"] == {"write": 0.123}
    assert record["slurm_job"] is None
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert records.make_failure("why")["slurm_job"] == "77"
    records.write_record(tmp_path / "r.json", record)
    assert records.read_record(tmp_path / "r.json") == record


def test_seconds_of_a_stage_add_up() -> None:
    seconds: dict[str, float] = {}
    for _ in range(2):
        with records.time_stage(seconds, "read"):
            pass
    assert list(seconds) == ["read"]
    assert 0 <= seconds["read"] < 1
