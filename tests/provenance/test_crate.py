import hashlib
import json
import re
import sys
from collections import OrderedDict
from pathlib import Path

import numpy
import pytest
import scipy
import yaml
import zarr

from lightsheet.provenance import software
from lightsheet.provenance.crate import write_crate
from lightsheet.run.publication import read_identity
from lightsheet.run.run import Run
from lightsheet.store.paths import VolumeKey
from lightsheet.system import read_json, write_json
from lightsheet.system.errors import InputError
from tests.support import roc, tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Its folder is called by a roundabout name."""
    folder = tmp_path_factory.mktemp("provenance")
    return tiny_run.make(folder, input={"folder": str(folder / "my data" / ".." / "my data")})


def entities(run: Run) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in json.loads(run.results.crate.read_text())["@graph"]}


def ids(references: list[dict]) -> set[str]:
    return {reference["@id"] for reference in references}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rewrite(run: Run) -> None:
    done = {key: read_json(run.results.record(key)) for key in run.list_keys()}
    write_crate(run, done, repository=tiny_run.ROOT, started=tiny_run.STARTED, ended=tiny_run.ENDED)


@pytest.mark.slow
def test_crate_has_all_that_the_profile_requires_and_what_it_recommends_is_answered(run: Run) -> None:
    """In a table of docs/provenance.md, where it is not followed: the check, the entity, the answer."""
    page = (tiny_run.ROOT / "docs" / "provenance.md").read_text()
    answers = re.findall(r"^\| `([a-z0-9.-]+_[0-9.]+)` \| `(\S+)` \| .+ \|$", page, re.MULTILINE)
    assert {(f"RECOMMENDED {check}", entity) for check, entity in answers} == roc.recommended(run.results.folder)


@pytest.mark.slow
def test_validator_sees_what_is_missing(run: Run, tmp_path: Path) -> None:
    crate = json.loads(run.results.crate.read_text())
    root = next(entity for entity in crate["@graph"] if entity["@id"] == "./")
    del root["license"]
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps(crate))
    findings = " ".join(roc.validate(tmp_path))
    assert "must specify a license" in findings
    assert "provenance/Snakefile" in findings  # listed, but not in this folder


def test_every_input_is_listed(run: Run) -> None:
    graph = entities(run)
    folder = f"{run.acquisition.folder.resolve().as_uri()}/"
    psfs = {f"provenance/psf/{channel}.tif": name for channel, name in tiny_run.NAMES.items()}
    assert ids(graph["#run"]["object"]) == {
        "provenance/config.yaml",
        "provenance/requirements.txt",
        folder,
        *psfs,
    }
    assert graph[folder]["@type"] == "Dataset"
    for copy, name in psfs.items():
        measured = run.acquisition.folder / name
        assert (run.results.folder / copy).read_bytes() == measured.read_bytes()
        assert graph[copy]["sha256"] == sha256(measured)
        assert graph[copy]["contentSize"] == str(measured.stat().st_size)


def test_crate_does_not_grow_with_the_volumes(run: Run) -> None:
    text = run.results.crate.read_text()
    assert len(text) < 30_000
    assert not re.search("stack0001", text)


def test_psf_that_changed_since_is_refused(run: Run) -> None:
    measured = run.acquisition.folder / tiny_run.NAMES["CamA_ch0_488nm"]
    content, copy = measured.read_bytes(), run.results.folder / "provenance" / "psf" / "CamA_ch0_488nm.tif"
    measured.write_bytes(content[:-1] + b"x")
    try:
        rewrite(run)  # the copy is still the one that was used
        copy.unlink()
        with pytest.raises(InputError, match=r"488\.tif: it changed after it was used; run the same command again"):
            rewrite(run)
    finally:
        measured.write_bytes(content)
        rewrite(run)
    assert copy.read_bytes() == content


def test_every_output_is_listed_and_there(run: Run) -> None:
    graph = entities(run)
    results = ids(graph["#run"]["result"])
    stores = {"tiny.ome.zarr/", "raw/CamA_ch0_488nm.ome.zarr/", "raw/CamA_ch1_560nm.ome.zarr/"}
    psfs = {f"psf/{channel}{suffix}" for channel in tiny_run.NAMES for suffix in (".tif", ".png", ".json")}
    assert results == stores | psfs | {"inventory.csv", "provenance/volumes.csv"}
    assert all((run.results.folder / name / "zarr.json").exists() for name in stores)
    for name in results - stores:
        assert graph[name]["sha256"] == sha256(run.results.folder / name)


def test_run_is_described(run: Run) -> None:
    graph = entities(run)
    action = graph["#run"]
    assert action["startTime"] == "2026-01-02T03:04:05+00:00"
    assert action["endTime"] == graph["./"]["datePublished"] == "2026-01-02T04:05:06+00:00"
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert action["instrument"] == graph["./"]["mainEntity"] == {"@id": "provenance/Snakefile"}
    snakefile = run.results.folder / "provenance" / "Snakefile"
    assert snakefile.read_bytes() == (tiny_run.ROOT / "Snakefile").read_bytes()
    assert graph["provenance/Snakefile"]["sha256"] == sha256(snakefile)


def test_configuration_is_kept_with_its_defaults(run: Run) -> None:
    settings = yaml.safe_load((run.results.folder / "provenance" / "config.yaml").read_text())
    assert settings == run.config
    assert settings["deconvolution"]["boundary"] == "extended"  # which the run's own configuration leaves out


def test_configuration_in_json_is_kept_too(run: Run) -> None:
    """Snakemake reads JSON into ordered dictionaries."""
    rewrite(Run(OrderedDict(run.config, psf=OrderedDict(run.config["psf"])), run.acquisition, run.shape, run.dtype))
    assert yaml.safe_load((run.results.folder / "provenance" / "config.yaml").read_text()) == run.config


def test_crate_names_no_person(run: Run) -> None:
    graph = entities(run)
    assert not [entity for entity in graph.values() if "Person" in entity["@type"]]
    assert "agent" not in graph["#run"]


def test_a_movie_that_mixes_versions_says_so(run: Run) -> None:
    assert "several engines" not in entities(run)["#run"]["description"]
    path = run.results.record(VolumeKey("result", run.channels[0], 0))
    content = path.read_text()
    write_json(path, {**json.loads(content), "engine": "cpu 2 (numpy 9.9)"})
    try:
        rewrite(run)
        assert "3 by cpu 3 (numba" in entities(run)["#run"]["description"]
        assert "1 by cpu 2 (numpy 9.9)" in entities(run)["#run"]["description"]
    finally:
        path.write_text(content)
        rewrite(run)


def test_crate_and_stores_name_the_same_publication(run: Run) -> None:
    identity = entities(run)["./"]["identifier"]["@id"]
    for store in (run.results.store, *map(run.results.raw_store, run.channels)):
        assert entities(run)[identity]["value"] == read_identity(store)


def test_same_run_gives_same_bytes(run: Run) -> None:
    written = [run.results.crate, *(run.results.folder / "provenance").rglob("*.*")]
    before = {path: path.read_bytes() for path in written}
    rewrite(run)
    assert {path: path.read_bytes() for path in before} == before


def test_workflow_is_known_by_commit_and_code(run: Run) -> None:
    workflow = entities(run)["provenance/Snakefile"]
    assert workflow["version"] == software.read_git_commit(tiny_run.ROOT)
    assert entities(run)["#code"]["value"] == software.digest_code(tiny_run.ROOT)
    assert workflow["identifier"] == {"@id": "#code"}


def test_software_versions_are_those_that_run(run: Run) -> None:
    versions = {e["name"]: e["softwareVersion"] for e in entities(run).values() if "softwareVersion" in e}
    assert versions["python"] == sys.version.split()[0]
    assert versions["numpy"] == numpy.__version__
    assert versions["scipy"] == scipy.__version__
    assert versions["zarr"] == zarr.__version__
    assert {"snakemake", "dask", "distributed", "numcodecs", "tifffile", "itk"} <= set(versions)
