"""What a TIFF says of its pages' axes beside OME-XML, ImageJ's sizes and Micro-Manager's tags.

What names axes and is not understood is a problem, never passed over: whoever lays out the pages refuses it.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import tifffile

from lightsheet.sources.page_descriptions import read_descriptions
from lightsheet.sources.page_sequence import PageAxes


def find_page_axes(file: tifffile.TiffFile, pages: int, *, has_places: bool) -> PageAxes:
    """Find what a file without OME-XML says of its `pages`; nothing where they are planes as far as it tells.

    `has_places`: Micro-Manager's tags, which are not looked at here, say of each page what it is.
    """
    first = file.pages.first
    if first.is_shaped:
        return _read_images(_list_shaped(file), pages)
    if has_places:
        return PageAxes()
    if file.is_stk:
        wavelengths = set((file.stk_metadata or {}).get("Wavelengths", ()))
        return PageAxes(problem=f"its planes are of {len(wavelengths)} wavelengths" if len(wavelengths) > 1 else "")
    if file.is_scanimage or file.is_fluoview or file.is_lsm or file.is_sis:
        axes = _read_images([(image.shape, image.axes) for image in file.series], pages)
        if axes.sizes or axes.problem:
            return axes
    return read_descriptions(file, pages) if pages > 1 else PageAxes()


def _list_shaped(file: tifffile.TiffFile) -> list[tuple[tuple[int, ...], str]]:
    """List the shape and the axes of each image that tifffile described in a file."""
    images: list[tuple[tuple[int, ...], str]] = []
    place = 0
    while place < len(file.pages):
        page: Any = file.pages[place]
        if not (text := page.shaped_description):
            break
        description = json.loads(text) if text.startswith("{") else {"shape": re.findall(r"\d+", text)}
        shape = tuple(map(int, description["shape"]))
        images.append((shape, str(description.get("axes") or "")))
        place += max(1, math.prod(shape) // max(1, math.prod(page.shape)))
    return images


def _read_images(images: Sequence[tuple[tuple[int, ...], str]], pages: int) -> PageAxes:
    """Lay out the pages as the one image of a file has them; images of single pages are planes."""
    planes = [math.prod(shape[:-2]) for shape, _ in images]
    if sum(planes) != pages:
        return PageAxes(problem=f"it has {pages} pages, but says that they are {_format_images(images)}")
    if max(planes) == 1:
        return PageAxes()
    if len(images) > 1:
        return PageAxes(problem=f"it holds {len(images)} images: {_format_images(images)}")
    ((shape, axes),) = images
    if axes and len(axes) != len(shape):
        return PageAxes(problem=f"it says that its pages are {_format_images(images)}")
    letters = axes[:-2].upper() if axes else "?" * len(shape[:-2])
    sizes = [(letter, size) for letter, size in zip(letters, shape[:-2], strict=True) if size > 1]
    if len(sizes) == 1 and sizes[0][0] in "?IQ":  # a sequence, of which nothing says along which axis: planes
        return PageAxes()
    names = "".join(letter for letter, _ in sizes)
    if (axes and axes[-2:].upper() != "YX") or set(names) - set("TCZ") or len(set(names)) < len(names):
        return PageAxes(problem=f"it says that its pages are {_format_images(images)}, and not which of T, C and Z")
    return PageAxes("".join(axis for axis in "TCZ" if axis not in names) + names, dict.fromkeys("TCZ", 1) | dict(sizes))


def _format_images(images: Iterable[tuple[tuple[int, ...], str]]) -> str:
    texts = [f"{shape} {axes}".strip() for shape, axes in images]
    return ", ".join(texts[:3]) + (" ..." if len(texts) > 3 else "")
