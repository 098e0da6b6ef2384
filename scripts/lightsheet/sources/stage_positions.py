"""Where tiles lie, as their files or a list beside them say: read of each tile's first page alone."""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import tifffile

from lightsheet.sources.metadata import MICROMETRES, convert_unit
from lightsheet.sources.micromanager import MICROMANAGER
from lightsheet.sources.zarr_image import read_place
from lightsheet.system import escape_name

LISTS = ("ImageList*.csv", "TileConfiguration*.txt")
"""What the programs of lattice microscopes, and Fiji's stitching, write beside the stacks."""

ROW = re.compile(r"^[ \t]*([^#;\n]+?)[ \t]*;[^;\n]*;[ \t]*\(([^()\n]+)\)[ \t]*$", re.MULTILINE)
"""A tile of a TileConfiguration.txt: `name.tif; ; (0.0, 100.0, 0.0)`, x first, in voxels."""


class StagePosition(NamedTuple):
    """Where a tile lies along those of x, y, z that are known; `unit` is um, voxel, or empty where it is not known."""

    place: Mapping[str, float]
    unit: str
    source: str


def read_stage_positions(folder: Path, paths: Sequence[Path]) -> dict[Path, StagePosition]:
    """Read where tiles lie, of those of which it is known.

    Parameters
    ----------
    folder : Path, where a list of all may be
    paths : sequence of Path, the first file of each tile
    """
    for file in (file for pattern in LISTS for file in sorted(folder.glob(pattern))):
        places = dict(_read_list(file))
        if names := {path: place for path in paths if (place := places.get(path.name))}:
            unit = "um" if file.suffix == ".csv" else "voxel"
            return {path: StagePosition(place, unit, file.name) for path, place in names.items()}
    return {path: position for path in paths if (position := _read_file(path))}


def _read_list(file: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the name and the place of each tile of a list; of what is no list, nothing."""
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    if file.suffix == ".csv":
        for row in csv.DictReader(text.splitlines()):
            name = re.split(r"[/\\]", row.get("Filename") or "")[-1]
            place = {axis: row.get(f"Stage{axis.upper()}_um_") for axis in "xyz"}
            if name and (numbers := _read_numbers(place)):
                yield name, numbers
    for name, values in ROW.findall(text):
        if numbers := _read_numbers(dict(zip("xyz", values.split(","), strict=False))):
            yield re.split(r"[/\\]", name)[-1], numbers


def _read_numbers(place: Mapping[str, object]) -> dict[str, float]:
    numbers = {axis: convert_unit(value, "um", MICROMETRES) for axis, value in place.items()}
    return {axis: number for axis, number in numbers.items() if math.isfinite(number)}


def _read_file(path: Path) -> StagePosition | None:
    try:
        if path.is_dir():
            place = read_place(path)
            return StagePosition(place, "um", f"OME-NGFF metadata of {escape_name(str(path))}") if place else None
        with tifffile.TiffFile(path) as file:
            tag = file.pages.first.tags.get(MICROMANAGER)
            if tag is not None and (place := _read_micromanager(tag.value)):
                return StagePosition(place, "um", f"Micro-Manager's tag in {path.name}")
            if file.is_ome and file.ome_metadata:
                return _read_ome(file.ome_metadata, path)
    except Exception:
        return None
    return None


def _read_micromanager(tags: Any) -> dict[str, float]:
    if isinstance(tags, str | bytes):
        tags = json.loads(tags)
    names = ("{}PositionUm", "{}Position_um_Intended", "{}Position_um")
    place = {
        axis: next((tags[key] for name in names if (key := name.format(axis.upper())) in tags), None) for axis in "xyz"
    }
    scalars = {axis: value["scalar"] if isinstance(value, dict) else value for axis, value in place.items()}
    return _read_numbers(scalars)


def _read_ome(text: str, path: Path) -> StagePosition | None:
    """Read the place of the first plane of the image that lies in this file, or else the label of the stage."""
    root = ElementTree.fromstring(text)
    images = root.findall("{*}Image")
    if len(images) > 1:
        names = {path.name, root.get("UUID", path.name)}
        images = [image for image in images if names & {*_list_holders(image)}]
    if len(images) != 1:
        return None
    for element in (*images[0].findall("{*}Pixels/{*}Plane"), *images[0].findall("{*}StageLabel")):
        stem = "Position" if element.tag.endswith("}Plane") else ""
        units = [unit for axis in "XYZ" if (unit := element.get(f"{stem}{axis}Unit"))]
        is_known = bool(units) and convert_unit(1, units[0], MICROMETRES) > 0
        place = {
            axis: convert_unit(element.get(f"{stem}{axis.upper()}"), units[0] if is_known else "um", MICROMETRES)
            for axis in "xyz"
        }
        if numbers := {axis: number for axis, number in place.items() if math.isfinite(number)}:
            return StagePosition(numbers, "um" if is_known else "", f"OME-XML of {path.name}")
    return None


def _list_holders(image: ElementTree.Element) -> Iterator[str]:
    """Yield names and identifiers of the files in which an image lies."""
    for holder in image.findall("{*}Pixels/{*}TiffData/{*}UUID"):
        yield from (holder.get("FileName", ""), (holder.text or "").strip())
