"""What every version of the workflow wrote into a crate and its configuration, as JSON schema."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from lightsheet.provenance.file_checks import REWRITE
from lightsheet.provenance.volume_table import CHANNEL
from lightsheet.system import InputError

TEXT = {"type": "string"}
TEXTS = ("@id", "name", "version", "softwareVersion", "value", "sha256", "startTime", "endTime")
REFERENCES = {"type": "array", "items": {"type": "object", "required": ["@id"], "properties": {"@id": TEXT}}}
ENTITY = {
    "type": "object",
    "required": ["@id", "@type"],
    "properties": {**dict.fromkeys(TEXTS, TEXT), "object": REFERENCES},
}
GRAPH = {
    "type": "object",
    "required": ["@graph"],
    "properties": {"@graph": {"type": "array", "items": ENTITY}},
}
"""What of a crate is read, as JSON schema."""

SIZE = {"type": "number", "minimum": 1e-6, "maximum": 1e6}
VOXEL = {"type": "object", "required": [*"zyx"], "properties": dict.fromkeys("zyx", SIZE)}
OFFSET = {"anyOf": [{"type": "number", "minimum": -1e9, "maximum": 1e9}, {"const": "auto"}]}
NUMBER = {"type": "integer", "minimum": 0}
IMAGE = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "required": ["path"], "properties": {"channel": NUMBER, "timepoint": NUMBER}},
    ]
}
FILES = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": rf"\A{CHANNEL}\Z"},
    "additionalProperties": IMAGE,
}
SECTION = {"type": "object"}
CONFIG = {
    "type": "object",
    "required": ["name", "input", "voxel_size", "psf", "deconvolution", "output"],
    "properties": {
        "name": {"type": "string", "pattern": r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z"},
        "input": SECTION,
        "voxel_size": VOXEL,
        "psf": {
            "type": "object",
            "required": ["files", "voxel_size", "background"],
            "properties": {
                "files": FILES,
                "voxel_size": {"type": "object", "properties": VOXEL["properties"]},
                "background": OFFSET,
                "axes": {"type": "string"},
            },
        },
        "deconvolution": SECTION,
        "output": SECTION,
    },
}
"""What every version of the workflow wrote into the configuration of a crate, as JSON schema."""


def check_schema(content: Any, schema: Mapping[str, Any], path: Path, problem: str) -> None:
    """Refuse what lacks something that is read here, or has it of another type."""
    if fault := best_match(Draft202012Validator(schema).iter_errors(content)):
        raise InputError(f"{path} is {problem}; {REWRITE} (see {fault.json_path[:100]} in it)")
