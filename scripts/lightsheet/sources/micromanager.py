"""Micro-Manager's tags: what each page of a TIFF is, along T, C and Z and between positions."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightsheet.sources.page_sequence import PageAxes, order_pages
from lightsheet.sources.tiff_ifd import read_directories

MICROMANAGER = 51123
"""The number of its tag."""

TAG_BYTES = 1 << 22
"""How much of a tag is read."""

INDICES = {
    "T": ("time", "FrameIndex", "Frame"),
    "C": ("channel", "ChannelIndex", "Channel"),
    "Z": ("z", "SliceIndex", "Slice"),
    "position": ("position", "PositionIndex", "Position"),
}
"""Micro-Manager's names for a page's place along each axis: in its NDTiff, in its stacks, and in its older versions."""


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
    return order_pages(places, "Micro-Manager's tags")


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
