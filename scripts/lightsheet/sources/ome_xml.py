"""OME-XML of a TIFF: voxel size, times, channels, and which page is which plane."""

import math
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from lightsheet.sources.metadata import MICROMETRES, SECONDS, FileMetadata, convert_positive, convert_unit
from lightsheet.sources.page_sequence import Plane, find_order


def read_ome_xml(text: str, path: Path, pages: int) -> FileMetadata:
    """Read the OME-XML of a file, or of the companion that it names."""
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
    entries = pixels.findall("{*}TiffData")
    holders = {(holder.get("FileName"), holder.text) for data in entries for holder in data.findall("{*}UUID")}
    planes: dict[int, Plane] = {}
    for data in entries:
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
