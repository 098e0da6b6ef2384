"""What makes a volume suspect by itself, whatever the others are like: derived from statistics that records hold.

A dark volume, a sparse one or a noisy one is none of this: most of a light-sheet volume may well be empty.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from lightsheet.processing.camera import OUTPUT_MAX, find_stored_per_count

DARK_SHARE = 0.95
"""Share of an image below its background: where there is no light, noise alone puts half of the voxels there."""

DARK_SHARE_WITH_PLATEAU = 0.99
"""The same where a quarter of the voxels have one value, as what was never measured has."""

SATURATED_PERCENTILES = ("1", "5", "25", "50", "75", "95", "99")
"""An image is saturated if one of these is its largest value; the first that is says how much of it."""

FEWEST_GREY_LEVELS = 4
"""Noise alone covers more of them in an image of whole numbers; even confocal microscopes that count photons do."""

FEWEST_STORED_LEVELS = 16
LARGEST_ROUNDING_ERROR = 0.2
"""Relative to a result, by root mean square: where its values are 1.5 in the mean."""

CLIPPED = 0.01
"""Share of a result's voxels that are too bright for its number type."""

UNEXPLAINED = 0.6
"""Residual from which on a PSF is doubted: but for noise, the right one's is below 0.4 after `FEWEST_ITERATIONS`; after
half as many that of a wide one is up to 0.6."""

FEWEST_ITERATIONS = 10

NOISE_FACTOR = 2
"""By how much the noise of a plane, relative to its light, may be that of the part around it."""

LIGHT_CHANGE = 0.05
"""Share of an image's light that a wrong PSF adds or loses; noise, smoothed or not, changes a hundredth or two."""

BACKGROUND = "set deconvolution.background right, or leave out what holds no light"

HEADROOM = 10_000
"""Stored value of an image's brightest voxel by the scale that is advised: its result may be six times as bright."""


class Doubt(NamedTuple):
    """A reason to doubt a volume, its channel or the whole run."""

    kind: str  # volumes of a channel with the same kind are told together
    text: str  # a clause with the number, and what to set right


def judge_volume(raw: Mapping[str, Any], result: Mapping[str, Any], voxels: int) -> list[Doubt]:
    """Return the first reason to doubt a volume that was deconvolved, if there is one; none of a missing volume.

    Parameters
    ----------
    raw, result : Record, of its two stages
    voxels : int, of the volume
    """
    statistics = result.get("statistics")
    if not statistics:
        return []
    image = raw.get("statistics") or {}
    return (
        judge_image(image, raw.get("layout", raw).get("dtype"), result["settings"].get("fill", {}).get("values", ()))
        or judge_background(image, statistics, voxels)
        or judge_result(statistics, result["settings"], voxels)
        or judge_fit(statistics)
    )


def judge_image(statistics: Mapping[str, Any], dtype: str | None, fill: Collection[float] = ()) -> list[Doubt]:
    """List the reasons to doubt an image of which `combine_parts` made statistics; some may be missing.

    `fill` are the values of voxels that were never measured: they are among the statistics.
    """
    percentiles = statistics.get("percentiles")
    if not percentiles:
        return []
    low, high = statistics["min"], statistics["max"]
    if low == high:
        return [Doubt("flat", f"every voxel of the image is {low:.6g}")]
    if dtype and np.issubdtype(np.dtype(dtype), np.integer) and high - low < FEWEST_GREY_LEVELS:
        levels = f"{high - low + 1:.0f} grey levels, {low:.0f} to {high:.0f}"
        return [Doubt("levels", f"the image has only {levels}: it is dark, or was rounded before")]
    first = next((q for q in SATURATED_PERCENTILES if percentiles.get(q) == high and high not in fill), None)
    if first:
        share = f"at least {100 - float(first):g} % of the image's voxels"
        return [Doubt("saturated", f"{share} have its largest value, {high:.6g}: saturated, their light is lost")]
    return []


def judge_background(image: Mapping[str, Any], statistics: Mapping[str, Any], voxels: int) -> list[Doubt]:
    """List the reasons to doubt the background of an image.

    Parameters
    ----------
    image : mapping, what `combine_parts` made of it
    statistics : mapping, with what `describe_counts` returned
    voxels : int, of the volume
    """
    background, share = statistics.get("background") or 0, statistics.get("negative_voxels", 0) / voxels
    limit = f"the background of {background:.6g} counts"
    if statistics.get("flux_before") == 0:
        return [Doubt("dark", f"no voxel of the image is brighter than {limit}, so the result is empty: {BACKGROUND}")]
    percentiles = image.get("percentiles", {})
    has_plateau = bool(percentiles) and percentiles["25"] == percentiles["1"]
    if share >= (DARK_SHARE_WITH_PLATEAU if has_plateau else DARK_SHARE):
        return [Doubt("dark", f"{100 * share:.3g} % of the image's voxels lie below {limit}: {BACKGROUND}")]
    return []


def judge_result(statistics: Mapping[str, Any], settings: Mapping[str, Any], voxels: int) -> list[Doubt]:
    """List the reasons to doubt a result, by the statistics and the settings of its record."""
    high = statistics.get("max")
    if high is not None and not np.isfinite([high, statistics.get("sum", high)]).all():
        return [Doubt("empty", "the result holds NaN or infinity")]
    if high == 0:
        return [Doubt("empty", "every voxel of the result is 0")]
    if settings.get("dtype", "float32") == "float32" or high is None:
        return []
    clipped = statistics.get("clipped_voxels", 0) / voxels
    scale = find_stored_per_count(settings)
    if clipped >= CLIPPED:
        share = f"{100 * clipped:.3g} % of the result's voxels are too bright for {settings['dtype']}"
        return [Doubt("clipped", f"{share}: set output.scale lower than {scale:g}, or output.dtype to float32")]
    return judge_rounding("the result", high, scale, statistics.get("rounding_error"))


def judge_fit(statistics: Mapping[str, Any]) -> list[Doubt]:
    """List the reasons to doubt the PSF of a result: what it leaves unexplained of the image is no noise.

    Parameters
    ----------
    statistics : mapping, of the result's record; of earlier versions some are missing, and nothing is told

    Returns
    -------
    list of Doubt, at most one
    """
    residual, noise = statistics.get("residual"), statistics.get("noise_share")
    if residual is None or noise is None or statistics["iterations"] < FEWEST_ITERATIONS:
        return []
    light = statistics["sum"] / statistics["flux_before"]
    if residual < max(UNEXPLAINED, NOISE_FACTOR * noise) or abs(light - 1) < LIGHT_CHANGE:
        return []
    return [
        Doubt(
            "fit",
            f"the result, blurred by the PSF, leaves {100 * residual:.0f} % of the image unexplained, where noise is "
            f"about {100 * noise:.0f} %, and has {light:.2f} times its light: the PSF is not that of these images; "
            "compare its widths and its voxel size with theirs (docs/psf.md)",
        )
    ]


def judge_rounding(subject: str, high: float, scale: float, error: float | None = None) -> list[Doubt]:
    """List the reasons to doubt whole numbers for counts above background up to `high` times `scale`.

    `error` is by how much they differ from the counts, relative to these, by root mean square.
    """
    levels = count_levels(high, scale)
    if levels < FEWEST_STORED_LEVELS:
        text = f"the largest value of {subject} is {high:.4g}, so rounding leaves {levels} grey levels"
    elif error is not None and error > LARGEST_ROUNDING_ERROR:
        text = f"rounding changes {subject} by {100 * error:.0f} % of its root mean square"
    else:
        return []
    return [
        Doubt(
            "rounding", f"{text}: set output.scale, e.g. to {advise_scale(high):g} or auto, or output.dtype to float32"
        )
    ]


def count_levels(high: float, scale: float) -> int:
    """Count the whole numbers from 0 to the rounded and clipped value of counts above background."""
    return round(min(high * scale, OUTPUT_MAX)) + 1


def advise_scale(high: float) -> float:
    """Return a scale with one digit for an image whose largest value above background is `high` counts."""
    return float(f"{HEADROOM / high:.0e}")
