"""What the provenance of a finished run says, each of its files proven to be the one that was written."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import yaml

from lightsheet.provenance.crate_schema import CONFIG, GRAPH, check_schema
from lightsheet.provenance.file_checks import REWRITE, check_file
from lightsheet.provenance.software import UNKNOWN
from lightsheet.provenance.volume_table import VolumeRow, read_table
from lightsheet.store import (
    CONFIG_FILE,
    REQUIREMENTS_FILE,
    SNAKEFILE_COPY,
    VOLUMES_FILE,
    Results,
    find_run_folder,
    name_measured_psf,
)
from lightsheet.system import InputError, check_path, read_json

DEEPEST = 20  # levels of a configuration
STARTS = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
ENDS = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


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
        return {
            entity["name"]: entity["softwareVersion"]
            for entity in programs
            if {"name", "softwareVersion"} <= entity.keys()
        }

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
        references = self.entities.get("#run", {}).get("object", ())
        inputs = (self.entities.get(reference["@id"], {}) for reference in references)
        uris = [entity["@id"] for entity in inputs if entity.get("@type") == "Dataset"]
        if not uris:
            raise InputError(f"{Results(self.folder).crate} does not say where the raw files were; say it with --raw")
        return Path(url2pathname(urlsplit(uris[0]).path))

    @property
    def software(self) -> dict[str, str]:
        """What `stamp_software` returned."""
        return {"code": self.entities.get("#code", {}).get("value", UNKNOWN), **self.versions}

    @property
    def psf_section(self) -> dict[str, Any]:
        """A copy of the configuration's section on PSFs, by which each can be prepared again from its image."""
        section = {"axes": "auto", **copy.deepcopy(self.config["psf"])}
        # The run compared it with the file's metadata, or let it override that: it holds.
        section["voxel_size"] |= {"override": True}
        return section

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
    check_path(folder)
    folder = find_run_folder(folder).resolve()
    entities = read_graph(folder).entities
    for name in (CONFIG_FILE, VOLUMES_FILE, REQUIREMENTS_FILE):
        check_file(folder / name, entities.get(name, {}).get("sha256", ""), REWRITE)
    config, table = folder / CONFIG_FILE, folder / VOLUMES_FILE
    return Crate(entities, folder, _read_config(config), read_table(table, _read_text(table), REWRITE))


def read_graph(folder: Path) -> Graph:
    """Read `ro-crate-metadata.json` in a folder, and nothing else; InputError if it is missing or no RO-Crate."""
    path = Results(folder).crate
    content = read_json(path)
    if content is None:
        if path.exists():
            raise InputError(f"{path} is no JSON; {REWRITE}")
        raise InputError(
            f"{path}: there is no provenance here; name the folder of a finished run, such as "
            "results/demo, or run the workflow to its end"
        )
    check_schema(content, GRAPH, path, "no RO-Crate")
    return Graph({entity["@id"]: entity for entity in content["@graph"]})


def _read_config(path: Path) -> dict[str, Any]:
    """Read the configuration of a crate; InputError if it is not one that any version of the workflow wrote."""
    config = parse_yaml(path, _read_text(path))
    check_schema(config, CONFIG, path, "no configuration of this workflow")
    sizes = [*config["voxel_size"].values(), *config["psf"]["voxel_size"].values(), config["psf"]["background"]]
    if any(isinstance(size, float) and math.isnan(size) for size in sizes):  # which JSON schema takes for a number
        raise InputError(f"{path} is no configuration of this workflow; {REWRITE}")
    return dict(config)


def parse_yaml(path: Path, text: str) -> Any:
    """Parse YAML as this workflow writes it; InputError if it is none, nests deeply, or has aliases."""
    depth = 0
    try:
        for token in yaml.scan(text, yaml.SafeLoader):
            depth += isinstance(token, STARTS) - isinstance(token, ENDS)
            if depth > DEEPEST or isinstance(token, yaml.AliasToken):
                raise ValueError("aliases or depth")
        return yaml.safe_load(text)
    except Exception as error:  # PyYAML's own, and whatever its constructors of dates and numbers raise
        raise InputError(f"{path} is no YAML of this workflow; {REWRITE}") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text; {REWRITE}") from error
