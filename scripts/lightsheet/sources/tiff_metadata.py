"""What TIFF files say about themselves: voxel size, times, and which page is which timepoint, channel and plane.

Read from OME-XML and ImageJ's description, and the order of the pages from whatever else names it. Resolution tags of
other TIFFs are not believed: most writers fill them with printing defaults.
"""

import logging
import math
from pathlib import Path
from typing import Any, NamedTuple

import tifffile

from lightsheet.sources.imagej_tags import read_imagej_tags
from lightsheet.sources.metadata import FileMetadata
from lightsheet.sources.micromanager import MICROMANAGER, list_places, order_places
from lightsheet.sources.ome_xml import read_ome_xml
from lightsheet.sources.page_axes import find_page_axes
from lightsheet.sources.tiff_pages import read_pages

logger = logging.getLogger("lightsheet")


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
        is_file_missing = metadata.is_listed and not is_whole and metadata.sizes != metadata.file_sizes
        if is_file_missing:
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
            return _File(read_ome_xml(file.ome_metadata, path, pages), pages, places)
        pages = pages if pages > 1 else len(read_pages(path))
        if file.is_imagej:
            return _File(read_imagej_tags(file, path), pages, places)
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
