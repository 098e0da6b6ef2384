"""Whether planes move against each other from one to the next, as those of a moved stage do."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import fft

Plane = np.ndarray[tuple[int, int], np.dtype[Any]]
Volume = np.ndarray[tuple[int, int, int], np.dtype[Any]]

FINE, COARSE = 1.5, 8.0  # standard deviations in pixels: what is between them is compared, no noise and no haze
MOST_PIXELS = 512  # along each side, from the middle of a plane
MOST_SHIFT = 40  # pixels
LEAST_PAIRS = 6
ALIKE = 0.3  # correlation of neighbouring planes, once shifted: of noise it is below 0.1
LEAST_SHIFT = 0.75  # pixels a plane: stages move by 0.8 to 5; of straight volumes the median is below 0.3
SCATTER, LEAST_SCATTER = 0.25, 0.35  # of the shift, and pixels at least: a stage moves evenly
AGREEING = 0.5  # share of the pairs of planes that are alike; among cells that begin and end with depth few do


class PlaneShift(NamedTuple):
    """By how many pixels each plane lies farther along y and x than the one before, and how many pairs say so."""

    y: float
    x: float
    pairs: int


def measure_plane_shift(slabs: Iterable[Volume]) -> PlaneShift | None:
    """Measure the shift from plane to plane of a stack that is not straight.

    Parameters
    ----------
    slabs : iterable of ndarray (z, y, x), each of some neighbouring planes; from all depths

    Returns
    -------
    PlaneShift or None
        None where planes do not move, or not all by the same shift, or are not alike enough to tell. What is tilted
        itself moves as well: a sample that is one slanted fibre, or points blurred by an oblique PSF.
    """
    shifts = np.array([shift for slab in slabs for shift in _measure_slab(slab)])
    if len(shifts) < LEAST_PAIRS:
        return None
    y, x = np.median(shifts, axis=0)
    most = max(abs(y), abs(x))
    agreeing = np.abs(shifts - (y, x)).max(axis=1) <= max(SCATTER * most, LEAST_SCATTER)
    if most < LEAST_SHIFT or min(abs(y), abs(x)) > SCATTER * most or agreeing.mean() < AGREEING:
        return None
    return PlaneShift(float(y), float(x), int(agreeing.sum()))


def _measure_slab(slab: Volume) -> Iterator[tuple[float, float]]:
    """Yield the shift from each plane to the next, where the two are alike."""
    details = (_find_details(plane) for plane in slab)
    spectra = [fft.rfft2(detail / max(float(np.linalg.norm(detail)), 1e-30)) for detail in details]
    size = tuple(min(n, MOST_PIXELS) for n in slab.shape[1:])
    for first, second in pairwise(spectra):
        shift = _find_top(fft.irfft2(first.conj() * second, size))
        if shift is not None:
            yield shift


def _find_top(correlation: Plane) -> tuple[float, float] | None:
    """Find where the correlation of two planes is highest, to a fraction of a pixel; None if it is low everywhere."""
    reach = [min(MOST_SHIFT, n // 3) for n in correlation.shape]
    near = np.roll(correlation, reach, (0, 1))[: 2 * reach[0] + 1, : 2 * reach[1] + 1]
    row, column = map(int, np.unravel_index(near.argmax(), near.shape))
    if near[row, column] < ALIKE or row in (0, 2 * reach[0]) or column in (0, 2 * reach[1]):
        return None
    y, x = _refine(near[row - 1 : row + 2, column]), _refine(near[row, column - 1 : column + 2])
    return row - reach[0] + y, column - reach[1] + x


def _refine(values: Any) -> float:
    """Return where the parabola through three values, the middle one the largest, has its top."""
    before, middle, after = values
    curvature = before - 2 * middle + after
    return float((before - after) / (2 * curvature)) if curvature < 0 else 0.0


def _find_details(plane: Plane) -> Plane:
    """Keep of a plane what is larger than noise and smaller than haze, and nothing at its border."""
    (top, height), (left, width) = ((max(0, n - MOST_PIXELS) // 2, min(n, MOST_PIXELS)) for n in plane.shape)
    pixels = plane[top : top + height, left : left + width].astype(np.float32)
    # By FFTs, a tenth of the time: what wraps around lies at the border.
    frequency = np.square(np.fft.fftfreq(height))[:, None] + np.square(np.fft.rfftfreq(width))
    fine, coarse = (np.exp(-2 * np.square(np.pi * deviation) * frequency) for deviation in (FINE, COARSE))
    detail: Plane = fft.irfft2(fft.rfft2(pixels) * (fine - coarse).astype(np.float32), (height, width))
    return detail * np.hanning(height).astype(np.float32)[:, None] * np.hanning(width).astype(np.float32)
