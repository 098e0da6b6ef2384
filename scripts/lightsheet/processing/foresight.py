"""What a sample of a channel says of its results before any volume is done: hours of work may be worth nothing."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lightsheet.deconvolution import Mask
from lightsheet.processing.camera import describe_counts, find_stored_per_count, subtract_background
from lightsheet.processing.sanity import (
    Doubt,
    advise_scale,
    count_levels,
    judge_background,
    judge_image,
    judge_rounding,
)
from lightsheet.processing.statistics import summarise_volume
from lightsheet.system import InputError, write_ranges

HOPELESS_LEVELS = 3
"""With so few grey levels of an image, stored whole numbers are worth nothing, however much brighter its result is."""


HOPELESS_BACKGROUND = 10
"""So many times the range of an image above it, a background is of another kind of number."""


def describe_pixels(
    planes: Mapping[int, np.ndarray], background: float | None, masks: Mapping[int, Mask | None] | None = None
) -> dict[str, dict[str, Any]]:
    """Gather what `foresee_doubts` needs of sampled planes (z, y, x), per timepoint, for JSON.

    Without a background (counts) nothing is compared with it. `light` is the mean of the counts above background,
    weighted by themselves: it is of the bright voxels, however few there are. Those that were never measured, by
    the `masks` of timepoints, do not count.
    """
    return {
        str(timepoint): _describe(pixels, background, (masks or {}).get(timepoint))
        for timepoint, pixels in planes.items()
    }


def _describe(pixels: np.ndarray, background: float | None, mask: Mask | None) -> dict[str, Any]:
    facts = {"voxels": pixels.size, **summarise_volume(pixels)}
    if background is None:
        return facts
    energy = 0.0
    for z, plane in enumerate(pixels):
        image = np.maximum(subtract_background(plane[mask[z]] if mask else plane, background), 0).ravel()
        energy += float(np.vdot(image, image))
    counts = describe_counts(pixels, background, mask)
    return {**facts, **counts, "light": energy / counts["flux_before"] if counts["flux_before"] else 0.0}


def foresee_doubts(choice: Mapping[str, Any], output: Mapping[str, Any]) -> list[str]:
    """Say what is suspect of a channel, each in a clause with its number and key.

    Parameters
    ----------
    choice : Choice, of the channel
    output : mapping, `dtype` and `scale` of results
    """
    dtype, image = choice["basis"].get("dtype"), choice.get("image") or {}
    reasons: dict[str, str] = {}
    timepoints: dict[str, list[int]] = {}
    for timepoint, facts in image.items():
        doubts = judge_image(facts, dtype) or judge_background(facts, facts, facts["voxels"])
        for doubt in doubts or _foresee_rounding(facts, output):
            reasons.setdefault(doubt.kind, doubt.text)
            timepoints.setdefault(doubt.kind, []).append(int(timepoint))
    return [f"{reason}{_describe_extent(timepoints[kind], len(image))}" for kind, reason in reasons.items()]


def _describe_extent(timepoints: list[int], sampled: int) -> str:
    if sampled == 1:
        return f" (timepoint {timepoints[0]})"
    extent = f"all {sampled}" if len(timepoints) == sampled else f"{len(timepoints)} of {sampled}"
    return f" ({extent} sampled timepoints: {write_ranges(timepoints, ' to ')})"


def _foresee_rounding(facts: Mapping[str, Any], output: Mapping[str, Any]) -> list[Doubt]:
    """Judge what storage in whole numbers would do to an image, whose result has about its values."""
    scale: Any = find_stored_per_count(output)
    light = facts.get("light")
    if output["dtype"] == "float32" or not light or isinstance(scale, str):
        return []
    high = facts["max"] - facts["background"]
    limit = np.iinfo(output["dtype"]).max
    if (facts["percentiles"]["99"] - facts["background"]) * scale > limit:
        text = f"output.scale is {scale:g}, and at least 1 % of the image's voxels would be above {limit}: set it lower"
        return [Doubt("clipped", text)]
    # Rounding to whole numbers is off by 1 / sqrt(12) in the root mean square.
    return judge_rounding("the image above background", high, scale, 1 / math.sqrt(12) / (light * scale))


def refuse_hopeless(channel: str, choice: Mapping[str, Any], output: Mapping[str, Any]) -> None:
    """Refuse to deconvolve a channel whose results would certainly be worth nothing.

    InputError if its background is of another kind of number than its images, or these are fractions, as of images that
    were normalised, and rounding would leave none of them.
    """
    image = [facts for facts in (choice.get("image") or {}).values() if "background" in facts]
    if not image:
        return
    low, high = min(facts["min"] for facts in image), max(facts["max"] for facts in image)
    background = image[0]["background"]
    if background > high + HOPELESS_BACKGROUND * (high - low) > high:
        raise InputError(
            f"config key deconvolution.background: {background:g} is far above the largest value of {channel}, "
            f"{high:.4g}, so that nothing would be left of its images; give its camera's offset, or auto"
        )
    scale: Any = find_stored_per_count(output)
    if output["dtype"] == "float32" or isinstance(scale, str) or np.dtype(choice["basis"]["dtype"]).kind != "f":
        return
    if high - background > 0 and count_levels(high - background, scale) <= HOPELESS_LEVELS:
        raise InputError(
            f"config key output.scale: the largest value of {channel} is {high:.4g}, so rounding to {output['dtype']} "
            f"with a scale of {scale:g} leaves {count_levels(high - background, scale)} grey levels: set output.scale, "
            f"e.g. to {advise_scale(high - background):g} or auto, or output.dtype to float32"
        )
