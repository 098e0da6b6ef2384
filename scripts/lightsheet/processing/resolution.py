"""Resolution of an image, measured in the image itself: decorrelation analysis.

The method is that of Descloux, Grussmayer and Radenovic (2019, Nature Methods 16, 918), "Parameter-free image
resolution estimation based on decorrelation analysis": the image is correlated with itself, its Fourier amplitudes made
equal and its frequencies limited to a disc. The correlation rises with the disc's radius while there is signal, and
falls where there is only noise. High-pass filters bring weak high frequencies forward; the largest radius at which any
of the filtered images peaks is the cut-off. Written here because the authors' programs are for MATLAB and ImageJ.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft

APODISED = 20
"""Pixels along each edge over which the image fades to its mean, so that edges do not count as structure."""

MIN_SIDE = 24
"""Pixels along the shorter side below which nothing is measured."""

FILTERS = 30
"""Number of high-pass filters, from one that removes only the largest structures to one that keeps only the finest."""

FINEST_WIDTH = 0.15
"""Width of the last filter in pixels."""

RADII = 200
"""Number of radii at which the correlation is sampled."""

PROMINENCE = 5e-4
"""How far the correlation must fall after a peak, as in the authors' program."""

MIN_CORRELATION = 0.05
"""Correlation at a peak below which the filter has left only noise, as in the authors' program."""


class Spectrum(NamedTuple):
    """Frequencies up to Nyquist's of all images of one shape, those of equal radius as one."""

    radius: np.ndarray  # of each group, in units of Nyquist's frequency, rising
    group: np.ndarray  # of each frequency of `scipy.fft.rfft2`, in C order; those outside are of group `len(radius)`
    weight: np.ndarray  # how many frequencies of the whole plane each of them stands for
    ring: np.ndarray  # groups at which the correlation is sampled
    extent: np.ndarray  # frequencies within each ring


def measure_resolution(plane: np.ndarray) -> float | None:
    """Measure the smallest period that an image (y, x) of square pixels resolves.

    It is in pixels, at least 2 (the period of the Nyquist frequency); None if the image is too small, dark or flat, or
    noise hides all structure.
    """
    if min(plane.shape) < MIN_SIDE or plane.min() == plane.max():
        return None
    spectrum = _sort_frequencies(plane.shape)
    amplitude, power = _sum_groups(_apodise(plane), spectrum)
    start = _find_cutoff(amplitude, power, spectrum)
    if not start:
        return None
    cutoffs = [start]
    for width in [max(plane.shape) / 4, *np.geomspace(2 / start, FINEST_WIDTH, FILTERS)]:
        high_pass = -np.expm1(-2 * (width * spectrum.radius) ** 2)
        cutoffs.append(_find_cutoff(amplitude * high_pass, power * high_pass**2, spectrum))
    return 2 / max(cutoffs)


def _apodise(plane: np.ndarray) -> np.ndarray:
    """Return the image without its mean, faded to 0 along its edges."""
    image: np.ndarray = plane - plane.mean(dtype=np.float64)
    for axis, n in enumerate(plane.shape):
        edge = min(APODISED, n // 8)
        rise = np.sin(np.pi / 2 * np.arange(edge) / edge) ** 2
        window = np.concatenate([rise, np.ones(n - 2 * edge), rise[::-1]])
        image *= np.expand_dims(window, 1 - axis)
    return image


@lru_cache(maxsize=2)
def _sort_frequencies(shape: tuple[int, int]) -> Spectrum:
    """Group the frequencies of images (y, x) by radius: a filter multiplies those of a group by the same factor."""
    height, width = shape
    y, x = 2 * fft.fftfreq(height), 2 * fft.rfftfreq(width)
    radii = np.hypot(y[:, None], x)
    disc = (radii > 0) & (radii <= 1)
    radius, group = np.unique(radii[disc], return_inverse=True)
    groups = np.full(shape[:1] + x.shape, len(radius))
    groups[disc] = group
    weight = np.full(groups.shape, 2.0)  # of a real image, frequency -f is the conjugate of f
    weight[:, [0, -1] if width % 2 == 0 else 0] = 1
    number = np.bincount(groups.ravel(), weight.ravel(), len(radius) + 1)[:-1]
    ring = np.searchsorted(radius, np.linspace(0, 1, RADII)[1:], side="right") - 1
    return Spectrum(radius, groups.ravel(), weight.ravel(), ring, np.cumsum(number)[ring])


def _sum_groups(image: np.ndarray, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of the amplitudes, and of their squares, of each group."""
    amplitude = np.abs(fft.rfft2(image)).ravel()
    sums = (
        np.bincount(spectrum.group, spectrum.weight * values, len(spectrum.radius) + 1)[:-1]
        for values in (amplitude, amplitude**2)
    )
    first, second = sums
    return first, second


def _find_cutoff(amplitude: np.ndarray, power: np.ndarray, spectrum: Spectrum) -> float:
    """Return the radius at which the correlation peaks, 0 if it does not (equation 1 of the paper, summed up)."""
    energy = float(np.sum(power))
    if not energy:
        return 0.0
    ring = spectrum.ring
    correlation = np.cumsum(amplitude)[ring] / np.sqrt(energy * spectrum.extent)
    return _find_peak(correlation, spectrum.radius[ring])


def _find_peak(correlation: np.ndarray, radius: np.ndarray) -> float:
    """Return the radius of the last maximum after which the correlation falls far enough; 0 if there is none."""
    while len(correlation) > 1:
        peak = int(np.argmax(correlation))
        if peak == len(correlation) - 1:  # still rising, so no maximum: the end is cut off
            correlation = correlation[:-1]
        elif correlation[peak] - correlation[peak:].min() >= PROMINENCE:
            return float(radius[peak]) if peak and correlation[peak] > MIN_CORRELATION else 0.0
        else:
            correlation = correlation[:peak]
    return 0.0
