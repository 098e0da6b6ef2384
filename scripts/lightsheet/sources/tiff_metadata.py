"""What TIFF files say about themselves: voxel size, times, and which page is which timepoint, channel and plane.

Read from OME-XML and ImageJ's description. Resolution tags of other TIFFs are not believed: most writers fill them with
printing defaults.
"""

import logging
import math
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from xml.etree import ElementTree

import tifffile

from lightsheet.sources.metadata import MICROMETRES, SECONDS, FileMetadata, convert_positive, convert_unit

logger = logging.getLogger("lightsheet")


def read_metadata(path: Path) -> FileMetadata:
    """Read what a TIFF says about itself in OME-XML, else in ImageJ's tags; nothing where it has neither.

    Parameters
    ----------
    path : Path, a TIFF file; one of an OME-TIFF set describes the whole set in `sizes`, and itself in `file_sizes`
    """
    try:
        with tifffile.TiffFile(path) as file:
            if file.is_ome and file.ome_metadata:
                return _read_ome(file.ome_metadata, path, len(file.pages))
            if file.is_imagej:
                return _read_imagej(file, path)
    except Exception as error:  # damaged in any of a thousand ways: whoever needs it complains
        logger.debug("%s: its metadata cannot be read (%s)", path, error)
        return FileMetadata(f"metadata of {path.name}", is_damaged=True)
    return FileMetadata(f"metadata of {path.name}")


def _read_imagej(file: tifffile.TiffFile, path: Path) -> FileMetadata:
    tags = file.imagej_metadata or {}
    unit = tags.get("unit")
    per_unit = dict(zip("xy", file.pages.first.resolution, strict=True))
    if set(per_unit.values()) == {1}:  # what a TIFF has where nobody set it
        per_unit = {}
    pixel = {axis: 1 / number for axis, number in per_unit.items() if number}
    voxel_size = {
        "z": convert_positive(tags.get("spacing"), tags.get("zunit", unit), MICROMETRES),
        "y": convert_positive(pixel.get("y"), tags.get("yunit", unit), MICROMETRES),
        "x": convert_positive(pixel.get("x"), unit, MICROMETRES),
    }
    names = {"T": "frames", "C": "channels", "Z": "slices"}
    sizes = {axis: int(tags.get(name, 1)) for axis, name in names.items() if names.values() & tags.keys()}
    pages = tags.get("images", 1) if len(file.pages) == 1 else len(file.pages)  # over 4 GB, one page stands for all
    return FileMetadata(
        f"ImageJ tags of {path.name}",
        {axis: size for axis, size in voxel_size.items() if size is not None},
        convert_positive(tags.get("finterval"), tags.get("tunit", "s"), SECONDS),
        axes="TZC" if sizes else "",
        sizes=sizes,
        file_sizes=sizes if math.prod(sizes.values()) == pages else {},
    )


def _read_ome(text: str, path: Path, pages: int) -> FileMetadata:
    root = ElementTree.fromstring(text)
    uuid = root.get("UUID", "")
    if (companion := root.find("{*}BinaryOnly")) is not None:
        root = ElementTree.parse(path.with_name(companion.attrib["MetadataFile"])).getroot()
    images = [pixels for image in root.findall("{*}Image") if (pixels := image.find("{*}Pixels")) is not None]
    plane_lists = [_list_planes(pixels, path.name, uuid, pages) for pixels in images]
    # Of the positions of a stage, each an Image, the one that lies in this file.
    pixels, planes = max(zip(images, plane_lists, strict=True), key=lambda image: bool(image[1]))
    channels, (axes, sizes) = pixels.findall("{*}Channel"), _read_dimensions(pixels)
    file_sizes = {axis: len({plane[axis] for plane in planes}) for axis in "TCZ"}
    voxel_size = {axis: _read_quantity(pixels, f"PhysicalSize{axis.upper()}", "um", MICROMETRES) for axis in "zyx"}
    wavelengths = [_read_quantity(channel, "ExcitationWavelength", "nm", MICROMETRES) for channel in channels]
    return FileMetadata(
        f"OME-XML of {path.name}",
        {axis: size for axis, size in voxel_size.items() if size is not None},
        _read_quantity(pixels, "TimeIncrement", "s", SECONDS),
        _read_times(pixels, sizes["T"]),
        _find_order(planes, axes),
        sizes,
        file_sizes if len(planes) == pages == math.prod(file_sizes.values()) else {},
        tuple(channel.get("Name", "") for channel in channels),
        tuple(round(micrometre * 1000) if micrometre else None for micrometre in wavelengths),
    )


def _read_quantity(element: ElementTree.Element, name: str, unit: str, scales: Mapping[str, float]) -> float | None:
    """Read a positive attribute, in the unit that the attribute beside it gives, or else in this one."""
    return convert_positive(element.get(name), element.get(f"{name}Unit", unit), scales)


def _read_dimensions(pixels: ElementTree.Element) -> tuple[str, dict[str, int]]:
    """Read the nominal order of T, C and Z, the slowest first, and their sizes."""
    order = pixels.attrib["DimensionOrder"][:1:-1]  # OME writes the fastest first: XYCZT
    sizes = {axis: int(pixels.attrib[f"Size{axis}"]) for axis in "TCZ"}
    if sorted(order) != ["C", "T", "Z"] or min(sizes.values()) < 1:
        raise ValueError(f"DimensionOrder {pixels.attrib['DimensionOrder']}, sizes {sizes}")
    return order, sizes


def _read_times(pixels: ElementTree.Element, count: int) -> tuple[float, ...]:
    """Read the seconds from the first timepoint to each, by the earliest plane of each that has a time."""
    earliest: dict[str, float] = {}
    for plane in pixels.findall("{*}Plane"):
        timepoint = plane.get("TheT", "")
        time = convert_unit(plane.get("DeltaT"), plane.get("DeltaTUnit", "s"), SECONDS)
        if math.isfinite(time):
            earliest[timepoint] = min(time, earliest.get(timepoint, time))
    times = [earliest[timepoint] for timepoint in map(str, range(count)) if timepoint in earliest]
    is_complete = len(times) == len(earliest) == count and times == sorted(set(times))
    return tuple(time - times[0] for time in times) if is_complete else ()


def _list_planes(pixels: ElementTree.Element, name: str, uuid: str, pages: int) -> list[dict[str, int]]:
    """List T, C and Z of those pages of a file that OME-XML lists, in the order of the pages."""
    axes, sizes = _read_dimensions(pixels)
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
            index, plane = start + step, {}
            for axis in reversed(axes):
                index, plane[axis] = divmod(index, sizes[axis])
            planes[page + step] = plane
    return [planes[page] for page in sorted(planes)]


def _find_order(planes: list[dict[str, int]], nominal: str) -> str:
    """Find the order of axes in which the planes follow each other: Micro-Manager's DimensionOrder is a constant."""
    for axes in (nominal, *map("".join, permutations("TCZ"))):
        places = [tuple(plane[axis] for axis in axes) for plane in planes]
        if places == sorted(set(places)):
            return axes
    return ""
