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

VolumeRow = dict[str, str]  # one volume as `provenance/volumes.csv` describes it


@dataclass(frozen=True)
class Graph:
    """What the file `ro-crate-metadata.json` alone says."""

    entities: Mapping[str, Mapping[str, Any]]  # by identifier; that of a file is its path, percent-encoded

    @property
    def commit(self) -> str:
        """What `read_git_commit` returned, empty if the crate does not say."""
        return str(self.entities.get(SNAKEFILE_COPY, {}).get("version", ""))

    @property
    def versions(self) -> dict[str, str]:
        """What `list_versions` returned."""
        programs = (entity for entity in self.entities.values() if entity["@type"] == "SoftwareApplication")
        return {entity["name"]: entity["softwareVersion"] for entity in programs if "softwareVersion" in entity}

    @property
    def times(self) -> tuple[str, str]:
        """Start and end of the work, ISO 8601, empty if the crate does not say."""
        action = self.entities.get("#run", {})
        return action.get("startTime", ""), action.get("endTime", "")


@dataclass(frozen=True)
class Crate(Graph):
    """The provenance of a run."""

    folder: Path  # absolute
    config: Mapping[str, Any]  # defaults filled in
    rows: list[VolumeRow]

    @property
    def store(self) -> Path:
        """The published OME-Zarr with the deconvolved volumes, (t, c, z, y, x); a copy of its folder may be renamed."""
        return self.folder / f"{self.config['name']}.ome.zarr"

    @property
    def acquisition(self) -> Path:
        """The folder that the run took its files from."""
        inputs = (self.entities[reference["@id"]] for reference in self.entities["#run"]["object"])
        uri = next(entity["@id"] for entity in inputs if entity["@type"] == "Dataset")
        return Path(url2pathname(urlsplit(uri).path))

    @property
    def software(self) -> dict[str, str]:
        """What `stamp_software` returned."""
        return {"code": self.entities["#code"]["value"], **self.versions}

    def measured_psf(self, channel: str) -> Path:
        """Return the image from which a channel's PSF was prepared."""
        name = name_measured_psf(channel)
        check_file(self.folder / name, self.entities.get(quote(name), {}).get("sha256", ""), REWRITE)
        return self.folder / name


def read_crate(folder: Path) -> Crate:
    """Read the provenance in a folder.

    Parameters
    ----------
    folder : Path, of a finished run, or with a copy of its `ro-crate-metadata.json` and `provenance/`

    Raises
    ------
    InputError
        If there is none, or a file is missing or not the one that was written.
    """
    folder = folder.resolve()
    entities = read_graph(folder).entities
    for name in (CONFIG_FILE, VOLUMES_FILE, REQUIREMENTS_FILE):
        check_file(folder / name, entities.get(name, {}).get("sha256", ""), REWRITE)
    config, table = ((folder / name).read_text(encoding="utf-8") for name in (CONFIG_FILE, VOLUMES_FILE))
    csv.field_size_limit(sys.maxsize)  # 131072 characters are the names of a thousand planes, as some volumes have
    return Crate(entities, folder, yaml.safe_load(config), list(csv.DictReader(io.StringIO(table))))


def read_graph(folder: Path) -> Graph:
    """Read `ro-crate-metadata.json` in a folder, and nothing else; InputError if it is missing or no RO-Crate."""
    path = Results(folder).crate
    content = read_json(path)
    if content is None:
        raise InputError(
            f"{path}: there is no provenance here; name the folder of a finished run, such as "
            "results/demo, or run the workflow to its end"
        )
    try:
        return Graph({entity["@id"]: entity for entity in content["@graph"]})
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no RO-Crate; {REWRITE}") from error


def check_file(path: Path, expected: str, remedy: str, digest: Callable[[Path], str] = digest_sha256) -> None:
    """Refuse, with the remedy, a file that is missing or not the one that the provenance names."""
    if not path.is_file():
        raise InputError(f"{path} is missing, but the provenance names it; {remedy}")
    if digest(path) != expected:
        raise InputError(f"{path} is not the file that the provenance names, its digest differs; {remedy}")
