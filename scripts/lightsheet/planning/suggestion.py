"""How many iterations the pilot suggests for a method, and why.

On the brightest part of the volume, with a tenth of its voxels held out, iterations are done: fewer than the longest
trial of the sweep has, and of a small volume on a smaller part, so that this takes no longer than the sweep, whatever
the image. Two numbers come of them: after how many the expected error is least (how well the held-out voxels are
predicted, see `deconvolution.auto_iterations`), and after how many the residual stops falling. In an image of few
points the expected error falls on for hundreds of iterations, which only narrow the points; there the second number is
what one would choose by eye.
"""

from collections.abc import Mapping, Sequence
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution import ESTIMATE_LAG, PART_SHAPE, Fit, find_brightest_region, make_frame, measure_fit
from lightsheet.processing import cut_image, estimate_background, find_mask

KNEE_SHARE = 0.95
"""Share of the fall of the squared residual after which the residual counts as hardly falling any more."""

SPARSE = 0.006
"""Share of the voxels that hold half of the squared light: few points have less, 200 in (32, 64, 64) voxels 0.002 to
0.005; cells and bars 0.016 or more (benchmarks/suggestion.py)."""

NARROWING = 3.3
"""By how much that share gets smaller from the image to the estimate: of points 4.5 or more, of small solid objects,
which have no more to narrow, 1.1 to 2.4."""

COST = 4
"""An iteration with NumPy's FFT takes so many times as long as one of engine cpu, by voxels of the cyclic array."""

FEWEST_VOXELS = 2**15
"""The smallest part that is tried: below it, computing costs little beside what each trial takes to read and write."""

USUAL = 10
"""Iterations, where nothing is known of the image."""

FEWEST_HELD_OUT = 50
"""Voxels whose mean error tells noise from structure; of a part that has fewer, nothing is known."""

FEWEST_TRIED = 4
"""Iterations of which a curve can be seen."""

EXPLAINED = 1e-9
"""An error of the prediction, of the image's mean square, that is rounding in float32."""

FEWEST_SATURATED = 10
"""Voxels with the very largest value: noise alone gives it to one or two."""

NO_LIGHT = (
    "no voxel that was measured is brighter than the background, so that no number is better than another; if there "
    "should be light here, look at deconvolution.background and pilot.crop"
)
TOO_SMALL = (
    "the volume is so small that noise cannot be told from structure in it; 5 to 20 are usual for noisy images: name a "
    "larger pilot.crop"
)
NO_NOISE = "the image is explained to the last digit: it is flat, or free of noise, and more would change nothing"
"""Reasons where the errors tell nothing."""

REPLICATE_REMARK = (
    " (told with boundary: extended, which alone can hold voxels out; on simulations that number suits boundary: "
    "replicate too, where it ends within 7 % of the least error)"
)
"""Of 30 to 1000 photons, plain and with heavy-ball momentum, measured as benchmarks/quality.py does."""


class Suggestion(NamedTuple):
    """What is suggested, of 1 to as many iterations as are tried, and why."""

    iterations: int
    reason: str

    least_error: int
    """Iterations of least expected error."""

    knee: int
    """Iterations from which on the residual of held-out voxels, in which no noise is fitted, hardly falls."""

    falls_on: bool
    """Whether the expected error falls to the last iteration that is tried."""


def find_suggestion(
    raw: np.ndarray, psf: np.ndarray, settings: Mapping[str, Any], threads: int, trials: Sequence[int]
) -> Suggestion:
    """Suggest iterations of a method for a volume (z, y, x): at most those of the longest trial, in no more time."""
    background = settings["background"]
    if background == "auto":
        background = estimate_background(raw)
    mask = find_mask(raw, settings)
    most = max(trials)
    count = min(most, ceil(most / ESTIMATE_LAG) + 1)  # a least error that is not among these lies beyond `most`
    region = find_brightest_region(raw, mask, choose_part_shape(raw.shape, psf.shape, sum(trials) / count / COST))
    part, part_mask = cut_image(raw, region, background, mask)
    acceleration = settings["acceleration"]
    fit = measure_fit(part, psf, iterations=count, acceleration=acceleration, threads=threads, mask=part_mask)
    suggestion = choose_suggestion(fit, most)
    remark = "" if settings["boundary"] == "extended" else REPLICATE_REMARK
    return suggestion._replace(reason=suggestion.reason + remark + describe_saturation(raw[region], part))


def choose_part_shape(shape: Sequence[int], psf: Sequence[int], share: float) -> list[int]:
    """Return the shape of a part in which an iteration costs at most a share of one of the whole, or a small one."""
    part, limit = [min(pair) for pair in zip(shape, PART_SHAPE, strict=True)], share * _count_cyclic(shape, psf)
    while _count_cyclic(part, psf) > limit and prod(part) >= 2 * FEWEST_VOXELS:
        part[part.index(max(part))] //= 2
    return part


def _count_cyclic(shape: Sequence[int], psf: Sequence[int]) -> int:
    return prod(make_frame(tuple(shape), tuple(psf), "extended").shape)


def choose_suggestion(fit: Fit, most: int) -> Suggestion:
    """Suggest iterations, of 1 to `most`, from how they fit the image."""
    errors = np.array(fit.errors)
    errors[errors < EXPLAINED] = 0
    if not errors.size:
        return Suggestion(1, NO_LIGHT, 1, 1, False)
    if fit.held_out < FEWEST_HELD_OUT:
        number = min(USUAL, most)
        return Suggestion(number, TOO_SMALL, number, number, False)
    minimum = int(np.argmin(errors))
    number = min(round(ESTIMATE_LAG * (minimum + 1)), most)
    knee = min(find_knee(errors), number)
    if not errors[minimum]:
        return Suggestion(number, NO_NOISE, number, knee, False)
    if most < FEWEST_TRIED:
        reason = f"no more than {most} were tried, which tells little: name more in pilot.iterations"
        return Suggestion(number, reason, number, knee, False)
    falls_on = round(ESTIMATE_LAG * (minimum + 1)) > most or minimum + 1 == errors.size
    if fit.concentration < SPARSE and fit.narrowing > NARROWING:
        return Suggestion(knee, explain_points(fit, knee, number, falls_on), number, knee, falls_on)
    return Suggestion(number, f"{explain_least(number, falls_on)}; {explain_knee(knee)}", number, knee, falls_on)


def find_knee(errors: np.ndarray) -> int:
    """Return the least number of iterations, 1 or more, after which `KNEE_SHARE` of the fall of the errors is done."""
    tail = errors[1:] if errors.size > 1 else errors
    rest = (1 - KNEE_SHARE) * (tail[0] - tail.min())
    return int(np.argmax(tail - tail.min() <= rest)) + 1


def explain_points(fit: Fit, knee: int, number: int, falls_on: bool) -> str:
    """Say why an image of few points is given fewer iterations than have the least expected error."""
    remark = ", the most that were tried, and beyond" if falls_on else ""
    return (
        f"half of the light, squared, lies in {100 * fit.concentration:.2g} % of the voxels, and {explain_knee(knee)}: "
        f"more only narrows points, though the expected error falls to {number}{remark}"
    )


def explain_least(number: int, falls_on: bool) -> str:
    """Say why the expected error is least after a number of iterations."""
    if falls_on:
        return (
            f"at {number}, the most that were tried, the expected error still falls: name more in "
            "pilot.iterations, or try an acceleration"
        )
    return (
        "a tenth of the voxels of the brightest part was held out, and how well they are predicted tells that more "
        f"than {number} iteration{'s' * (number > 1)} would fit noise"
    )


def explain_knee(knee: int) -> str:
    """Say from which iteration on the residual hardly falls."""
    return f"from {knee} on the residual hardly falls ({KNEE_SHARE:.0%} of the fall of its square is done)".replace(
        "%", " %"
    )


def describe_saturation(raw: np.ndarray, light: np.ndarray) -> str:
    """Say that many voxels have the largest value, as they have where a camera is saturated; else nothing.

    `raw` is an image in counts as they were recorded, `light` the same above its background.
    """
    high = raw.max()
    number = int(((raw == high) & (light > 0)).sum())
    if number < FEWEST_SATURATED:
        return ""
    return (
        f"; {number} voxels have the largest value, {high:.6g}: if that is the most that the camera counts, their "
        "light is lost, and no number of iterations brings it back"
    )
