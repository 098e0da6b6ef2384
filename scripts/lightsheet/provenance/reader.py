"""What the provenance of a finished run says, each of its files proven to be the one that was written."""

import csv
import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import yaml

from lightsheet.store import CONFIG_FILE, REQUIREMENTS_FILE, SNAKEFILE_COPY, VOLUMES_FILE, Results, name_measured_psf
from lightsheet.system import InputError, digest_sha256, read_json

REWRITE = "remove ro-crate-metadata.json and run the workflow again to write the provenance anew"

VolumeRow = dict[str, str]
"""One volume as `provenance/volumes.csv` describes it."""


@dataclass(frozen=True)
class Crate:
    """The provenance of a run.

    Parameters
    ----------
    folder : Path
        Where the crate lies, absolute.
    entities : mapping
        What it describes, by identifier; that of a file is its path from the folder, percent-encoded.
    config : mapping
        The configuration, defaults filled in.
    rows : list of dict
        The table of volumes.
    """

    folder: Path
    entities: Mapping[str, Mapping[str, Any]]
    config: Mapping[str, Any]
    rows: list[VolumeRow]

    @property
    def name(self) -> str:
        """The run's name; a copy of its folder may have another."""
        return str(self.config["name"])

    @property
    def store(self) -> Path:
        """The published OME-Zarr with the deconvolved volumes, (t, c, z, y, x)."""
        return self.folder / f"{self.name}.ome.zarr"

    def raw_store(self, channel: str) -> Path:
        """Return the published OME-Zarr with one channel's raw volumes, (t, z, y, x)."""
        return Results(self.folder).raw_store(channel)

    @property
    def acquisition(self) -> Path:
        """The folder that the run took its files from."""
        inputs = (self.entities[reference["@id"]] for reference in self.entities["#run"]["object"])
        uri = next(entity["@id"] for entity in inputs if entity["@type"] == "Dataset")
        return Path(url2pathname(urlsplit(uri).path))

    @property
    def commit(self) -> str:
        """What `software.read_git_commit` said."""
        return str(self.entities[SNAKEFILE_COPY]["version"])

    @property
    def software(self) -> dict[str, str]:
        """What `software.stamp_software` said."""
        found = (entity for entity in self.entities.values() if entity["@type"] == "SoftwareApplication")
        versions = {entity["name"]: entity["softwareVersion"] for entity in found}
        return {"code": self.entities["#code"]["value"], **versions}

    def measured_psf(self, channel: str) -> Path:
        """Return the image from which a channel's PSF was prepared."""
        name = name_measured_psf(channel)
        check_file(self.folder / name, self.entities.get(quote(name), {}).get("sha256", ""), REWRITE)
        return self.folder / name


def read_crate(folder: Path) -> Crate:
    """Read the provenance in a folder: that of a finished run, or a copy of `ro-crate-metadata.json` and `provenance/`.

    Raises
    ------
    InputError
        If there is none, or a file is missing or not the one that was written.
    """
    folder = folder.resolve()
    found = read_json(Results(folder).crate)
    if found is None:
        raise InputError(
            f"{Results(folder).crate}: there is no provenance here; name the folder of a finished run, such as "
            "results/demo, or run the workflow to its end"
        )
    entities = _entities(found, Results(folder).crate)
    for name in (CONFIG_FILE, VOLUMES_FILE, REQUIREMENTS_FILE):
        check_file(folder / name, entities.get(name, {}).get("sha256", ""), REWRITE)
    config, table = ((folder / name).read_text(encoding="utf-8") for name in (CONFIG_FILE, VOLUMES_FILE))
    csv.field_size_limit(sys.maxsize)  # 131072 characters are the names of a thousand planes, as some volumes have
    return Crate(folder, entities, yaml.safe_load(config), list(csv.DictReader(io.StringIO(table))))


def _entities(found: Any, path: Path) -> dict[str, Mapping[str, Any]]:
    """Return what a crate describes, by identifier."""
    try:
        return {entity["@id"]: entity for entity in found["@graph"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no RO-Crate; {REWRITE}") from error


def check_file(path: Path, expected: str, remedy: str, digest: Callable[[Path], str] = digest_sha256) -> None:
    """Refuse a file that is missing, or not the one that the provenance speaks of.

    Raises
    ------
    InputError
        With the remedy.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing, but the provenance names it; {remedy}")
    if digest(path) != expected:
        raise InputError(f"{path} is not the file that the provenance names, its digest differs; {remedy}")
