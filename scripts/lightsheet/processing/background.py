"""`background: auto`: the camera's offset in counts, one for all timepoints of a channel.

Means over small blocks hide the camera's noise, and the darkest blocks that agree with each other are its offset, if no
light falls on them. Whether it does, the noise tells: photons bring noise of their own, which grows with their number,
and that of brighter blocks says by how much. So a sample that fills the field is told from darkness, in one timepoint
by itself, and best in a movie.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution import Mask
from lightsheet.processing.blank import find_blank
from lightsheet.processing.block_noise import BATCH, Blocks, cut_blocks, find_darkest

FEW_BLOCKS = 100
"""Blocks, fewer than which tell too little for a refusal."""

FLOOR_SHARE = 0.005
"""Share of the blocks that agree with the darkest where part of the field is dark."""

LIGHT_SHARE = 0.06
"""Share of the mean light that the darkest blocks may hold at most where they are no such floor."""

READ_NOISE = 8.0
"""Electrons: more than a camera's. In a floor with more noise there is light, of which this share may be too much:"""

FLOOR_LIGHT_SHARE = 0.2

TEXTURED = 5.0
"""Quotient of the variances within blocks and between neighbours; that of noise is 1, of interpolated noise up to 3."""

TEXTURE_SHARE = 0.08
"""Share of the contrast that the texture of the darkest blocks has at least if they are no darkness."""

LOW_CONTRAST = 3.0
"""Standard deviations of a voxel's noise, which is what the sample must stand out by to say what brings noise."""

SKEWED = 6.0
"""Standard errors at which a skewness is no chance."""

MANY_PHOTONS = 60.0
"""Photons per voxel of an image without contrast: fewer may be haze in darkness, with a camera's noise."""

ALIKE = 1.25
"""Quotient of the noise of timepoints that are equally dark: between these, the offset itself differs."""


class Floor(NamedTuple):
    """The darkest blocks of a timepoint that agree with each other."""

    blocks: Blocks
    level: float  # in counts
    error: float  # standard error of a block's mean
    noise: float  # variance of a voxel, from one to its neighbours
    spread: float  # variance of a voxel in its block
    share: float  # of all blocks
    contrast: float  # of the brightest blocks, in counts above it
    is_constant: bool  # whether the whole image is

    @property
    def step(self) -> float:
        """The least difference of two voxels, in counts."""
        return 0.0 if self.blocks.voxels.dtype.kind == "f" else 1.0


def choose_background(
    planes: Mapping[int, np.ndarray], masks: Mapping[int, Mask | None] | None = None
) -> dict[str, Any]:
    """Choose the camera's offset from planes (z, y, x) of several timepoints.

    Parameters
    ----------
    planes : mapping, planes by timepoint, as `Sample` has them
    masks : mapping, by timepoint which voxels were measured, None if all were

    Returns
    -------
    dict
        `value`: counts, or None if it cannot be told; `problem`: then why, and what to do; `warning`: a sentence if
        the offset drifts; `timepoints`: the level of the darkest part of each, and `dark`: those in which no light
        falls on it. `value` is their median. `is_guess`: the volumes are so small that light cannot be told from it.
    """
    floors = {t: floor for t, pixels in planes.items() if (floor := _find_floor(pixels, (masks or {}).get(t)))}
    photon_noise = _measure_photon_noise(list(floors.values()))
    dark = {t: floor for t, floor in floors.items() if not _is_lit(floor, photon_noise)}
    dark = {t: floor for t, floor in dark.items() if not floor.is_constant} or dark
    lowest = min((floor.noise for floor in dark.values()), default=0.0)
    dark = {t: floor for t, floor in dark.items() if floor.noise <= ALIKE * lowest}
    value = _round(float(np.median([floor.level for floor in dark.values()]))) if dark else None
    return {
        "value": value,
        "problem": "" if dark else _explain_light(list(planes)),
        "warning": _warn_of_drift(dark, value) if value is not None else "",
        "timepoints": {str(t): _round(floor.level) for t, floor in floors.items()},
        "dark": list(dark),
        "is_guess": any(len(floor.blocks.means) <= FEW_BLOCKS and not floor.is_constant for floor in dark.values()),
    }


def _round(counts: float) -> float:
    """Return six digits, more are noise and stand in every sentence; a whole number as a configuration has it."""
    rounded = float(f"{counts:.6g}")
    return int(rounded) if rounded.is_integer() else rounded


def _explain_light(timepoints: Sequence[int]) -> str:
    looked_at = ", ".join(map(str, timepoints))
    return (
        f"auto finds no part of the field that is dark at timepoints {looked_at}: even the darkest holds light, so "
        "that the camera's offset cannot be told; give it in counts, from a dark frame or the camera's data sheet"
    )


def _warn_of_drift(dark: Mapping[int, Floor], value: float) -> str:
    certain_floors = {t: f for t, f in dark.items() if f.share >= FLOOR_SHARE and len(f.blocks.means) > FEW_BLOCKS}
    levels = [floor.level for floor in certain_floors.values()]
    chance = max(
        (max(5 * f.error, 0.5 * f.noise**0.5, 0.01 * f.contrast, f.step / 2) for f in certain_floors.values()),
        default=0,
    )
    if not certain_floors or max(levels) - min(levels) <= chance:
        return ""
    series = ", ".join(f"{floor.level:.4g} at timepoint {t}" for t, floor in certain_floors.items())
    return f"the camera's offset seems to drift: {series}; {value:.6g} is subtracted from all"


def _find_floor(image: np.ndarray, mask: Mask | None) -> Floor | None:
    """Find the darkest blocks of an image that agree with each other; None if all of it is dead or fill."""
    blocks = cut_blocks(image, mask, find_blank(image))
    means = blocks.means
    darkest, noise = find_darkest(blocks, max(32, int(FLOOR_SHARE * len(means))))
    if not len(darkest):
        return None
    start = float(means[darkest[0]])
    variance = float(np.median(noise[: max(len(noise) // 4, 8)]))
    error = float(np.sqrt(variance / blocks.size))
    level = _find_mode(np.sort(means), start, 2.5 * error)
    contrast = float(np.percentile(means, 99.9)) - level
    is_near = np.abs(means[darkest] - level) <= 2.5 * error
    if is_near.any():
        variance = float(np.median(noise[is_near]))
    sample = blocks.gather(darkest[is_near][:BATCH] if is_near.any() else darkest[:1])
    spread = float(np.median(sample.var(axis=(1, 2, 3))))
    # Means vary more where neighbours share their noise, as after interpolation.
    shared_noise = 0.5 * min(spread, 3 * variance) ** 0.5
    window = max(2.5 * error, shared_noise, 0.03 * contrast, 0.25 if image.dtype.kind != "f" else 0.0)
    share = float(np.mean(np.abs(means - level) <= window))
    if (sample == 0).mean() >= 0.25:  # an offset of 0, and noise below it is cut off
        level = float(np.median(sample))
    return Floor(blocks, level, error, variance, spread, share, max(contrast, 0.0), bool(image.min() == image.max()))


def _find_mode(values: np.ndarray, start: float, window: float) -> float:
    """Climb from a low value of a sorted array to where as many others lie closely below as above."""
    level = start
    for _ in range(50):
        low, high = np.searchsorted(values, (level - window, level + window))
        higher = float(np.median(values[low:high])) if high > low else level
        if abs(higher - level) <= 1e-3 * window:
            break
        level = higher
    return level


def _measure_photon_noise(floors: Sequence[Floor]) -> float:
    """Return by how much a voxel's variance grows with each count of light; 0 if that cannot be told."""
    slopes, weights = [np.empty(0)], [np.empty(0)]
    for floor in floors:
        means = floor.blocks.means
        numbers = np.argsort(means)[np.unique(np.linspace(0, len(means) - 1, 200).astype(int))]
        numbers = numbers[means[numbers] > floor.level + 5 * floor.error]
        numbers = numbers[: max(len(numbers) // 2, 20)]  # in the brightest, structures would count as noise
        if not len(numbers):
            continue
        light, noise = means[numbers] - floor.level, floor.blocks.measure_noise(numbers)
        slopes.append((noise - floor.noise) / light)
        weights.append(np.square(np.divide(light, noise, out=np.zeros_like(light), where=noise > 0)))
    slope, weight = np.concatenate(slopes), np.concatenate(weights)
    if not weight.any():
        return 0.0
    order = np.argsort(slope)
    middle = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    error = 0.1 / np.sqrt(weight.sum())  # a block has about 200 differences
    typical = float(slope[order][middle])
    return typical if typical > 5 * error else 0.0


def _is_lit(floor: Floor, photon_noise: float) -> bool:
    """Tell whether light falls on the darkest blocks for certain, or may be a large part of all light."""
    if len(floor.blocks.means) <= FEW_BLOCKS:
        return False
    texture = floor.spread**0.5 if floor.spread > TEXTURED * floor.noise else 0.0
    if floor.step and texture > max(TEXTURE_SHARE * floor.contrast, floor.step / 2):
        return True  # in floats it may be smoothed noise
    if floor.contrast < LOW_CONTRAST * floor.noise**0.5:
        return bool(floor.step) and _is_skewed_as_light(floor)
    if not photon_noise or not floor.noise:
        return False
    light = floor.noise / photon_noise  # if the camera itself has no noise
    if floor.share < FLOOR_SHARE:
        return light > LIGHT_SHARE * (light + float(np.mean(floor.blocks.means)) - floor.level)
    is_too_noisy = bool(floor.step) and light / photon_noise > READ_NOISE**2  # floats may be no counts of a camera
    return is_too_noisy and light > FLOOR_LIGHT_SHARE * (light + floor.contrast)


def _is_skewed_as_light(floor: Floor) -> bool:
    """Tell whether the noise of an image without contrast is skewed as that of photons, which are much of its level.

    Counts of n photons have a variance g^2 n and a third moment g^3 n, with a gain g: so both follow. A camera's own
    noise lets fewer photons seem to be many.
    """
    means = floor.blocks.means
    low, high = np.percentile(means, (10, 50))  # most blocks, but neither dark corners nor bright structures
    numbers = np.flatnonzero((means >= low) & (means <= high))
    voxels = floor.blocks.gather(numbers[:: max(len(numbers) // 512, 1)])
    deviations = voxels - voxels.mean(axis=(1, 2, 3), keepdims=True)
    variance, third = float(np.mean(deviations**2)), float(np.mean(deviations**3))
    if third <= SKEWED * variance**1.5 * np.sqrt(6 / deviations.size):
        return False
    return variance**3 / third**2 >= MANY_PHOTONS and 0.3 * floor.level <= variance**2 / third <= 1.1 * floor.level
