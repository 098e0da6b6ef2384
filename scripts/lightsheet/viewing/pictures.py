"""Pictures of the report: maximum projections of a volume, raw and result, to scale and in the same contrast."""

import base64
import math
from collections.abc import Iterable, Sequence
from typing import Any

import imagecodecs
import numpy as np

from lightsheet.store import Results, VolumeKey
from lightsheet.viewing.projections import Projections, project_volume

EVEN_PICTURES = 5
"""Timepoints of a channel that are shown at even distances, besides its strongest outliers."""

WINDOW = (1.0, 99.8)
"""Percentiles of the projections of raw and result together that are shown black and white."""

GAMMA = 0.6
"""Both pictures are brightened alike, because the image is dim where the result is bright."""

JPEG_QUALITY = 85


def choose_timepoints(recorded: Sequence[int], outliers: Iterable[int]) -> list[int]:
    """Choose the timepoints to show: the first, the last, some evenly between, and the outliers among them."""
    indices = np.linspace(0, len(recorded) - 1, min(EVEN_PICTURES, len(recorded)))
    return sorted({recorded[round(index)] for index in indices} | set(outliers))


def draw_volume(results: Results, channel: str, timepoint: int, background: float, scale: float) -> dict[str, Any]:
    """Draw one volume, raw and result; `background` in counts, `scale` is the result's stored value per count.

    The dictionary has `planes`, for each of `xy`, `yz` (z to the right) and `xz` the pictures `raw` and `result`, JPEG
    in base64; `size`, (z, y, x) in pixels; `bar` and `bar_percent`, the scale bar's text and share of x; `low` and
    `high`, the counts above background that are black and white in all of them.
    """
    raw = project_volume(results, VolumeKey("raw", channel, timepoint), background)
    projections = {"raw": raw, "result": project_volume(results, VolumeKey("result", channel, timepoint), scale=scale)}
    low, high = choose_window(projections.values())
    (height, width), depth = raw.xy.shape, len(raw.xz)
    bar = choose_scale_bar(width * raw.pixel)
    return {
        "planes": {
            plane: {kind: _encode_jpeg(getattr(images, plane), low, high) for kind, images in projections.items()}
            for plane in ("xy", "yz", "xz")
        },
        "size": (depth, height, width),
        "bar": f"{bar:g} µm",
        "bar_percent": 100 * bar / (width * raw.pixel),
        "low": low,
        "high": high,
    }


def choose_window(volumes: Iterable[Projections]) -> tuple[float, float]:
    """Choose the counts that are black and white in all pictures of these volumes, of what was measured, if any was."""
    pixels = np.concatenate([plane.ravel() for images in volumes for plane in (images.xy, images.xz, images.yz)])
    measured = pixels[~np.isnan(pixels)]
    low, high = np.percentile(measured, WINDOW) if measured.size else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)


def choose_scale_bar(width: float) -> float:
    """Choose the length of a scale bar: 1, 2 or 5 times a power of ten, at most a third of the picture's width."""
    power = 10.0 ** math.floor(math.log10(width / 3))
    return max(digit * power for digit in (1, 2, 5) if digit == 1 or digit * power <= width / 3)


def _encode_jpeg(plane: np.ndarray, low: float, high: float) -> str:
    grey = np.rint(255 * np.clip((np.where(np.isnan(plane), low, plane) - low) / (high - low), 0, 1) ** GAMMA).astype(
        np.uint8
    )
    return base64.b64encode(imagecodecs.jpeg_encode(grey, level=JPEG_QUALITY)).decode()
