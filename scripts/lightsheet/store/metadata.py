"""The metadata of stores, `zarr.json`, held against what this workflow writes before anything is done by it.

A store may be damaged, of another program, or of somebody who means harm: a few bytes of JSON can claim a volume of
terabytes. What is read here is small, complete and of the right types; `Shard` holds it against the shard's own size.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from lightsheet.store.pyramid import Shape, make_shape
from lightsheet.system import DamagedVolumeError, InputError

MOST_BYTES = 16 << 20
"""The most bytes of a `zarr.json`; the longest, of a movie of 100,000 timepoints, has 2 MB."""

MOST_TIMEPOINTS = 1_000_000
DTYPES = [*(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float16", "float32", "float64"]

Schema = dict[str, Any]
NUMBER: Schema = {"type": "number", "minimum": -1e300, "maximum": 1e300}
EXTENT: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
AXES: Schema = {"type": "array", "minItems": 4, "maxItems": 5, "items": EXTENT}


def _describe_object(*optional: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": [*(properties.keys() - optional)], "properties": properties}


def _describe_named(names: list[str], **configuration: Schema) -> Schema:
    return _describe_object(name={"enum": names}, configuration=_describe_object(**configuration))


def _describe_list(*items: Schema) -> Schema:
    return {"type": "array", "prefixItems": list(items), "minItems": len(items), "maxItems": len(items)}


BYTES = _describe_object(
    "configuration",
    name={"const": "bytes"},
    configuration={"type": "object", "properties": {"endian": {"const": "little"}}},
)
CRC = _describe_object(name={"const": "crc32c"})
ARRAY = _describe_object(
    zarr_format={"const": 3},
    node_type={"const": "array"},
    shape=AXES,
    data_type={"enum": DTYPES},
    chunk_grid=_describe_named(["regular"], chunk_shape=AXES),
    codecs=_describe_list(
        _describe_named(
            ["sharding_indexed"],
            chunk_shape=AXES,
            codecs=_describe_list(BYTES, _describe_named(["blosc", "zstd", "gzip"]), CRC),
            index_codecs=_describe_list(BYTES, CRC),
            index_location={"const": "end"},
        )
    ),
)

NAME_PATTERN = re.compile(r"[^/\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")
NAME: Schema = {"type": "string", "pattern": rf"\A{NAME_PATTERN.pattern}\Z"}
WINDOW = _describe_object(min=NUMBER, max=NUMBER, start=NUMBER, end=NUMBER)
CHANNEL = _describe_object(label=NAME, color={"type": "string", "pattern": r"\A[0-9A-Fa-f]{6}\Z"}, window=WINDOW)
SCALE = _describe_object(
    type={"const": "scale"},
    scale={"type": "array", "minItems": 4, "maxItems": 5, "items": {**NUMBER, "minimum": 1e-300}},
)
TRANSLATION = _describe_object(
    type={"const": "translation"}, translation={"type": "array", "minItems": 4, "maxItems": 5, "items": NUMBER}
)
DATASET = _describe_object(
    path={"type": "string"},
    coordinateTransformations={"type": "array", "minItems": 1, "maxItems": 2, "prefixItems": [SCALE, TRANSLATION]},
)
MULTISCALE = _describe_object(
    axes={"type": "array", "minItems": 4, "maxItems": 5, "items": {"type": "object"}},
    datasets={"type": "array", "minItems": 1, "maxItems": 64, "items": DATASET},
)
HOLE = _describe_object(channel={"type": "string"}, timepoint={"type": "integer"})
POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1e300}
STAGE: Schema = {
    **_describe_object(
        angle={**POSITIVE, "exclusiveMaximum": 90},
        step=POSITIVE,
        pixel=POSITIVE,
        axis={"enum": ["x", "y"]},
        direction={"enum": [1, -1]},
    ),
    "additionalProperties": False,
}
GEOMETRY = {
    "scan": STAGE,
    "geometry": {"enum": ["deskewed", "rotated", "raw"]},
    "raw_shape": _describe_list(EXTENT, EXTENT, EXTENT),
    "affine": _describe_object(matrix=_describe_list(*[_describe_list(*[NUMBER] * 4)] * 3)),
    "unmeasured": _describe_object(value=NUMBER),
}
SOURCE = _describe_object(
    shape=_describe_list(EXTENT, EXTENT, EXTENT),
    dtype={"enum": DTYPES},
    voxel_size=_describe_list(*[POSITIVE] * 3),
    origin=_describe_list(*[NUMBER] * 3),
    windows={"type": "object", "additionalProperties": _describe_list(*[NUMBER] * 4)},
    geometry={"type": "object", "properties": GEOMETRY},
)
EXTRA = _describe_object(
    "seconds",
    "missing",
    "timepoints",
    "share",
    "source",
    *GEOMETRY,
    **GEOMETRY,
    source=SOURCE,
    seconds={"type": ["array", "null"], "items": {**NUMBER, "type": ["number", "null"]}},
    missing={"type": "array", "items": HOLE},
    timepoints={"type": "array", "items": {"type": "integer", "minimum": 0}},
    share={"type": "string"},
)
OME = _describe_object(
    "omero",  # which raw stores can do without
    multiscales={"type": "array", "minItems": 1, "prefixItems": [MULTISCALE]},
    omero=_describe_object(channels={"type": "array", "items": CHANNEL}),
)
ATTRIBUTES = _describe_object("lightsheet", ome=OME, lightsheet=EXTRA)  # earlier versions wrote none of these
GROUP = _describe_object(attributes=ATTRIBUTES)


class ArrayMetadata(NamedTuple):
    """What an array of whole-volume shards is like."""

    leading: tuple[int, ...]  # extent of the axes before (z, y, x)
    shape: Shape  # of a volume
    chunk: Shape  # inner chunk
    dtype: np.dtype[Any]
    codec: dict[str, Any]  # by which inner chunks are decoded


def read_array_metadata(array: Path) -> ArrayMetadata:
    """Read the `zarr.json` of an array; InputError if there is none, or not one of whole-volume shards."""
    content = _read(array / "zarr.json", "array")
    grid, sharding = content["chunk_grid"]["configuration"], content["codecs"][0]["configuration"]
    axes = len(content["shape"]) - 3
    # JSON schema takes 3.0 for a whole number
    extents, shard, inner = (
        tuple(map(int, shape)) for shape in (content["shape"], grid["chunk_shape"], sharding["chunk_shape"])
    )
    leading, shape, chunk, ones = extents[:axes], extents[axes:], inner[axes:], (1,) * axes
    is_whole = len(chunk) == 3 and not any(n % c for n, c in zip(shape, chunk, strict=True))
    if not is_whole or shard != ones + shape or inner != ones + chunk:
        refuse_metadata(array, "it is no array of whole-volume shards")
    if max(leading) > MOST_TIMEPOINTS:
        refuse_metadata(array, "it claims to have more timepoints than any movie")
    # How chunks were encoded makes no difference when they are decoded.
    codec = {"name": sharding["codecs"][1]["name"]}
    return ArrayMetadata(leading, make_shape(shape), make_shape(chunk), np.dtype(content["data_type"]), codec)


def read_group_attributes(store: Path) -> Any:
    """Read the attributes `ome` and `lightsheet` of a published store; InputError if it is absent or damaged."""
    if not (store / "zarr.json").exists():
        raise InputError(f"{store} is not there: run the same command again, stores are published last")
    attributes = _read(store / "zarr.json", "group")["attributes"]
    datasets = attributes["ome"]["multiscales"][0]["datasets"]
    if [dataset["path"] for dataset in datasets] != list(map(str, range(len(datasets)))):
        refuse_metadata(store, "its levels are not called 0, 1, 2 and so on")
    return {**attributes, "lightsheet": attributes.get("lightsheet", {})}


def list_channels(store: Path, attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return label, colour and contrast of each channel; InputError if a store does not say them."""
    channels: list[dict[str, Any]] = attributes["ome"].get("omero", {"channels": []})["channels"]
    if not channels or len({channel["label"] for channel in channels}) < len(channels):
        refuse_metadata(store, "it does not name its channels, or two of them alike")
    return channels


@cache
def _make_validator(kind: str) -> Callable[[Any], Any]:
    """Return the function that finds the worst fault of a content, or None."""
    from jsonschema import Draft202012Validator  # imported here because most jobs read no store
    from jsonschema.exceptions import best_match

    validator = Draft202012Validator({"array": ARRAY, "group": GROUP}[kind])
    return lambda content: best_match(validator.iter_errors(content))


def _read(path: Path, kind: str) -> Any:
    """Read a `zarr.json` and hold it against its schema."""
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        refuse_metadata(path.parent, f"it cannot be read, {error.strerror}")
    if size > MOST_BYTES:
        refuse_metadata(path.parent, f"it has {size} bytes")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        refuse_metadata(path.parent, "it is no JSON")
    if fault := _make_validator(kind)(content):
        refuse_metadata(path.parent, f"it is none of this workflow's at {fault.json_path[:100]}")
    return content


def refuse_metadata(folder: Path, reason: str) -> NoReturn:
    """Refuse the `zarr.json` in a folder."""
    store = folder.parent if folder.name.isdecimal() else folder
    raise DamagedVolumeError(
        f"{folder / 'zarr.json'} is damaged ({reason}); remove {store} and run the workflow again to make it anew"
    )
