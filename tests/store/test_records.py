from pathlib import Path

import numpy as np
import pytest

from lightsheet import records, store
from lightsheet.store import Layout

LAYOUT = Layout.plan((4, 8, 8), {"z": 0.3, "y": 0.1, "x": 0.1}, "uint16", {"name": "zstd"})


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def record(work: Path) -> records.Record:
    shards, _ = store.write_volume(work, 2, np.ones((4, 8, 8), np.uint16), LAYOUT, 1)
    return records.done("f", shards, {"write": 0.12345}, sources=[])


def test_a_record_holds_while_its_fingerprint_and_its_shards_do(record: records.Record, work: Path) -> None:
    assert records.holds(record, "f", work, 2)
    assert not records.holds(record, "g", work, 2)
    assert not records.holds(None, "f", work, 2)
    assert not records.holds(records.failed("damaged"), "f", work, 2)
    shard = store.shard_path(work, 0, (2,))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert not records.holds(record, "f", work, 2)
    shard.unlink()
    assert not records.holds(record, "f", work, 2)


def test_a_record_says_where_and_when(record: records.Record, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert record["seconds"] == {"write": 0.123}
    assert record["slurm_job"] is None
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert records.failed("why")["slurm_job"] == "77"
    records.write(tmp_path / "r.json", record)
    assert records.read(tmp_path / "r.json") == record


def test_seconds_of_a_stage_add_up() -> None:
    seconds: dict[str, float] = {}
    for _ in range(2):
        with records.timed(seconds, "read"):
            pass
    assert list(seconds) == ["read"]
    assert 0 <= seconds["read"] < 1
