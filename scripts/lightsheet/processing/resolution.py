"""Resolution of an image, measured in the image itself: decorrelation analysis.

The method is that of Descloux, Grussmayer and Radenovic (2019, Nature Methods 16, 918), "Parameter-free image
resolution estimation based on decorrelation analysis": the image is correlated with itself, its Fourier amplitudes made
equal and its frequencies limited to a disc. The correlation rises with the disc's radius while there is signal, and
falls where there is only noise. High-pass filters bring weak high frequencies forward; the largest radius at which any
of the filtered images peaks is the cut-off. Written here because the authors' programs are for MATLAB and ImageJ.
"""

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


def measure_resolution(plane: np.ndarray) -> float | None:
    """Measure the smallest period that an image (y, x) of square pixels resolves.

    It is in pixels, at least 2 (the period of the Nyquist frequency); None if the image is too small, dark or flat, or
    noise hides all structure.
    """
    if min(plane.shape) < MIN_SIDE or plane.min() == plane.max():
        return None
    amplitude, radius = _measure_amplitudes(_apodise(plane))
    start = _find_cutoff(amplitude, radius)
    if not start:
        return None
    widths = [max(plane.shape) / 4, *np.geomspace(2 / start, FINEST_WIDTH, FILTERS)]
    cutoffs = (_find_cutoff(amplitude * -np.expm1(-2 * (width * radius) ** 2), radius) for width in widths)
    return 2 / max(start, *cutoffs)


def _apodise(plane: np.ndarray) -> np.ndarray:
    """Return the image without its mean, faded to 0 along its edges."""
    image: np.ndarray = plane - plane.mean(dtype=np.float64)
    for axis, n in enumerate(plane.shape):
        edge = min(APODISED, n // 8)
        rise = np.sin(np.pi / 2 * np.arange(edge) / edge) ** 2
        window = np.concatenate([rise, np.ones(n - 2 * edge), rise[::-1]])
        image *= np.expand_dims(window, 1 - axis)
    return image


def _measure_amplitudes(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the amplitudes of the frequencies up to Nyquist's, and their radii in units of it, by rising radius."""
    amplitude = np.abs(fft.fft2(image))
    y, x = (2 * fft.fftfreq(n) for n in image.shape)
    radius = np.hypot(y[:, None], x)
    inside = (radius > 0) & (radius <= 1)
    amplitude, radius = amplitude[inside], radius[inside]
    order = np.argsort(radius)
    return amplitude[order], radius[order]


def _find_cutoff(amplitude: np.ndarray, radius: np.ndarray) -> float:
    """Return the radius at which the correlation peaks, 0 if it does not (equation 1 of the paper, summed up)."""
    energy = float(np.sum(amplitude**2))
    if not energy:
        return 0.0
    correlation = np.cumsum(amplitude) / np.sqrt(energy * np.arange(1, len(amplitude) + 1))
    ring = np.searchsorted(radius, np.linspace(0, 1, RADII)[1:], side="right") - 1
    return _find_peak(correlation[ring], radius[ring])


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
