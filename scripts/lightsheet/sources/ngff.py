"""What OME-NGFF's metadata says of an image, versions 0.1 to 0.6: axes, the size of a voxel and its unit, channels."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.sources.metadata import MICROMETRES, SECONDS
from lightsheet.sources.zarr_array import ArrayLayout
from lightsheet.system import InputError

PREFIXES = {
    "pico": 1e-12,
    "nano": 1e-9,
    "micro": 1e-6,
    "milli": 1e-3,
    "centi": 1e-2,
    "deci": 1e-1,
    "": 1.0,
    "kilo": 1e3,
}
LENGTHS = {
    **MICROMETRES,
    **{f"{prefix}{unit}": 1e6 * size for prefix, size in PREFIXES.items() for unit in ("meter", "metre")},
    "angstrom": 1e-4,
    "inch": 25400.0,
    "cm": 1e4,
    "pm": 1e-6,
}
TIMES = {
    **SECONDS,
    **{f"{prefix}second": size for prefix, size in PREFIXES.items()},
    "seconds": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
"""Units as OME-NGFF writes them, UDUNITS-2's names, and as people do."""

AXES = {"time": "t", "timepoint": "t", "channel": "c", "ch": "c"}
"""Names and types of axes that are not called by a letter."""


def list_axes(multiscale: Mapping[str, Any], layout: ArrayLayout) -> Sequence[Any]:
    """Return the axes as the metadata describes them: names before version 0.4, none before 0.3."""
    if "axes" not in multiscale and "coordinateSystems" not in multiscale and len(layout.shape) == 5:
        return "tczyx"
    axes = multiscale["axes"] if "axes" in multiscale else _find_system(multiscale)["axes"]
    if len(axes) != len(layout.shape):
        raise InputError(
            f"{layout.path.parent}: its metadata names {len(axes)} axes, but {layout.path.name} has "
            f"{len(layout.shape)}; copy the store again, or set input.axes"
        )
    return list(axes)


def _find_system(multiscale: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the coordinate system, of version 0.6, to which the levels are transformed."""
    output = multiscale["datasets"][0]["coordinateTransformations"][0]["output"]
    name = output["name"] if isinstance(output, Mapping) else output
    systems: dict[str, Mapping[str, Any]] = {system["name"]: system for system in multiscale["coordinateSystems"]}
    return systems[name]


def find_axes(layout: ArrayLayout, axis_entries: Sequence[Any], axes: str) -> str:
    """Return a letter for each axis of an array: the user's, or those by which the store names them."""
    if axes != "auto":
        letters = axes.lower()
        if len(letters) != len(layout.shape):
            raise InputError(
                f"input.axes {axes!r}: {layout.path} has {len(layout.shape)} axes, of lengths {layout.shape}; write a "
                "letter of tczyx for each, the slowest first"
            )
    else:
        if not axis_entries:
            raise InputError(
                f"{layout.path}: nothing tells which of its axes, of lengths {layout.shape}, is which; set input.axes "
                "to their letters in this order, such as zyx, yxz or tczyx"
            )
        letters = "".join(map(_name_axis, axis_entries))
    for letter, size in zip(letters, layout.shape, strict=True):
        if letter == "-" and size > 1:
            raise InputError(
                f"{layout.path}: one of its axes, of length {size}, is none of t, c, z, y and x; export the images "
                "along it one by one, or set input.axes"
            )
    repeats = sorted({letter for letter in letters if letters.count(letter) > 1 and letter != "-"})
    absent = [letter for letter in "zyx" if letter not in letters]
    if repeats or absent:
        fault = f"has {' and '.join(repeats)} twice" if repeats else f"has no {' and '.join(absent)}"
        raise InputError(
            f"{layout.path}: its axes are {letters}, which {fault}; a volume has z, y and x: set input.axes"
        )
    return letters


def _name_axis(axis: Any) -> str:
    name, kind = (axis.get("name"), axis.get("type")) if isinstance(axis, Mapping) else (axis, None)
    for text in (str(name).lower(), str(kind).lower()):
        if text in ("t", "c", "z", "y", "x"):
            return text
        if text in AXES:
            return AXES[text]
    return "-"


def compose_scale(
    multiscale: Mapping[str, Any], dataset: Mapping[str, Any], count: int
) -> tuple[list[float], list[float]]:
    """Return what the transformations of a level make of a voxel: scale and shift per axis; none if not understood."""
    scale, shift = [1.0] * count, [0.0] * count
    sources = (dataset,) if "coordinateSystems" in multiscale else (dataset, multiscale)
    lists = [source.get("coordinateTransformations") or [] for source in sources]
    if not lists[0]:
        return [], []
    for step in [part for transformations in lists for item in transformations for part in _list_steps(item)]:
        kind = step.get("type") if isinstance(step, Mapping) else None
        values = step.get(kind) if kind in ("scale", "translation") else [1.0] * count
        is_known = isinstance(values, list) and len(values) == count and all(type(v) in (int, float) for v in values)
        if kind not in ("identity", "scale", "translation") or not is_known:
            return [], []
        if kind == "scale":
            scale = [a * b for a, b in zip(scale, values, strict=True)]
            shift = [a * b for a, b in zip(shift, values, strict=True)]
        elif kind == "translation":
            shift = [a + b for a, b in zip(shift, values, strict=True)]
    return scale, shift


def _list_steps(step: Any) -> Sequence[Any]:
    is_sequence = isinstance(step, Mapping) and step.get("type") == "sequence"  # of version 0.6
    return step.get("transformations") or [None] if is_sequence else [step]


def read_channels(omero: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read labels and colours of the channels; those that not all of them have are left out."""
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    channels = [channel for channel in channels or [] if isinstance(channel, Mapping)]
    labels = [str(channel["label"]) for channel in channels if channel.get("label") not in (None, "")]
    colours = [str(channel.get("color", "")).lstrip("#") for channel in channels]
    colours = [colour for colour in colours if re.fullmatch("[0-9A-Fa-f]{6}", colour)]
    return tuple(labels) if len(labels) == len(channels) else (), (
        tuple(colour.upper() for colour in colours) if len(colours) == len(channels) else ()
    )
