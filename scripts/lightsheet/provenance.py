"""Provenance: the results folder as a Workflow Run RO-Crate, which says what was made from what, how, and when.

The crate lists every input with its digest, and two files hold what `lightsheet.verification` needs to make any
volume again: `provenance/config.yaml`, and `provenance/volumes.csv` with a row for each deconvolved volume.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity, Entity
from rocrate.rocrate import ROCrate

from lightsheet import files, records, software, volume_table
from lightsheet.errors import InputError
from lightsheet.records import Record
from lightsheet.results import CONFIG, SNAKEFILE, VOLUMES
from lightsheet.run import Run

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}

TERMS = {
    "sha256": "http://schema.org/sha256",  # younger than the context of RO-Crate 1.1
    "blake3": "https://github.com/BLAKE3-team/BLAKE3-specs",
}

PRONOM = "https://www.nationalarchives.gov.uk/PRONOM/"
FORMATS = {
    ".csv": ("text/csv", f"{PRONOM}x-fmt/18", "Comma Separated Values"),
    ".json": ("application/json", f"{PRONOM}fmt/817", "JSON Data Interchange Format"),
    ".png": ("image/png", f"{PRONOM}fmt/13", "Portable Network Graphics"),
    ".tif": ("image/tiff", f"{PRONOM}fmt/353", "Tagged Image File Format"),
    ".yaml": ("application/yaml", f"{PRONOM}fmt/818", "YAML"),
}
"""By suffix the media type, its PRONOM identifier and its name."""


def write(run: Run, *, repository: Path, started: datetime, ended: datetime) -> None:
    """Write `ro-crate-metadata.json` and what it refers to; the crate last, and whole.

    Parameters
    ----------
    run : Run
        Every volume done, its stores published.
    repository : Path
        The checkout of this workflow.
    started, ended : datetime
        Of the work, with their time zone.

    Raises
    ------
    InputError
        If a volume has no record.
    """
    folder = run.results.folder
    done = {
        (kind, channel, t): _record(run, kind, channel, t)
        for channel, _, t in run.volumes()
        for kind in ("raw", "result")
    }
    files.write_text(folder / SNAKEFILE, (repository / "Snakefile").read_text(encoding="utf-8"))
    # Snakemake reads a JSON configuration into ordered dictionaries, which YAML would not write as plain ones.
    files.write_text(folder / CONFIG, yaml.safe_dump(json.loads(json.dumps(run.config))))
    files.write_text(folder / VOLUMES, volume_table.text(volume_table.rows(run, done)))

    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms |= TERMS
    workflow = _add_workflow(crate, folder, software.git_commit(repository))
    _describe(crate, run, ended)
    action = _context(
        crate,
        "#run",
        "CreateAction",
        name=f"Deconvolution of {run.results.name}",
        description="Ingest, deconvolution and consolidation; a volume that was done before was kept.",
        instrument=workflow,
        object=_add_inputs(crate, run, done),
        result=_add_outputs(crate, run),
        startTime=started.isoformat(timespec="seconds"),
        endTime=ended.isoformat(timespec="seconds"),
        actionStatus="http://schema.org/CompletedActionStatus",
    )
    crate.root_dataset["mentions"] = action
    files.write_json(run.results.crate, crate.metadata.generate())


def _record(run: Run, kind: str, channel: str, timepoint: int) -> Record:
    path = run.results.record(kind, channel, timepoint)
    record = records.read(path)
    if record is None:
        raise InputError(f"{path} is missing, so its volume is not done: run the same command again")
    return record


def _context(crate: ROCrate, identifier: str, kind: str, **properties: Any) -> Entity:
    """Add something that is no file: a licence, a program, the run itself."""
    return crate.add(ContextEntity(crate, identifier, {"@type": kind, **properties}))


def _describe(crate: ROCrate, run: Run, published: datetime) -> None:
    """Say what the folder is, and which profiles the crate conforms to."""
    how = run.config["deconvolution"]
    crate.name = run.results.name
    crate.description = (
        f"Light-sheet acquisition of {run.acquisition.timepoints} timepoints in {len(run.channels)} channels, "
        f"deconvolved by Richardson-Lucy: iterations {how['iterations']}, boundary {how['boundary']}, "
        f"acceleration {how['acceleration']}."
    )
    crate.datePublished = published.isoformat(timespec="seconds")
    crate.license = _context(
        crate,
        "#licence-not-stated",
        "CreativeWork",
        name="No licence stated",
        description="The licence of the acquisition is not known to the workflow: ask those who made it.",
    )
    crate.root_dataset["conformsTo"] = [
        _context(crate, identifier, "CreativeWork", name=name, version=version)
        for identifier, (name, version) in PROFILES.items()
    ]


def _add_workflow(crate: ROCrate, folder: Path, commit: str) -> Entity:
    """Add the Snakefile as the crate's main entity, with the software that ran it."""
    versions = software.versions()
    homes = {"python": "https://www.python.org/", **software.LIBRARIES}
    licence = _context(
        crate,
        "https://spdx.org/licenses/BSD-3-Clause",
        "CreativeWork",
        name='BSD 3-Clause "New" or "Revised" License',
        description="Of the workflow, not of the data.",
    )
    workflow: Entity = crate.add_workflow(
        dest_path=SNAKEFILE,
        main=True,
        lang="snakemake",
        lang_version=versions["snakemake"],
        properties={
            "name": "lightsheet-decon",
            "description": f"Git commit of the workflow: {commit}.",
            "version": commit,
            "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
            "license": licence,
            "sha256": files.sha256(folder / SNAKEFILE),
            "contentSize": str((folder / SNAKEFILE).stat().st_size),
            "encodingFormat": "text/plain",
        },
    )
    workflow["softwareRequirements"] = [
        _context(crate, homes[name], "SoftwareApplication", name=name, url=homes[name], softwareVersion=version)
        for name, version in versions.items()
    ]
    return workflow


def _add_inputs(crate: ROCrate, run: Run, done: dict[tuple[str, str, int], Record]) -> list[Entity]:
    """Add the configuration, every TIFF of the acquisition, and every PSF file."""
    inputs = [_add_file(crate, run, CONFIG, "The configuration, defaults filled in.")]
    sources = [source for (kind, _, _), record in done.items() if kind == "raw" for source in record["sources"]]
    psfs = [files.read_json(run.results.psf(channel, ".json"))["source"] for channel in run.channels]
    for source in {source["path"]: source for source in [*sources, *psfs]}.values():
        # The digest of some pages of a file, which several volumes share, stands in the table of volumes.
        digests = {key: source[key] for key in TERMS if key in source and "pages" not in source}
        properties = {
            "name": Path(source["path"]).name,
            "contentSize": str(source["bytes"]),
            "encodingFormat": _format(crate, ".tif"),
            **digests,
        }
        inputs.append(crate.add_file(volume_table.uri(source["path"]), properties=properties))
    return inputs


def _add_outputs(crate: ROCrate, run: Run) -> list[Entity]:
    """Add the stores, the tables, and the PSFs used."""
    results = run.results
    stores = {results.store: "Deconvolved volumes: OME-Zarr 0.5, (t, c, z, y, x)."}
    for channel in run.channels:
        stores[results.raw_store(channel)] = f"Raw volumes of {channel}: OME-Zarr 0.5, (t, z, y, x)."
    outputs = [
        crate.add_dataset(
            dest_path=store.relative_to(results.folder), properties={"name": store.name, "description": what}
        )
        for store, what in stores.items()
    ]
    outputs.append(_add_file(crate, run, "inventory.csv", "The files of the acquisition."))
    outputs.append(_add_file(crate, run, VOLUMES, "How each volume was made."))
    for channel in run.channels:
        for suffix, what in ((".tif", "The PSF"), (".png", "A picture of the PSF"), (".json", "Facts on the PSF")):
            path = results.psf(channel, suffix).relative_to(results.folder)
            outputs.append(_add_file(crate, run, path.as_posix(), f"{what} used for {channel}."))
    return outputs


def _add_file(crate: ROCrate, run: Run, name: str, description: str) -> Entity:
    """Add a file of the results folder."""
    path = run.results.folder / name
    properties = {
        "name": path.name,
        "description": description,
        "sha256": files.sha256(path),
        "contentSize": str(path.stat().st_size),
        "encodingFormat": _format(crate, path.suffix),
    }
    return crate.add_file(dest_path=name, properties=properties)


def _format(crate: ROCrate, suffix: str) -> list[Any]:
    media_type, pronom, name = FORMATS[suffix]
    return [media_type, crate.get(pronom) or _context(crate, pronom, "WebSite", name=name)]
