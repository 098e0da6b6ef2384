import csv
import json
from pathlib import Path

import pytest
from blake3 import blake3

from lightsheet.run import Run
from tests import tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.make(tmp_path_factory.mktemp("table"))


def digest(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest()


def test_table_tells_how_each_volume_was_made(run: Run) -> None:
    with (run.results.folder / "provenance" / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["timepoint"], row["channel"]) for row in rows] == [(t, c) for t in "01" for c in tiny_run.NAMES]
    listed = {entity["@id"]: entity for entity in json.loads(run.results.crate.read_text())["@graph"]}
    for row in rows:
        t, c = row["timepoint"], row["channel_index"]
        shard = run.results.store / "0" / "c" / t / c / "0" / "0" / "0"
        raw = run.results.raw_store(row["channel"]) / "0" / "c" / t / "0" / "0" / "0"
        assert (row["result_blake3"], row["raw_blake3"]) == (digest(shard), digest(raw))
        assert json.loads(row["settings"])["iterations"] == 2
        assert row["engine"] == "cpu"
        assert row["tiles"] == "z0y0x0 z0y0x1"
        assert row["pages"] == "all all"
        assert not row["missing"]
        for source, found in zip(row["sources"].split(), row["sources_blake3"].split(), strict=True):
            assert listed[source]["blake3"] == found
