"""What TIFF files say about themselves: voxel size, times, and which page is which timepoint, channel and plane.

Read from OME-XML and ImageJ's description, and the order of the pages from whatever else names it. Resolution tags of
other TIFFs are not believed: most writers fill them with printing defaults.
"""

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import tifffile

from lightsheet.sources.metadata import MICROMETRES, SECONDS, FileMetadata, convert_positive, convert_unit
from lightsheet.sources.page_axes import MICROMANAGER, Plane, find_order, find_page_axes, list_places, order_places
from lightsheet.sources.tiff_pages import read_pages

logger = logging.getLogger("lightsheet")
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # a sentence of ours refuses a damaged file


def read_metadata(path: Path, *others: Path) -> FileMetadata:
    """Read what a TIFF says about itself in OME-XML, else in ImageJ's tags, else of its pages alone.

    Parameters
    ----------
    path : Path, a TIFF file; one of an OME-TIFF set describes the whole set in `sizes`, and itself in `file_sizes`
    others : Path, files whose pages continue those of the first: then `file_sizes` are of all of them, and what they
        say that contradicts the first is a problem; files of single planes contradict nothing
    """
    try:
        metadata, pages, places = _read_file(path)
        is_planes = pages == 1 and not any(len(read_pages(other)) > 1 for other in others[:1])
        parts = [] if is_planes else [_read_file(other) for other in others]
    except Exception as error:  # damaged in any of a thousand ways: whoever needs it complains
        logger.debug("%s: its metadata cannot be read (%s)", path, error)
        return FileMetadata(f"metadata of {path.name}", is_damaged=True)
    if parts:
        pages += sum(part.pages for part in parts)
        is_whole = math.prod(metadata.sizes.values()) == pages
        if (
            metadata.is_listed and not is_whole and metadata.sizes != metadata.file_sizes
        ):  # a file of the set is missing
            return metadata._replace(file_sizes={})
        metadata = metadata._replace(file_sizes=metadata.sizes if is_whole else metadata.file_sizes)
    if places or any(part.places for part in parts):
        places = [*places, *(place for part in parts for place in part.places)]
        return _compare_micromanager(metadata, places, pages)
    return _compare_parts(metadata, [part.metadata for part in parts if part.pages > 1])


class _File(NamedTuple):
    metadata: FileMetadata
    pages: int
    places: list[dict[str, Any]]  # of its pages, as Micro-Manager's tags have them


def _read_file(path: Path) -> _File:
    with tifffile.TiffFile(path) as file:
        pages = len(file.pages)
        places = list_places(path) if MICROMANAGER in file.pages.first.tags else []
        if file.is_ome and file.ome_metadata:
            return _File(_read_ome(file.ome_metadata, path, pages), pages, places)
        pages = pages if pages > 1 else len(read_pages(path))
        if file.is_imagej:
            return _File(_read_imagej(file, path), pages, places)
        axes, sizes, problem = find_page_axes(file, pages, has_places=bool(places))
        metadata = FileMetadata(f"metadata of {path.name}", axes=axes, sizes=sizes, file_sizes=sizes, problem=problem)
        return _File(metadata, pages, places)


def _compare_micromanager(metadata: FileMetadata, places: list[dict[str, Any]], pages: int) -> FileMetadata:
    """Compare the order of the pages with what Micro-Manager's tags of each say, and take it from them if unknown."""
    if metadata.problem or pages == 1:
        return metadata
    if len(places) != pages:
        return metadata._replace(problem=f"Micro-Manager's tags tell of {len(places)} of its {pages} pages")
    tags = order_places(places)
    if tags.problem or not metadata.sizes or not metadata.file_sizes:
        sizes = metadata.sizes or tags.sizes
        return metadata._replace(axes=tags.axes, sizes=sizes, file_sizes=tags.sizes, problem=tags.problem)
    orders = [
        [(axis, sizes[axis]) for axis in axes if sizes[axis] > 1]
        for axes, sizes in ((metadata.axes, metadata.file_sizes), (tags.axes, tags.sizes))
    ]
    if orders[0] != orders[1]:
        first, second = (", ".join(f"{axis}={size}" for axis, size in order) for order in orders)
        problem = f"{metadata.source} says that its pages are {first}, Micro-Manager's tags {second}, slowest first"
        return metadata._replace(problem=problem)
    return metadata


def _compare_parts(metadata: FileMetadata, parts: list[FileMetadata]) -> FileMetadata:
    """Note as a problem what files say that continue another one: of themselves, they too must be planes."""
    if metadata.problem or metadata.is_listed:
        return metadata
    for part in parts:
        is_several = math.prod(part.sizes.get(axis, 1) for axis in "TC") > 1
        if part.problem or (is_several and (part.axes, part.sizes) != (metadata.axes, metadata.sizes)):
            sizes = ", ".join(f"{axis}={size}" for axis, size in part.sizes.items())
            problem = part.problem or f"{part.source} says {sizes}, unlike the file that it continues"
            return metadata._replace(problem=problem)
    return metadata


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
    images = int(tags.get("images", 0))
    if not sizes and images > 1:  # programs that describe each page write 1
        sizes = {"T": 1, "C": 1, "Z": images}
    # Over 4 GB, one page stands for all.
    pages = images or 1 if len(file.pages) == 1 else len(file.pages)
    # The fastest first; "default" is what ImageJ calls it where it turned the pages into it.
    order = re.sub(r"\(.*|[^a-z]", "", str(tags.get("order", "czt")).lower()).removeprefix("xy")
    axes, problem = order[::-1].upper(), ""
    if sorted(axes) != ["C", "T", "Z"]:
        problem = f"ImageJ tags of it say that the order of its pages is {tags['order']!r}, which is not understood"
    return FileMetadata(
        f"ImageJ tags of {path.name}",
        {axis: size for axis, size in voxel_size.items() if size is not None},
        convert_positive(tags.get("finterval"), tags.get("tunit", "s"), SECONDS),
        axes=axes if sizes else "",
        sizes=sizes,
        file_sizes=sizes if math.prod(sizes.values()) == pages else {},
        problem=problem if sizes and math.prod(sizes.values()) != sizes["Z"] else "",
    )


def _read_ome(text: str, path: Path, pages: int) -> FileMetadata:
    root = ElementTree.fromstring(text)
    uuid = root.get("UUID", "")
    if (companion := root.find("{*}BinaryOnly")) is not None:
        root = ElementTree.parse(path.with_name(companion.attrib["MetadataFile"])).getroot()
    images = [pixels for image in root.findall("{*}Image") if (pixels := image.find("{*}Pixels")) is not None]
    plane_maps = [_map_planes(pixels, path.name, uuid, pages) for pixels in images]
    plane_lists = [[planes[page] for page in sorted(planes)] for planes in plane_maps]
    # Of the positions of a stage, each an Image, the one that lies in this file.
    pixels, planes = max(zip(images, plane_lists, strict=True), key=lambda image: bool(image[1]))
    channels, (axes, sizes) = pixels.findall("{*}Channel"), _read_dimensions(pixels)
    file_sizes = {axis: len({plane[axis] for plane in planes}) for axis in "TCZ"}
    voxel_size = {axis: _read_quantity(pixels, f"PhysicalSize{axis.upper()}", "um", MICROMETRES) for axis in "zyx"}
    order = find_order(planes, axes)
    wavelengths = [_read_quantity(channel, "ExcitationWavelength", "nm", MICROMETRES) for channel in channels]
    return FileMetadata(
        f"OME-XML of {path.name}",
        {axis: size for axis, size in voxel_size.items() if size is not None},
        _read_quantity(pixels, "TimeIncrement", "s", SECONDS),
        _read_times(pixels, sizes["T"]),
        order,
        sizes,
        file_sizes if len(planes) == pages == math.prod(file_sizes.values()) else {},
        tuple(channel.get("Name", "") for channel in channels),
        tuple(round(micrometre * 1000) if micrometre else None for micrometre in wavelengths),
        problem=_find_problem(root, plane_maps, order, path.name),
        is_listed=bool(planes),
    )


def _find_problem(root: ElementTree.Element, plane_maps: list[dict[int, Plane]], order: str, name: str) -> str:
    """Say why the pages cannot be laid out as OME-XML says; empty if they can."""
    if (count := sum(map(bool, plane_maps))) > 1:
        return f"OME-XML of {name} says that it holds {count} images"
    pages = sorted(page for planes in plane_maps for page in planes)
    if pages and pages[-1] != len(pages) - 1:
        return f"OME-XML of {name} leaves out some of the pages before {pages[-1]} (from 0)"
    modulo = next((element for element in root.iter() if "}ModuloAlong" in element.tag), None)
    if modulo is not None:
        kind = modulo.get("Type", "an unknown axis")
        return f"OME-XML of {name} says that {kind} lies along {modulo.tag[-1]}"
    if not order:
        return f"OME-XML of {name} lists the pages in an order that is none of T, C and Z"
    return ""


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


def _map_planes(pixels: ElementTree.Element, name: str, uuid: str, pages: int) -> dict[int, Plane]:
    """Map those pages of a file that OME-XML lists to their T, C and Z."""
    axes, sizes = _read_dimensions(pixels)
    listed = pixels.findall("{*}TiffData")
    holders = {(holder.get("FileName"), holder.text) for data in listed for holder in data.findall("{*}UUID")}
    planes: dict[int, Plane] = {}
    for data in listed:
        holder = data.find("{*}UUID")
        is_other = holder is not None and name != holder.get("FileName") and (holder.text or "").strip() != uuid
        if is_other and len(holders) > 1:  # a single file is this one, renamed
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
    return planes
