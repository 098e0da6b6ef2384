"""What files say about themselves: voxel size, time step, and which page is which timepoint, channel and plane.

Read from OME-XML, ImageJ's description, and a lattice light-sheet microscope's settings file. Resolution tags of
other TIFFs are not believed: most writers fill them with printing defaults. What is absent or damaged is unknown,
never an error.
"""

import logging
import math
from collections.abc import Mapping
from itertools import pairwise, permutations
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import tifffile

logger = logging.getLogger("lightsheet")

LENGTHS = {"nm": 1e-3, "um": 1.0, "mm": 1e3, "m": 1e6} | dict.fromkeys(("micron", "microns", "micrometer"), 1.0)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}


class FileMetadata(NamedTuple):
    """What one file says.

    `source` names the metadata in sentences, such as "OME-XML of a.tif". `voxel_size` in micrometre has those of
    z, y, x that are known; `z_choices` holds the distances between planes, in micrometre, that the file leaves
    open. `interval` is in seconds from one timepoint to the next, as the microscope was set; `times`, seconds since
    the first, has the time at which each of the T timepoints was recorded, or none: where one is not known, or they
    do not increase. `axes` is the order of the pages, slowest first, such as "TZC", and empty where unknown; `sizes`
    the numbers of T, C and Z in all that is described; `own` the same for this file alone where the pages listed for
    it are complete. `channels` and `wavelengths` (excitation, nm) have one entry per channel, or none. `damaged`:
    there is metadata, but nothing could be read of it.
    """

    source: str
    voxel_size: Mapping[str, float] = {}
    interval: float | None = None
    times: tuple[float, ...] = ()
    axes: str = ""
    sizes: Mapping[str, int] = {}
    own: Mapping[str, int] = {}
    channels: tuple[str, ...] = ()
    wavelengths: tuple[int | None, ...] = ()
    z_choices: tuple[float, ...] = ()
    damaged: bool = False


def read_metadata(path: Path) -> FileMetadata:
    """Read what a TIFF says about itself.

    Parameters
    ----------
    path : Path
        The file; its pixels are not read.

    Returns
    -------
    Metadata
        From OME-XML, else from ImageJ's tags; nothing is known where there is neither or it cannot be read.
        The file of an OME-TIFF set describes the whole set in `sizes`, and itself in `own`.
    """
    try:
        with tifffile.TiffFile(path) as file:
            if file.is_ome and file.ome_metadata:
                return _read_ome(file.ome_metadata, path, len(file.pages))
            if file.is_imagej:
                return _read_imagej(file, path)
    except Exception as error:  # damaged in any of a thousand ways: whoever needs it complains
        logger.debug("%s: its metadata cannot be read (%s)", path, error)
        return FileMetadata(f"metadata of {path.name}", damaged=True)
    return FileMetadata(f"metadata of {path.name}")


def convert_positive(value: object, unit: object, scales: Mapping[str, float]) -> float | None:
    """Convert a size with a unit; None for what is 0, no number, or of no unit of these."""
    number = abs(_converted(value, unit, scales))  # ImageJ's spacing is negative in stacks taken downwards
    return number if 0 < number < math.inf else None


def _converted(value: object, unit: object, scales: Mapping[str, float]) -> float:
    """Convert a number with a unit; NaN for what is no number or of no unit of these."""
    name = str(unit).strip().replace("\\u00B5", "u").replace("µ", "u").replace("μ", "u")
    try:
        return float(str(value)) * scales[name]
    except (KeyError, ValueError):
        return math.nan


def _only_known(voxel_size: dict[str, float | None]) -> dict[str, float]:
    return {axis: size for axis, size in voxel_size.items() if size is not None}


def _read_imagej(file: tifffile.TiffFile, path: Path) -> FileMetadata:
    tags = file.imagej_metadata or {}
    unit = tags.get("unit")
    per_unit = dict(zip("xy", file.pages.first.resolution, strict=True))
    if set(per_unit.values()) == {1}:  # what a TIFF has where nobody set it
        per_unit = {}
    voxel_size = {
        "z": convert_positive(tags.get("spacing"), tags.get("zunit", unit), LENGTHS),
        "y": convert_positive(1 / per_unit["y"], tags.get("yunit", unit), LENGTHS) if per_unit.get("y") else None,
        "x": convert_positive(1 / per_unit["x"], unit, LENGTHS) if per_unit.get("x") else None,
    }
    names = {"T": "frames", "C": "channels", "Z": "slices"}
    sizes = {axis: int(tags.get(name, 1)) for axis, name in names.items() if names.values() & tags.keys()}
    pages = tags.get("images", 1) if len(file.pages) == 1 else len(file.pages)  # over 4 GB, one page stands for all
    return FileMetadata(
        f"ImageJ tags of {path.name}",
        _only_known(voxel_size),
        convert_positive(tags.get("finterval"), tags.get("tunit", "s"), _SECONDS),
        axes="TZC" if sizes else "",
        sizes=sizes,
        own=sizes if math.prod(sizes.values()) == pages else {},
    )


def _read_ome(text: str, path: Path, pages: int) -> FileMetadata:
    root = ElementTree.fromstring(text)
    uuid = root.get("UUID", "")
    if (elsewhere := root.find("{*}BinaryOnly")) is not None:
        root = ElementTree.parse(path.with_name(elsewhere.attrib["MetadataFile"])).getroot()
    described = [pixels for image in root.findall("{*}Image") if (pixels := image.find("{*}Pixels")) is not None]
    listed = [_list_planes(pixels, path.name, uuid, pages) for pixels in described]
    # Of the positions of a stage, each an Image, the one that lies in this file.
    pixels, planes = max(zip(described, listed, strict=True), key=lambda image: bool(image[1]))
    channels, sizes = pixels.findall("{*}Channel"), _ome_sizes(pixels)
    units = {axis: pixels.get(f"PhysicalSize{axis.upper()}Unit", "um") for axis in "zyx"}
    voxel_size = {
        axis: convert_positive(pixels.get(f"PhysicalSize{axis.upper()}"), units[axis], LENGTHS) for axis in "zyx"
    }
    return FileMetadata(
        f"OME-XML of {path.name}",
        _only_known(voxel_size),
        convert_positive(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"), _SECONDS),
        _ome_times(pixels, sizes["T"]),
        _order_of(planes, _ome_axes(pixels)),
        sizes,
        _sizes_of(planes) if len(planes) == pages else {},
        tuple(channel.get("Name", "") for channel in channels),
        tuple(_excitation(channel) for channel in channels),
    )


def _ome_axes(pixels: ElementTree.Element) -> str:
    axes = pixels.attrib["DimensionOrder"][:1:-1]  # OME writes the fastest first: XYCZT
    if sorted(axes) != ["C", "T", "Z"]:
        raise ValueError(f"DimensionOrder {pixels.attrib['DimensionOrder']}")
    return axes


def _ome_sizes(pixels: ElementTree.Element) -> dict[str, int]:
    sizes = {axis: int(pixels.attrib[f"Size{axis}"]) for axis in "TCZ"}
    if min(sizes.values()) < 1:
        raise ValueError(f"sizes {sizes}")
    return sizes


def _ome_times(pixels: ElementTree.Element, count: int) -> tuple[float, ...]:
    """Seconds from the first timepoint to each, by the earliest plane of each that has a time."""
    earliest: dict[str, float] = {}
    for plane in pixels.findall("{*}Plane"):
        timepoint = plane.get("TheT", "")
        time = _converted(plane.get("DeltaT"), plane.get("DeltaTUnit", "s"), _SECONDS)
        if math.isfinite(time):
            earliest[timepoint] = min(time, earliest.get(timepoint, time))
    times = [earliest[timepoint] for timepoint in map(str, range(len(earliest))) if timepoint in earliest]
    increase = all(before < after for before, after in pairwise(times))
    return tuple(time - times[0] for time in times) if len(times) == len(earliest) == count and increase else ()


def _excitation(channel: ElementTree.Element) -> int | None:
    unit = channel.get("ExcitationWavelengthUnit", "nm")
    micrometre = convert_positive(channel.get("ExcitationWavelength"), unit, LENGTHS)
    return round(micrometre * 1000) if micrometre else None


def _list_planes(pixels: ElementTree.Element, name: str, uuid: str, pages: int) -> list[dict[str, int]]:
    """T, C and Z of those pages of a file that OME-XML lists, in the order of the pages."""
    axes, sizes = _ome_axes(pixels), _ome_sizes(pixels)
    planes: dict[int, dict[str, int]] = {}
    for data in pixels.findall("{*}TiffData"):
        holder = data.find("{*}UUID")
        if holder is not None and name != holder.get("FileName") and (holder.text or "").strip() != uuid:
            continue
        page = int(data.get("IFD", 0))
        count = int(data.get("PlaneCount", 1 if "IFD" in data.attrib else math.prod(sizes.values())))
        start = 0
        for axis in axes:
            start = start * sizes[axis] + int(data.get(f"First{axis}", 0))
        for step in range(min(count, pages - page)):
            planes[page + step] = _unravel(start + step, axes, sizes)
    return [planes[page] for page in sorted(planes)]


def _unravel(index: int, axes: str, sizes: Mapping[str, int]) -> dict[str, int]:
    place = {}
    for axis in reversed(axes):
        index, place[axis] = divmod(index, sizes[axis])
    return place


def _order_of(planes: list[dict[str, int]], nominal: str) -> str:
    """Find the order of axes in which the planes follow each other: Micro-Manager's DimensionOrder is a constant."""
    for axes in (nominal, *map("".join, permutations("TCZ"))):
        places = [tuple(plane[axis] for axis in axes) for plane in planes]
        if all(before < after for before, after in pairwise(places)):
            return axes
    return ""


def _sizes_of(planes: list[dict[str, int]]) -> dict[str, int]:
    """Numbers of T, C and Z, if the planes are all their combinations."""
    sizes = {axis: len({plane[axis] for plane in planes}) for axis in "TCZ"}
    return sizes if math.prod(sizes.values()) == len(planes) else {}
