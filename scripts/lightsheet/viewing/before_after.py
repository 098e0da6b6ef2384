"""Before and after: maximum projections of raw and result in the same contrast, as pictures that a page embeds."""

import base64
from collections.abc import Iterable
from typing import Any

import imagecodecs
import numpy as np

from lightsheet.store import Results
from lightsheet.viewing.pictures import Image, Projections, choose_scale_bar, project_volume

EVENLY = 5
"""So many timepoints of a channel are shown, evenly apart, besides those that are marked."""

WINDOW = (1.0, 99.8)
"""Percentiles of both volumes' projections that are shown black and white."""

GAMMA = 0.6
"""Both pictures are brightened alike, because the image is dim where the result is bright."""

QUALITY = 85
"""Of the JPEG pictures."""


def choose_timepoints(there: Iterable[int], marked: Iterable[int]) -> list[int]:
    """Choose the timepoints to be shown.

    Parameters
    ----------
    there, marked : iterable of int
        Timepoints that have a volume, in order of time, and those among them that are shown in any case.

    Returns
    -------
    list of int
        First, last, some evenly between, and the marked ones.
    """
    known = list(there)
    even = {known[round(at)] for at in np.linspace(0, len(known) - 1, min(EVENLY, len(known)))} if known else set()
    return sorted(even | set(marked))


def draw_volume(results: Results, channel: str, timepoint: int, background: float, scale: float) -> dict[str, Any]:
    """Make the pictures of one volume before and after.

    Parameters
    ----------
    results : Results
        The run, its stores published.
    channel : str
        The volume's channel.
    timepoint : int
        Index on the time axis.
    background : float
        What was subtracted from the image, counts.
    scale : float
        Stored value of the result per count.

    Returns
    -------
    dict
        `planes`: of `xy`, `yz` (z to the right) and `xz` the pictures `raw` and `result`, JPEG in base64; `size`, (z,
        y, x) in pixels; `bar`, the length of the scale bar as text, and `bar_percent`, its share of x; `low` and
        `high`, the counts above background shown black and white in all of them.

    Raises
    ------
    InputError
        If a store is not published.
    """
    raw = project_volume(results, "raw", channel, timepoint)
    result = project_volume(results, "result", channel, timepoint)
    both = {"raw": convert_to_counts(raw, background, 1), "result": convert_to_counts(result, 0, scale)}
    low, high = choose_window(both.values())
    (height, width), depth = raw.xy.shape, len(raw.xz)
    bar = choose_scale_bar(width * raw.pixel)
    return {
        "planes": {
            plane: {kind: _jpeg(convert_to_grey(getattr(seen, plane), low, high)) for kind, seen in both.items()}
            for plane in ("xy", "yz", "xz")
        },
        "size": (depth, height, width),
        "bar": f"{bar:g} µm",
        "bar_percent": 100 * bar / (width * raw.pixel),
        "low": low,
        "high": high,
    }


def convert_to_counts(seen: Projections, background: float, scale: float) -> Projections:
    """Turn stored values into counts above background."""
    xy, xz, yz = ((plane - background) / scale for plane in (seen.xy, seen.xz, seen.yz))
    return Projections(xy, xz, yz, seen.pixel)


def choose_window(every: Iterable[Projections]) -> tuple[float, float]:
    """Return what is shown black and what white, in all the pictures alike."""
    planes = [plane.ravel() for seen in every for plane in (seen.xy, seen.xz, seen.yz)]
    low, high = np.percentile(np.concatenate(planes), WINDOW)
    return float(low), float(high if high > low else low + 1)


def convert_to_grey(plane: Image, low: float, high: float) -> Image:
    """Turn counts into grey levels: uint8 of the same shape."""
    shown = np.clip((plane - low) / (high - low), 0, 1) ** GAMMA
    return np.rint(255 * shown).astype(np.uint8)


def _jpeg(shown: Image) -> str:
    return base64.b64encode(imagecodecs.jpeg_encode(shown, level=QUALITY)).decode()
