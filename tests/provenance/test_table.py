import csv
import io
import json
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import zarr
from blake3 import blake3

from lightsheet.provenance.table import format_table
from lightsheet.run.run import Run
from lightsheet.store.paths import VolumeKey
from lightsheet.system import read_json
from tests.support import tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.make(tmp_path_factory.mktemp("table"))


def digest(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest()


def test_table_tells_how_each_volume_was_made(run: Run) -> None:
    with (run.results.folder / "provenance" / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["timepoint"], row["channel"]) for row in rows] == [(t, c) for t in "01" for c in tiny_run.NAMES]
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
        sources = [run.acquisition.folder / unquote(source) for source in row["sources"].split()]
        assert row["sources_blake3"].split() == [digest(source) for source in sources]
        assert row["sources_bytes"].split() == [str(source.stat().st_size) for source in sources]
        stored = np.asarray(zarr.open_array(run.results.store / "0", mode="r")[int(t), int(c)])
        assert float(row["max"]) == stored.max()
        assert float(row["sum"]) == pytest.approx(stored.sum(dtype=float), rel=1e-6)
        assert row["iterations"] == "2"
        assert 0 < float(row["residual"]) < 1


def test_resolution_is_in_micrometres_and_unknown_numbers_are_empty(run: Run) -> None:
    done = {key: read_json(run.results.record(key)) for key in run.list_keys()}
    first, second = (done[VolumeKey("result", channel, 0)]["statistics"] for channel in run.channels)
    first["resolution_voxels"] = {"raw": 4.0, "result": None}
    del second["resolution_voxels"], second["residual"]  # as in records of earlier versions
    table = list(csv.DictReader(io.StringIO(format_table(run, done))))
    assert (table[0]["resolution_raw"], table[0]["resolution_result"]) == ("0.416", "")
    assert (table[1]["resolution_raw"], table[1]["residual"]) == ("", "")


def test_crate_describes_every_column(run: Run) -> None:
    graph = {entity["@id"]: entity for entity in json.loads(run.results.crate.read_text())["@graph"]}
    columns = [graph[column["@id"]] for column in graph["provenance/volumes.csv"]["variableMeasured"]]
    header = (run.results.folder / "provenance" / "volumes.csv").read_text().splitlines()[0]
    assert {column["name"] for column in columns} == set(header.split(","))
    assert all(column["@type"] == "PropertyValue" and column["description"] for column in columns)
    units = {column["name"]: column.get("unitText") for column in columns}
    assert (units["seconds"], units["resolution_raw"], units["channel"]) == ("second", "micrometre", None)
