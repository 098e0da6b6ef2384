"""Resolution of an image, measured in the image itself: decorrelation analysis.

The method is that of Descloux, Grussmayer and Radenovic (2019, Nature Methods 16, 918), "Parameter-free image
resolution estimation based on decorrelation analysis": the image is correlated with itself, its Fourier amplitudes made
equal and its frequencies limited to a disc. The correlation rises with the disc's radius while there is signal, and
falls where there is only noise. High-pass filters bring weak high frequencies forward; the largest radius at which any
of the filtered images peaks is the cut-off. Written here because the authors' programs are for MATLAB and ImageJ.
"""

from typing import Any

import numpy as np
from scipy import fft

Array = np.ndarray[Any, Any]

APODISED = 20
"""Pixels along each edge over which the image fades to its mean, so that the edges are no structure."""

LEAST = 24
"""Pixels along the shorter side below which nothing is measured."""

FILTERS = 30
"""High-pass filters, from one that takes nothing but the largest structures to one that leaves the finest alone."""

FINEST = 0.15
"""Width of the last filter in pixels."""

RADII = 200
"""At which the correlation is looked at."""

PROMINENCE = 5e-4
"""A peak of the correlation must stand out by so much from what follows it, as in the authors' program."""

LEAST_CORRELATION = 0.05
"""At the peak; below it, what is left by the filter is noise (also theirs)."""


def measure_resolution(plane: Array) -> float | None:
    """Measure the smallest period that an image resolves.

    Parameters
    ----------
    plane : numpy.ndarray
        (y, x), real, square pixels.

    Returns
    -------
    float or None
        In pixels, at least 2 (the period of the Nyquist frequency); None if the image is too small, dark or flat, or
        noise hides all structure.
    """
    if min(plane.shape) < LEAST or plane.min() == plane.max():
        return None
    amplitude, radius = _amplitudes(_apodised(plane))
    start = _cutoff(amplitude, radius)
    if not start:
        return None
    widths = [max(plane.shape) / 4, *np.geomspace(2 / start, FINEST, FILTERS)]
    cutoffs = (_cutoff(amplitude * -np.expm1(-2 * (width * radius) ** 2), radius) for width in widths)
    return 2 / max(start, *cutoffs)


def _apodised(plane: Array) -> Array:
    """Return the image without its mean, faded to 0 along its edges."""
    image: Array = plane - plane.mean(dtype=np.float64)
    for axis, n in enumerate(plane.shape):
        edge = min(APODISED, n // 8)
        rise = np.sin(np.pi / 2 * np.arange(edge) / edge) ** 2
        window = np.concatenate([rise, np.ones(n - 2 * edge), rise[::-1]])
        image *= np.expand_dims(window, 1 - axis)
    return image


def _amplitudes(image: Array) -> tuple[Array, Array]:
    """Return the amplitudes of the frequencies up to Nyquist's, and their radii in units of it, by rising radius."""
    amplitude = np.abs(fft.fft2(image))
    y, x = (2 * fft.fftfreq(n) for n in image.shape)
    radius = np.hypot(y[:, None], x)
    inside = (radius > 0) & (radius <= 1)
    amplitude, radius = amplitude[inside], radius[inside]
    order = np.argsort(radius)
    return amplitude[order], radius[order]


def _cutoff(amplitude: Array, radius: Array) -> float:
    """Return the radius at which the correlation peaks, 0 if it does not (equation 1 of the paper, summed up)."""
    energy = float(np.sum(amplitude**2))
    if not energy:
        return 0.0
    correlation = np.cumsum(amplitude) / np.sqrt(energy * np.arange(1, len(amplitude) + 1))
    ring = np.searchsorted(radius, np.linspace(0, 1, RADII)[1:], side="right") - 1
    return _peak(correlation[ring], radius[ring])


def _peak(correlation: Array, radius: Array) -> float:
    """Return the radius of the last maximum that what follows it proves to be one."""
    while len(correlation) > 1:
        at = int(np.argmax(correlation))
        if at == len(correlation) - 1:  # still rising: no maximum, so the end is taken off
            correlation = correlation[:-1]
        elif correlation[at] - correlation[at:].min() >= PROMINENCE:
            return float(radius[at]) if at and correlation[at] > LEAST_CORRELATION else 0.0
        else:
            correlation = correlation[:at]
    return 0.0
