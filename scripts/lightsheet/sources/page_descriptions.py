"""Descriptions of a TIFF's pages that no known program wrote: which axes they speak of.

Nothing here knows the program, so each pattern stands for how several of them write; what a text may mean is not
guessed, but refused by whoever lays out the pages.
"""

import re

import tifffile

from lightsheet.sources.page_sequence import PageAxes, order_pages

PLURALS = {
    "C": "channels|wavelengths|colou?rs",
    "T": "frames|time_?points|times",
    "Z": "slices|planes|z_?sections",
    "other": "views|angles|positions|phases|illuminations",
}
"""What is counted along each axis, as patterns."""

NUMBER = r"""["']?\s*[:=>]\s*["']?(\d+)"""
"""What follows a key."""

COUNTS = {
    axis: re.compile(
        rf"(?<![a-z])(?:(?:n|num|number)?[ _-]?(?:of[ _-]?)?(?:{words})|size_?{axis}|{axis}[ _-]?size){NUMBER}"
        rf"|(?<![a-z])(?:num|number)[ _-]?(?:of[ _-]?)?(?:{words})\s+(\d+)",
        re.I,
    )
    for axis, words in PLURALS.items()
}
"""How many there are along an axis: `channels=2`, `Number of slices: 30`, `sizeZ = 30`."""

LETTERS = {axis: re.compile(rf"(?<![A-Za-z]){axis}\s*[:=]\s*(\d+)(?![.\d])") for axis in "TCZ"}
"""The same by letters alone: `Z: 30 C: 2`."""

WORDS = re.compile(
    r"(?<![\w.])(?:(?:0*[2-9]|[1-9]\d)[ -](?:channels|wavelengths|colou?rs)|(?:0*[2-9]|[1-9]\d+)[ -]time[ -]?points"
    r"|(?:two|three|four|dual|double)[ -](?:channel|colou?r|wavelength)s?)\b"
    r"""|\bchannel(?:s|[ _]?names|s?[ _]?save)["']?\s*[:=]\s*[\[({]?\s*["']?[\w.-]+["']?\s*[;,|]\s*["']?[\w.-]+\b"""
    r"""["']?(?!\s*[:=])""",
    re.I,
)
"""Several channels or timepoints in words, as a list, or as a number before what it counts."""

SINGULARS = {"T": "frame|time_?point|t", "C": "channel|c", "Z": "slice|plane|z"}
PLACES = {
    axis: re.compile(rf"(?<![a-z])(?:{words})(?:[ _]?(?:index|number|no))?{NUMBER}(?![.\d])", re.I)
    for axis, words in SINGULARS.items()
}
"""Where a page lies along an axis: `slice=3`, `Channel index: 1`."""

ORDER = re.compile(
    r"""(?:axes|dims|dim(?:ension)?s?[ _]?order|order)["']?\s*[:=]\s*["']?(\[[^\]]*\]|\([^)]*\)|[a-z]+)""", re.I
)
"""The axes in their order: `axes: TZYX`, `dimension order = [time, z, y, x]`."""

INITIALS = str.maketrans({"S": "Z", "P": "Z", "D": "Z", "F": "T", "R": "Y", "H": "Y", "W": "X"})
"""Axes by the initials of slice, plane, depth, frame, row, height and width, where they are named by whole words."""


def read_descriptions(file: tifffile.TiffFile, pages: int) -> PageAxes:
    """Read descriptions of no known kind: a text to each page that says where it lies, or one that counts."""
    text = file.pages.first.description
    if len(file.pages) > 1 and any(pattern.search(text) for pattern in PLACES.values()):
        texts = [page.description for page in map(file.pages.__getitem__, range(len(file.pages)))]  # type: ignore[union-attr]
        values = [
            {axis: int(match[1]) for axis, pattern in PLACES.items() if (match := pattern.search(text))}
            for text in texts
        ]
        if all(values) and any(value != values[0] for value in values):
            return order_pages(values, "the descriptions of its pages")
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
    order = _read_order(text)
    samples = counts.get("other", 1)
    return bool(
        WORDS.search(text)
        or any(counts.get(axis, 2 if axis in order else 1) > 1 for axis in "TC")
        or counts.get("Z", 1) not in (1, pages)
        or set(order) & set("PRVAMHLE")
        or (1 < samples < pages and pages % samples == 0)
    )


def _read_order(text: str) -> str:
    """Return the letters of the axes that a description puts in order; empty where they cannot be axes of images."""
    words = re.findall("[A-Z]+", match[1].upper()) if (match := ORDER.search(text)) else []
    order = words[0] if len(words) == 1 else "".join(word[0] for word in words).translate(INITIALS)
    is_order = {"X", "Y"} <= set(order) <= set("TCZYXSIQPRVAMHLE") or sorted(order) == list("CTZ")
    return order if is_order else ""


def _quote(text: str) -> str:
    """Return the part of a description that names axes."""
    patterns = (*COUNTS.values(), *LETTERS.values(), ORDER, WORDS)
    return ", ".join(" ".join(match[0].split()) for pattern in patterns if (match := pattern.search(text)))
