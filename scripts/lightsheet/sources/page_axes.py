"""What a TIFF says of its pages' axes beside OME-XML and ImageJ's sizes: tifffile's JSON, tags and texts of pages.

What names axes and is not understood is a problem, never passed over: whoever lays out the pages refuses it.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import tifffile

from lightsheet.sources.tiff_ifd import read_directories

Plane = dict[str, int]


class PageAxes(NamedTuple):
    """The order of the pages of one file, slowest first, and the numbers of T, C and Z; or why it is not known."""

    axes: str = ""
    sizes: Mapping[str, int] = {}
    problem: str = ""


MICROMANAGER = 51123
TAG_BYTES = 1 << 22
INDICES = {
    "T": ("time", "FrameIndex", "Frame"),
    "C": ("channel", "ChannelIndex", "Channel"),
    "Z": ("z", "SliceIndex", "Slice"),
    "position": ("position", "PositionIndex", "Position"),
}
"""Micro-Manager's names for a page's place along each axis: in its NDTiff, in its stacks, and in versions before."""

PLURALS = {
    "C": "channels|wavelengths|colou?rs",
    "T": "frames|time_?points|times",
    "Z": "slices|planes|z_?sections",
    "other": "views|angles|positions|phases|illuminations",
}
NUMBER = r"""["']?\s*[:=>]\s*["']?(\d+)"""
COUNTS = {
    axis: re.compile(
        rf"(?<![a-z])(?:(?:n|num|number)?[ _-]?(?:of[ _-]?)?(?:{words})|size_?{axis}|{axis}[ _-]?size){NUMBER}"
        rf"|(?<![a-z])(?:num|number)[ _-]?(?:of[ _-]?)?(?:{words})\s+(\d+)",
        re.I,
    )
    for axis, words in PLURALS.items()
}
LETTERS = {axis: re.compile(rf"(?<![A-Za-z]){axis}\s*[:=]\s*(\d+)(?![.\d])") for axis in "TCZ"}
WORDS = re.compile(
    r"(?<![\w.])(?:(?:0*[2-9]|[1-9]\d)[ -](?:channels|wavelengths|colou?rs)|(?:0*[2-9]|[1-9]\d+)[ -]time[ -]?points"
    r"|(?:two|three|four|dual|double)[ -](?:channel|colou?r|wavelength)s?)\b"
    r"""|\bchannel(?:s|[ _]?names|s?[ _]?save)["']?\s*[:=]\s*[\[({]?\s*["']?[\w.-]+["']?\s*[;,|]\s*["']?[\w.-]+\b"""
    r"""["']?(?!\s*[:=])""",
    re.I,
)
"""Several of them in words, as a list, or as a number before what it counts."""

SINGULARS = {"T": "frame|time_?point|t", "C": "channel|c", "Z": "slice|plane|z"}
PLACES = {
    axis: re.compile(rf"(?<![a-z])(?:{words})(?:[ _]?(?:index|number|no))?{NUMBER}(?![.\d])", re.I)
    for axis, words in SINGULARS.items()
}
ORDER = re.compile(
    r"""(?:axes|dims|dim(?:ension)?s?[ _]?order|order)["']?\s*[:=]\s*["']?(\[[^\]]*\]|\([^)]*\)|[a-z]+)""", re.I
)
INITIALS = str.maketrans({"S": "Z", "P": "Z", "D": "Z", "F": "T", "R": "Y", "H": "Y", "W": "X"})
"""Axes by the initials of slice, plane, depth, frame, row, height and width, where they are named by whole words."""


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
        return (
            PageAxes(problem=f"its planes are of {len(wavelengths)} wavelengths")
            if len(wavelengths) > 1
            else PageAxes()
        )
    if file.is_scanimage or file.is_fluoview or file.is_lsm or file.is_sis:
        axes = _read_images([(image.shape, image.axes) for image in file.series], pages)
        if axes.sizes or axes.problem:
            return axes
    return _read_texts(file, pages) if pages > 1 else PageAxes()


def find_order(planes: Sequence[Plane], nominal: str) -> str:
    """Find the order of axes in which planes follow each other; empty if it is none, or an axis runs backwards."""
    for axes in (nominal, *map("".join, permutations("TCZ"))):
        places = [tuple(plane[axis] for axis in axes) for plane in planes]
        if places == sorted(set(places)):
            return axes
    return ""


def list_places(path: Path) -> list[dict[str, Any]]:
    """List the place of each page along each axis, as its tag of Micro-Manager's says; none where there are no tags.

    Axes of others' names are among them. `tifffile` would take five times as long, and there may be thousands of pages.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        places: list[dict[str, Any]] = []
        for page in read_directories(path, handle):
            if not places and MICROMANAGER not in page.tags:
                return []
            text = page.read_text(MICROMANAGER, TAG_BYTES)
            places.append(_read_indices(json.loads(text)) if text else {})
    finally:
        os.close(handle)
    return places if any(places) else []


def order_places(places: Sequence[Mapping[str, Any]]) -> PageAxes:
    """Find the order of pages, of one file or of several that follow each other, from what `list_places` returns."""
    if len({place.get("position", 0) for place in places}) > 1:
        return PageAxes(problem="Micro-Manager's tags say that its pages are of several positions")
    extra = {axis for place in places for axis in place if axis not in INDICES}
    if any(len({place.get(axis) for place in places}) > 1 for axis in extra):
        return PageAxes(
            problem=f"Micro-Manager's tags name axes of its pages that are not known: {', '.join(sorted(extra))}"
        )
    return _order_pages(places, "Micro-Manager's tags")


def _read_indices(tags: object) -> dict[str, Any]:
    """Read the place of a page along each axis from Micro-Manager's metadata of it, and along axes of others' names."""
    if not isinstance(tags, dict):
        return {}
    places = axes if isinstance(axes := tags.get("Axes"), dict) else tags
    indices = {
        axis: value["scalar"] if isinstance(value, dict) and "scalar" in value else value
        for axis, names in INDICES.items()
        for value in [next((places[name] for name in names if name in places), None)]
        if value is not None
    }
    if places is tags:
        return indices
    names = {name for group in INDICES.values() for name in group}
    return indices | {name: value for name, value in places.items() if name not in names}


def _order_pages(values: Sequence[Mapping[str, Any]], source: str) -> PageAxes:
    """Order pages by the value that each has along T, C and Z; values that are texts count as they occur."""
    ranks: dict[str, dict[Any, int]] = {axis: {} for axis in "TCZ"}
    for axis, rank in ranks.items():
        column = [value.get(axis) for value in values]
        is_number = all(isinstance(value, int) for value in column)
        for value in sorted(set(column)) if is_number else dict.fromkeys(column):  # type: ignore[type-var]
            rank[value] = len(rank)
    planes = [{axis: rank[value.get(axis)] for axis, rank in ranks.items()} for value in values]
    sizes = {axis: len(rank) for axis, rank in ranks.items()}
    axes = find_order(planes, "TZC")
    if not axes or math.prod(sizes.values()) != len(planes):
        description = ", ".join(f"{axis}={size}" for axis, size in sizes.items())
        return PageAxes(
            problem=f"{source} say that its {len(planes)} pages are {description} in no order that holds them all"
        )
    return PageAxes(axes, sizes)


def _list_shaped(file: tifffile.TiffFile) -> list[tuple[tuple[int, ...], str]]:
    """List the shape and the axes of each image that tifffile described in a file."""
    images: list[tuple[tuple[int, ...], str]] = []
    place = 0
    while place < len(file.pages):
        page: Any = file.pages[place]
        if not (text := page.shaped_description):
            break
        described = json.loads(text) if text.startswith("{") else {"shape": re.findall(r"\d+", text)}
        shape = tuple(map(int, described["shape"]))
        images.append((shape, str(described.get("axes") or "")))
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
    if len(sizes) == 1 and sizes[0][0] in "?IQ":  # a sequence of no kind
        return PageAxes()
    names = "".join(letter for letter, _ in sizes)
    if (axes and axes[-2:].upper() != "YX") or set(names) - set("TCZ") or len(set(names)) < len(names):
        return PageAxes(problem=f"it says that its pages are {_format_images(images)}, and not which of T, C and Z")
    return PageAxes("".join(axis for axis in "TCZ" if axis not in names) + names, dict.fromkeys("TCZ", 1) | dict(sizes))


def _format_images(images: Iterable[tuple[tuple[int, ...], str]]) -> str:
    texts = [f"{shape} {axes}".strip() for shape, axes in images]
    return ", ".join(texts[:3]) + (" ..." if len(texts) > 3 else "")


def _read_texts(file: tifffile.TiffFile, pages: int) -> PageAxes:
    """Read descriptions of no known kind: a text to each page that says where it lies, or one that counts."""
    text = file.pages.first.description
    if len(file.pages) > 1 and any(pattern.search(text) for pattern in PLACES.values()):
        texts = [page.description for page in map(file.pages.__getitem__, range(len(file.pages)))]  # type: ignore[union-attr]
        values = [
            {axis: int(match[1]) for axis, pattern in PLACES.items() if (match := pattern.search(text))}
            for text in texts
        ]
        if all(values) and any(value != values[0] for value in values):
            return _order_pages(values, "the descriptions of its pages")
    if _names_more_than_planes(text, pages):
        return PageAxes(problem=f"its description says of its {pages} pages {_quote(text)!r}, which is not understood")
    if re.search("<OME[ >]", text):  # which tifffile would have taken for that if it were whole
        return PageAxes(problem="its OME-XML is cut off")
    return PageAxes()


def _names_more_than_planes(text: str, pages: int) -> bool:
    """Tell whether a description speaks of channels, timepoints or other axes, or of another number of planes."""
    counts = {
        axis: int(match[match.lastindex or 1]) for axis, pattern in COUNTS.items() if (match := pattern.search(text))
    }
    letters = {axis: int(match[1]) for axis, pattern in LETTERS.items() if (match := pattern.search(text))}
    if len(letters) > 1:  # one alone could be anything
        counts = letters | counts
    words = re.findall("[A-Z]+", match[1].upper()) if (match := ORDER.search(text)) else []
    order = words[0] if len(words) == 1 else "".join(word[0] for word in words).translate(INITIALS)
    if not ({"X", "Y"} <= set(order) <= set("TCZYXSIQPRVAMHLE") or sorted(order) == list("CTZ")):
        order = ""
    samples = counts.get("other", 1)
    return bool(
        WORDS.search(text)
        or any(counts.get(axis, 2 if axis in order else 1) > 1 for axis in "TC")
        or counts.get("Z", 1) not in (1, pages)
        or set(order) & set("PRVAMHLE")
        or (1 < samples < pages and pages % samples == 0)
    )


def _quote(text: str) -> str:
    """Return the part of a description that names axes."""
    patterns = (*COUNTS.values(), *LETTERS.values(), ORDER, WORDS)
    return ", ".join(" ".join(match[0].split()) for pattern in patterns if (match := pattern.search(text)))
