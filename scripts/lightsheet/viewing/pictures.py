"""Pictures of the report: maximum projections of a volume, raw and result, to scale and in the same contrast."""

import base64
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import imagecodecs
import numpy as np

from lightsheet.store import Results, VolumeKey, read_channel_image

LONG_SIDE = 512
"""Pixels along the longest side of a picture: what a screen shows two of, side by side."""

EVEN_PICTURES = 5
"""Timepoints of a channel that are shown at even distances, besides its strongest outliers."""

WINDOW = (1.0, 99.8)
"""Percentiles of the projections of raw and result together that are shown black and white."""

GAMMA = 0.6
"""Both pictures are brightened alike, because the image is dim where the result is bright."""

JPEG_QUALITY = 85


class Projections(NamedTuple):
    """Maximum projections of a volume, float32, in square pixels whose edge is `pixel` micrometre."""

    xy: np.ndarray  # (y, x)
    xz: np.ndarray  # (z, x)
    yz: np.ndarray  # (y, z)
    pixel: float


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


def project_volume(results: Results, key: VolumeKey, background: float = 0, scale: float = 1) -> Projections:
    """Project a published volume, from the finest pyramid level of at most about `LONG_SIDE` pixels along each axis.

    The values are those that are stored, less `background`, by `scale`. An axis whose voxels are longer than a pixel is
    interpolated linearly.
    """
    image = read_channel_image(results, key.kind, key.channel)
    for number, level in enumerate(image.levels):  # noqa: B007 (the last one is read)
        voxel_size = [image.voxel_size[axis] * factor for axis, factor in zip("zyx", level.factor, strict=True)]
        extent = np.multiply(level.shape, voxel_size)
        if max(extent) / min(voxel_size) <= LONG_SIDE:
            break
    pixel = max(min(voxel_size), max(extent) / LONG_SIDE)
    z, y, x = (max(1, round(length / pixel)) for length in extent)
    volume = np.empty(level.shape, np.float32)
    for region, band in image.read_bands(image.channels[0], key.timepoint, number):
        volume[region] = band
    planes = ((volume.max(axis=0), (y, x)), (volume.max(axis=1), (z, x)), (volume.max(axis=2).T, (y, z)))
    xy, xz, yz = ((_resize(plane, shape) - background) / scale for plane, shape in planes)
    return Projections(xy, xz, yz, pixel)


def _resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Interpolate linearly between the centres of pixels, one axis after the other; outside is the last value."""
    for axis, new in enumerate(shape):
        old = image.shape[axis]
        position = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
        low = position.astype(np.intp)
        share = np.expand_dims((position - low).astype(np.float32), 1 - axis)
        image = image.take(low, axis) * (1 - share) + image.take(np.minimum(low + 1, old - 1), axis) * share
    return image


def choose_window(volumes: Iterable[Projections]) -> tuple[float, float]:
    """Choose the counts that are black and white in all pictures of these volumes."""
    pixels = [plane.ravel() for xy, xz, yz, _ in volumes for plane in (xy, xz, yz)]
    low, high = np.percentile(np.concatenate(pixels), WINDOW)
    return float(low), float(high if high > low else low + 1)


def choose_scale_bar(width: float) -> float:
    """Choose the length of a scale bar: 1, 2 or 5 times a power of ten, at most a third of the picture's width."""
    power = 10.0 ** math.floor(math.log10(width / 3))
    return max(digit * power for digit in (1, 2, 5) if digit == 1 or digit * power <= width / 3)


def _encode_jpeg(plane: np.ndarray, low: float, high: float) -> str:
    grey = np.rint(255 * np.clip((plane - low) / (high - low), 0, 1) ** GAMMA).astype(np.uint8)
    return base64.b64encode(imagecodecs.jpeg_encode(grey, level=JPEG_QUALITY)).decode()
