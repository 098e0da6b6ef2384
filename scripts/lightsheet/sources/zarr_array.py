"""What the metadata of one Zarr array says, version 2 or 3: read as JSON, so that parsing the Snakefile stays light.

zarr-python is not imported here. What it would repair or guess is refused: a chunk key that is built wrongly reads as
a hole, and a wrong shape as other pixels.
"""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.sources.zarr_folder import FILES_V2
from lightsheet.system import InputError, digest_json, escape_name, name_unreadable

MOST_BYTES = 64 << 20
"""The most bytes of a metadata file; those of bioformats2raw's plates and of long movies have a few MB."""

KINDS = "uif"


class ArrayLayout(NamedTuple):
    """How an array lies in its files.

    `chunk` is the shape of what one file holds: a chunk, or a shard of them. `names` are those of the axes, or none.
    `codecs` of version 3 are encoders in order; of version 2 `filters`, and then the compressor. `fill` stands for
    chunks that have no file; `separator` and `prefix` make a chunk's name of its place. `digest` is of all of this but
    the shape, which grows with a movie, and the attributes.
    """

    path: Path
    version: int
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype[Any]  # in the byte order of the files
    order: str  # of a chunk's voxels: C or F
    codecs: tuple[Mapping[str, Any], ...]
    fill: float
    prefix: str
    separator: str
    names: tuple[str, ...]
    digest: str

    @property
    def grid(self) -> tuple[int, ...]:
        """How many files the array has along each axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunk, strict=True))

    def name_chunk(self, place: tuple[int, ...]) -> str:
        """Name the file of a chunk or shard, relative to the array."""
        return self.separator.join((*filter(None, (self.prefix,)), *map(str, place)))


def read_node(folder: Path) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    """Read the metadata of an array, None where the folder is none, and the attributes of the array or group.

    Parameters
    ----------
    folder : Path, an array or a group

    Raises
    ------
    InputError
        If it is neither, or its metadata cannot be read or is no JSON.
    """
    if (content := _read_json(folder / "zarr.json")) is not None:
        if content.get("zarr_format") != 3 or content.get("node_type") not in ("array", "group"):
            raise InputError(f"{folder / 'zarr.json'}: it is no metadata of Zarr version 3; copy the store again")
        attributes = content.get("attributes", {})
        if not isinstance(attributes, Mapping):
            raise InputError(f"{folder / 'zarr.json'}: its attributes are damaged; copy the store again")
        return content if content["node_type"] == "array" else None, attributes
    array, group, attributes = (_read_json(folder / name) for name in FILES_V2)
    if array is None and group is None and attributes is None:
        raise InputError(f"{folder}: it is no Zarr store, as it has neither zarr.json nor .zarray nor .zgroup")
    for name, content in ((".zarray", array), (".zgroup", group)):
        if content is not None and content.get("zarr_format") != 2:
            raise InputError(f"{folder / name}: it is no metadata of Zarr version 2; copy the store again")
    return array, attributes or {}


def _read_json(path: Path) -> Any:
    """Read a metadata file; None if it is absent."""
    with name_unreadable(path):
        try:
            if path.stat().st_size > MOST_BYTES:
                raise InputError(f"{path}: it has {path.stat().st_size} bytes, which no metadata has")
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path}: it is damaged, no JSON of a Zarr store; copy the store again")
    return content


def read_array(folder: Path) -> ArrayLayout:
    """Read how an array lies in its files.

    Parameters
    ----------
    folder : Path, of the array

    Raises
    ------
    InputError
        If it is no array, its metadata is damaged, or it holds other than real numbers.
    """
    files = [folder / name for name in ("zarr.json", ".zarray", ".zattrs")]
    stamps = tuple((stat.st_size, stat.st_mtime_ns) for stat in map(_stat, files) if stat)
    return _read_array(folder, stamps)


def _stat(path: Path) -> Any:
    try:
        return path.stat()
    except OSError:
        return None


@lru_cache(maxsize=1024)  # a store is asked again for each of its volumes; `_stamps` tell whether it has changed
def _read_array(folder: Path, _stamps: tuple[tuple[int, int], ...]) -> ArrayLayout:
    content, attributes = read_node(folder)
    if content is None:
        raise InputError(f"{folder}: it is a Zarr group, and an array is expected there; copy the store again")
    try:
        layout = _read_v3(folder, content) if content["zarr_format"] == 3 else _read_v2(folder, content, attributes)
        counts = {len(layout.shape), len(layout.chunk)}
        if len(counts) > 1 or min(layout.shape, default=0) < 0 or min(layout.chunk, default=0) < 1:
            raise ValueError(f"shape {layout.shape}, chunks {layout.chunk}")
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        cause = escape_name(f"{type(error).__name__}: {error}")[:200]
        raise InputError(
            f"{folder}: its metadata is damaged, or of a kind that is not read here ({cause}); copy the store again, "
            "or write it with zarr-python"
        ) from error
    if layout.dtype.kind not in KINDS or layout.dtype.itemsize > 8:
        raise InputError(f"{folder}: it holds {layout.dtype}, and images are whole numbers or floats of 8 to 64 bits")
    return layout


def _read_v2(folder: Path, content: Mapping[str, Any], attributes: Mapping[str, Any]) -> ArrayLayout:
    filters, compressor = content.get("filters") or [], content["compressor"]
    names = attributes.get("_ARRAY_DIMENSIONS", ())  # as xarray writes them
    if content.get("order", "C") not in ("C", "F"):
        raise ValueError(f"order {content['order']}")
    if (separator := content.get("dimension_separator", ".")) not in (".", "/"):
        raise ValueError(f"dimension_separator {separator}")
    if not isinstance(content["dtype"], str):
        raise InputError(f"{folder}: it holds records of several numbers, and images are plain numbers")
    return ArrayLayout(
        folder,
        2,
        _read_extents(content["shape"]),
        _read_extents(content["chunks"]),
        np.dtype(content["dtype"]),
        content.get("order", "C"),
        (*map(dict, filters), *([dict(compressor)] if compressor else [])),
        _read_fill(content.get("fill_value")),
        "",
        separator,
        _read_names(names, content["shape"]),
        digest_json({key: value for key, value in content.items() if key != "shape"}),
    )


def _read_v3(folder: Path, content: Mapping[str, Any]) -> ArrayLayout:
    grid, grid_settings = split_named(content["chunk_grid"])
    encoding, settings = split_named(content["chunk_key_encoding"])
    if grid != "regular" or encoding not in ("default", "v2") or content.get("storage_transformers"):
        raise ValueError(f"chunk grid {grid}, chunk keys {encoding}, transformers")
    if (separator := settings.get("separator", "/" if encoding == "default" else ".")) not in (".", "/"):
        raise ValueError(f"separator {separator}")
    kind, _ = split_named(content["data_type"])
    codecs = tuple({"name": name, "configuration": part} for name, part in map(split_named, content["codecs"]))
    irrelevant_keys = ("shape", "attributes", "consolidated_metadata", "dimension_names")
    return ArrayLayout(
        folder,
        3,
        _read_extents(content["shape"]),
        _read_extents(grid_settings["chunk_shape"]),
        np.dtype(kind),
        "C",
        codecs,
        _read_fill(content["fill_value"]),
        "c" if encoding == "default" else "",
        separator,
        _read_names(content.get("dimension_names") or (), content["shape"]),
        digest_json({key: value for key, value in content.items() if key not in irrelevant_keys}),
    )


def split_named(entry: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the configuration of an extension point of Zarr version 3, which may be its name alone."""
    if isinstance(entry, str):
        return entry, {}
    name, settings = entry["name"], entry.get("configuration") or {}
    if not isinstance(name, str) or not isinstance(settings, Mapping):
        raise TypeError(f"{name} is not a name with a configuration")
    return name, settings


def _read_extents(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or any(type(value) is not int for value in values):
        raise TypeError(f"{values} are not whole numbers")
    return tuple(values)


def _read_names(names: Any, shape: Any) -> tuple[str, ...]:
    """Read the names of the axes; none where one is not named."""
    texts = [name for name in names if isinstance(name, str)]
    return tuple(texts) if len(texts) == len(shape) else ()


def _read_fill(value: Any) -> float:
    """Read the fill value; 0 where it is undefined, and NaN where it is no number at all."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return value if isinstance(value, int) else float(value)
    except ValueError:
        return math.nan
