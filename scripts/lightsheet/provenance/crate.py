"""Provenance: the results folder as a Workflow Run RO-Crate, which says what was made from what, how, and when.

The crate, the files in `provenance/` and the folder of the acquisition suffice to make any volume again: configuration,
versions of the software, measured PSFs, and a table with a row for each volume that has the digests of its files. The
crate describes the table; an entity for each of 30,000 files would make it 19 MB, which no tool for crates takes.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity, Entity
from rocrate.rocrate import ROCrate

from lightsheet.provenance.folder import describe_run, write_provenance_folder
from lightsheet.provenance.software import (
    CODE,
    LIBRARIES,
    describe_mixture,
    digest_code,
    list_versions,
    read_git_commit,
)
from lightsheet.provenance.table import COLUMNS
from lightsheet.run import Run, identify_publication
from lightsheet.store import (
    CONFIG_FILE,
    README_FILE,
    REQUIREMENTS_FILE,
    SNAKEFILE_COPY,
    VOLUMES_FILE,
    Record,
    VolumeKey,
    name_measured_psf,
)
from lightsheet.system import digest_sha256, read_json, write_json

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}

PRONOM = "https://www.nationalarchives.gov.uk/PRONOM/"
PUBLICATION = "SHA-256 of all that is published, as `identify_publication` of the workflow computes it"

ACTIVITY = "Ingest, deconvolution and consolidation; a volume that was done before was kept."

FORMATS = {
    ".csv": ("text/csv", f"{PRONOM}x-fmt/18", "Comma Separated Values"),
    ".json": ("application/json", f"{PRONOM}fmt/817", "JSON Data Interchange Format"),
    ".md": ("text/markdown", f"{PRONOM}fmt/1149", "Markdown"),
    ".png": ("image/png", f"{PRONOM}fmt/13", "Portable Network Graphics"),
    ".tif": ("image/tiff", f"{PRONOM}fmt/353", "Tagged Image File Format"),
    ".txt": ("text/plain", f"{PRONOM}x-fmt/111", "Plain Text File"),
    ".yaml": ("application/yaml", f"{PRONOM}fmt/818", "YAML"),
}
"""By suffix the media type, its PRONOM identifier and its name."""


def write_crate(
    run: Run, records: Mapping[VolumeKey, Record], *, repository: Path, started: datetime, ended: datetime
) -> None:
    """Write `ro-crate-metadata.json` and what it refers to; the crate last, and whole.

    Parameters
    ----------
    run : Run, whose stores are published
    records : mapping, what `check_shards` returned
    repository : Path, the checkout of the workflow
    started, ended : datetime, with their zone

    Raises
    ------
    InputError
        If a measured PSF is no longer the one that was used.
    """
    write_provenance_folder(run, records, repository)
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"  # younger than the context of RO-Crate 1.1
    workflow = _add_workflow(crate, run.results.folder, repository)
    _describe_folder(crate, run, ended)
    crate.root_dataset["identifier"] = _add_context(
        crate, "#publication", "PropertyValue", name=PUBLICATION, value=identify_publication(run, records)
    )
    crate.root_dataset["mentions"] = _add_context(
        crate,
        "#run",
        "CreateAction",
        name=f"Deconvolution of {run.results.name}",
        description=" ".join(filter(None, (ACTIVITY, describe_mixture(records.values())))),
        instrument=workflow,
        object=_add_inputs(crate, run),
        result=_add_outputs(crate, run),
        startTime=started.isoformat(timespec="seconds"),
        endTime=ended.isoformat(timespec="seconds"),
        actionStatus="http://schema.org/CompletedActionStatus",
    )
    write_json(run.results.crate, crate.metadata.generate())


def _add_context(crate: ROCrate, identifier: str, kind: str, **properties: Any) -> Entity:
    """Add something that is no file: a licence, a program, the run itself."""
    return crate.add(ContextEntity(crate, identifier, {"@type": kind, **properties}))


def _describe_folder(crate: ROCrate, run: Run, published: datetime) -> None:
    """Say what the folder is, and which profiles the crate conforms to."""
    crate.name = run.results.name
    crate.description = describe_run(run)
    crate.datePublished = published.isoformat(timespec="seconds")
    crate.license = _add_context(
        crate,
        "#licence-not-stated",
        "CreativeWork",
        name="No licence stated",
        description="The licence of the acquisition is not known to the workflow: ask those who made it.",
    )
    crate.root_dataset["conformsTo"] = [
        _add_context(crate, identifier, "CreativeWork", name=name, version=version)
        for identifier, (name, version) in PROFILES.items()
    ]
    _add_file(crate, run, README_FILE, "What is in this folder.")["about"] = crate.root_dataset


def _add_workflow(crate: ROCrate, folder: Path, repository: Path) -> Entity:
    """Add the Snakefile as the crate's main entity, with the software that ran it."""
    commit, versions = read_git_commit(repository), list_versions()
    homes = {"python": "https://www.python.org/", **LIBRARIES}
    licence = _add_context(
        crate,
        "https://spdx.org/licenses/BSD-3-Clause",
        "CreativeWork",
        name='BSD 3-Clause "New" or "Revised" License',
        description="Of the workflow, not of the data.",
    )
    workflow: Entity = crate.add_workflow(
        dest_path=SNAKEFILE_COPY,
        main=True,
        lang="snakemake",
        lang_version=versions["snakemake"],
        properties={
            "name": "lightsheet-decon",
            "description": f"Git commit of the workflow: {commit}.",
            "version": commit,
            "identifier": _add_context(crate, "#code", "PropertyValue", name=CODE, value=digest_code(repository)),
            "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
            "license": licence,
            **_measure_file(folder / SNAKEFILE_COPY),
            "encodingFormat": "text/plain",
        },
    )
    workflow["softwareRequirements"] = [
        _add_context(crate, homes[name], "SoftwareApplication", name=name, url=homes[name], softwareVersion=version)
        for name, version in versions.items()
    ]
    return workflow


def _add_inputs(crate: ROCrate, run: Run) -> list[Entity]:
    """Add the configuration, the folder of the acquisition, and every measured PSF."""
    folder = run.acquisition.folder.resolve()  # `..` and links mean nothing where the results go
    description = f"The raw files of the acquisition; {VOLUMES_FILE} lists them with their digests."
    inputs = [
        _add_file(crate, run, CONFIG_FILE, "The configuration, defaults filled in."),
        _add_file(crate, run, REQUIREMENTS_FILE, "The Python packages that were installed, for pip."),
        crate.add_dataset(f"{folder.as_uri()}/", properties={"name": folder.name, "description": description}),
    ]
    for channel in run.channels:
        source = read_json(run.results.psf(channel, ".json"))["source"]["path"]
        description = f"The PSF measured for {channel}: copy of {source}."
        inputs.append(_add_file(crate, run, name_measured_psf(channel), description))
    return inputs


def _add_outputs(crate: ROCrate, run: Run) -> list[Entity]:
    """Add the stores, the tables, and the PSFs used."""
    results = run.results
    stores = {results.store: "Deconvolved volumes: OME-Zarr 0.5, (t, c, z, y, x)."}
    for channel in run.channels if run.keeps_raw else ():
        stores[results.raw_store(channel)] = f"Raw volumes of {channel}: OME-Zarr 0.5, (t, z, y, x)."
    outputs = []
    for store, description in stores.items():
        properties = {"name": store.name, "description": description}
        outputs.append(crate.add_dataset(dest_path=store.relative_to(results.folder), properties=properties))
    outputs.append(_add_file(crate, run, "inventory.csv", "The files of the acquisition."))
    table = _add_file(crate, run, VOLUMES_FILE, "How each volume was made and what came out, a row for each.")
    table["variableMeasured"] = [
        _add_context(
            crate,
            f"#volumes.csv/{name}",
            "PropertyValue",
            name=name,
            description=column.description,
            **({"unitText": column.unit} if column.unit else {}),
        )
        for name, column in COLUMNS.items()
    ]
    outputs.append(table)
    for channel in run.channels:
        for suffix, content in ((".tif", "The PSF"), (".png", "A picture of the PSF"), (".json", "Facts on the PSF")):
            path = results.psf(channel, suffix).relative_to(results.folder)
            outputs.append(_add_file(crate, run, path.as_posix(), f"{content} used for {channel}."))
    return outputs


def _add_file(crate: ROCrate, run: Run, name: str, description: str) -> Entity:
    """Add a file of the results folder."""
    path = run.results.folder / name
    media_type, pronom, format_name = FORMATS[path.suffix]
    file_format = crate.get(pronom) or _add_context(crate, pronom, "WebSite", name=format_name)
    properties = {
        "name": path.name,
        "description": description,
        **_measure_file(path),
        "encodingFormat": [media_type, file_format],
    }
    return crate.add_file(dest_path=name, properties=properties)


def _measure_file(path: Path) -> dict[str, str]:
    return {"sha256": digest_sha256(path), "contentSize": str(path.stat().st_size)}
