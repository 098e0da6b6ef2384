"""Whether planes move against each other from one to the next, as those of a moved stage do."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

Plane = np.ndarray[tuple[int, int], np.dtype[Any]]
Volume = np.ndarray[tuple[int, int, int], np.dtype[Any]]

BANDS = ((0.8, 2.5), (1.5, 8.0))
"""Standard deviations in pixels: what is between them is compared. A slanted structure moves aside from plane to plane,
too; but what is fine is seen only where it hardly does, as the depth of focus blurs what moves faster. Coarser things
are looked at where photons are so few that nothing fine stands out of their noise."""

MOST_PIXELS = 512  # along each side, from the middle of a plane
MOST_SHIFT = 40  # pixels
GROUP = 3  # pairs of neighbouring planes that are looked at as one
LEAST_PAIRS = 6
CLEAR, CLEARER = 5.5, 8.0  # times the noise of a correlation: its top for one group, and for all of them
ALIKE = 0.3  # correlation of planes laid on each other, which is enough where few things, as one bead, stand out
LEAST_SHIFT = 0.75  # pixels a plane: stages move by 0.8 to 5; of straight volumes it is below 0.3
SCATTER, LEAST_SCATTER = 0.25, 0.35  # of the shift, and pixels at least: a stage moves evenly
AGREEING = 0.5  # share of the groups that show a shift
AROUND = 3  # pixels around a top that are not its noise
FINER = 0.05  # pixels to which a top is looked for, before a parabola tells the rest


class PlaneShift(NamedTuple):
    """By how many pixels each plane lies farther along y and x than the one before, and how many pairs say so."""

    y: float
    x: float
    pairs: int

    @property
    def is_motion(self) -> bool:
        """Whether it is more than what straight volumes show, and along one axis only."""
        larger, smaller = max(abs(self.y), abs(self.x)), min(abs(self.y), abs(self.x))
        return larger >= LEAST_SHIFT and smaller <= SCATTER * larger


class _Group(NamedTuple):
    """The summed correlation of neighbouring planes with each other."""

    spectrum: np.ndarray  # of their cross-correlation, for real input
    shape: tuple[int, int]  # of what was compared of a plane
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
    shift = track_planes(slabs)
    return shift if shift and shift.is_motion else None


def track_planes(slabs: Iterable[Volume]) -> PlaneShift | None:
    """Measure the shift from plane to plane, straight or not.

    Parameters
    ----------
    slabs : iterable of ndarray (z, y, x), as for `measure_plane_shift`

    Returns
    -------
    PlaneShift or None
        About 0 of straight volumes; None where planes are not alike enough to tell, or do not all agree.
    """
    middles = [_cut_middle(slab) for slab in slabs]
    if sum(max(0, len(slab) - 1) for slab in middles) < LEAST_PAIRS:
        return None
    spectra = [[_transform(plane) for plane in slab] for slab in middles]
    shifts = (_track([group for slab in spectra for group in _correlate(slab, middles[0].shape[1:], b)]) for b in BANDS)
    return next((shift for shift in shifts if shift), None)


def _track(groups: Sequence[_Group]) -> PlaneShift | None:
    """Return the shift that stands out of all correlations, if those that show one agree on it."""
    top = _find_top(_add(groups), CLEARER)
    if not top:
        return None
    tolerance = max(SCATTER * max(map(abs, top)), LEAST_SCATTER)
    tops = [(group.pairs, place) for group in groups if (place := _find_top(group, CLEAR))]
    pair_counts = [pairs for pairs, place in tops if np.abs(np.subtract(place, top)).max() <= tolerance]
    if sum(pair_counts) < LEAST_PAIRS or len(pair_counts) < AGREEING * len(tops):
        return None
    return PlaneShift(*top, sum(pair_counts))


def _correlate(spectra: Sequence[np.ndarray], shape: tuple[int, int], band: tuple[float, float]) -> Iterator[_Group]:
    """Yield the correlations of a slab's planes, some pairs together, of what is in a band."""
    frequency = np.square(np.fft.fftfreq(shape[0]))[:, None] + np.square(np.fft.rfftfreq(shape[1]))
    fine, coarse = (np.exp(-2 * np.square(np.pi * deviation) * frequency) for deviation in band)
    details = [_normalise(spectrum, (fine - coarse).astype(np.float32)) for spectrum in spectra]
    pairs = [first.conj() * second for first, second in pairwise(details)]
    for start in range(0, len(pairs), GROUP):
        group = pairs[start : start + GROUP]
        yield _Group(np.sum(group, axis=0), shape, len(group))


def _normalise(spectrum: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what is in a band of a plane, with norm 1; nothing of a flat plane."""
    detail = spectrum * weights
    norm = float(np.sqrt(np.square(detail.real).sum() + np.square(detail.imag).sum()))  # see `_refine`
    return np.asarray(detail / max(norm, 1e-30))


def _add(groups: Sequence[_Group]) -> _Group:
    pairs = sum(group.pairs for group in groups)
    return _Group(np.sum([group.spectrum for group in groups], axis=0), groups[0].shape, pairs)


def _find_top(group: _Group, clear: float) -> tuple[float, float] | None:
    """Find where a correlation is highest, to a fraction of a pixel; None if it does not stand out of its noise."""
    height, width = (min(MOST_SHIFT, n // 3) for n in group.shape)
    surface = np.roll(np.fft.irfft2(group.spectrum, group.shape), (height, width), (0, 1))
    window = surface[: 2 * height + 1, : 2 * width + 1]
    row, column = map(int, np.unravel_index(window.argmax(), window.shape))
    if row in (0, 2 * height) or column in (0, 2 * width):
        return None
    top = window[row, column]
    vicinity = (slice(max(0, row - AROUND), row + AROUND + 1), slice(max(0, column - AROUND), column + AROUND + 1))
    noise = np.sqrt((np.square(surface).sum() - np.square(surface[vicinity]).sum()) / surface.size)
    if top <= 0:
        return None
    likeness = top * surface.size / 2 / group.pairs  # norms are of half of a spectrum
    return _refine(group, row - height, column - width) if top > clear * noise or likeness > ALIKE else None


def _refine(group: _Group, row: int, column: int) -> tuple[float, float]:
    """Find the top near a pixel of a correlation, computed between its pixels from its spectrum."""
    fine = np.arange(-1, 1 + FINER, FINER)
    height, width = group.shape
    rows = np.exp(2j * np.pi * np.outer(row + fine, np.fft.fftfreq(height)))
    frequencies = np.fft.rfftfreq(width)
    columns = np.exp(2j * np.pi * np.outer(frequencies, column + fine)) * np.where(frequencies > 0, 2, 1)[:, None]
    # Not by `@`: on a busy machine, the threads of NumPy's library wait for each other ten times as long as they work.
    surface = np.real(np.einsum("ij,jk->ik", np.einsum("ij,jk->ik", rows, group.spectrum), columns))
    i, j = np.unravel_index(surface.argmax(), surface.shape)
    return row + float(fine[i]), column + float(fine[j])


def _cut_middle(slab: Volume) -> Volume:
    """Return the middle of a slab's planes."""
    (top, height), (left, width) = ((max(0, n - MOST_PIXELS) // 2, min(n, MOST_PIXELS)) for n in slab.shape[1:])
    return slab[:, top : top + height, left : left + width]


def _transform(plane: Plane) -> np.ndarray:
    """Return the spectrum of a plane that fades towards its border, without its mean, whose fading would be alike."""
    height, width = (np.hanning(n).astype(np.float32) for n in plane.shape)
    pixels = plane.astype(np.float32)
    return np.asarray(np.fft.rfft2((pixels - pixels.mean(dtype=np.float64)) * height[:, None] * width))
