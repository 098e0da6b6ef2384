import csv
import hashlib
import json
from pathlib import Path

import pytest

from lightsheet.plan import Run
from tests import tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.make(tmp_path_factory.mktemp("table"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_table_tells_how_each_volume_was_made(run: Run) -> None:
    with (run.results.folder / "provenance" / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["timepoint"], row["channel"]) for row in rows] == [(t, c) for t in "01" for c in tiny_run.NAMES]
    listed = {entity["@id"]: entity for entity in json.loads(run.results.crate.read_text())["@graph"]}
    for row in rows:
        t, c = row["timepoint"], row["channel_index"]
        shard = run.results.store / "0" / "c" / t / c / "0" / "0" / "0"
        raw = run.results.raw_store(row["channel"]) / "0" / "c" / t / "0" / "0" / "0"
        assert (row["result_sha256"], row["raw_sha256"]) == (sha256(shard), sha256(raw))
        assert json.loads(row["settings"])["iterations"] == 2
        assert row["engine"] == "cpu"
        assert row["tiles"] == "z0y0x0 z0y0x1"
        for source, digest in zip(row["sources"].split(), row["sources_sha256"].split(), strict=True):
            assert listed[source]["sha256"] == digest
