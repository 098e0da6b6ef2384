"""A PSF at the voxel size of the volumes: sampled along each axis, and cropped about its centre."""

import math

import numpy as np
from scipy import sparse

from lightsheet.psf.measure import Volume

# Ripple and leakage of the resampling kernel stay below 1 % with 4 lobes; more only carry noise further.
LOBES = 4


def resample(signal: Volume, axis: int, centre: float, ratio: float) -> Volume:
    """Sample along one axis every `ratio` voxels, `centre` in the middle, as far out as the image reaches.

    Lanczos's windowed sinc, as wide as the coarser of the two steps, so that nothing beyond the new Nyquist
    frequency is folded back (C. E. Duchon, J. Appl. Meteorol. 18, 1979). SciPy's sparse product adds in the
    same order on every machine, so the digest of a PSF does not depend on where it was made.
    """
    n = signal.shape[axis]
    reach = math.ceil(max(centre, n - 1 - centre) / ratio)
    points = (centre + ratio * np.arange(-reach, reach + 1))[:, None]
    width = max(ratio, 1.0)
    taps = np.floor(points) + np.arange(-math.ceil(LOBES * width), math.ceil(LOBES * width) + 1)
    offset = (taps - points) / width
    weights = np.where(np.abs(offset) < LOBES, np.sinc(offset) * np.sinc(offset / LOBES), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    row, is_inside = np.indices(taps.shape)[0], (taps >= 0) & (taps < n)
    kernel = sparse.csr_array(
        (weights[is_inside], (row[is_inside], taps[is_inside].astype(int))), shape=(len(points), n)
    )
    columns = np.moveaxis(signal, axis, 0)
    return np.moveaxis((kernel @ columns.reshape(n, -1)).reshape(-1, *columns.shape[1:]), 0, axis)


def crop(psf: Volume, loss: float) -> tuple[Volume, float]:
    """Cut planes equally far from the middle, a third of the allowed energy per axis; return the energy cut as well."""
    window = []
    for axis, n in enumerate(psf.shape):
        plane = psf.sum(axis=tuple({0, 1, 2} - {axis}))
        ring = plane[n // 2 :] + plane[n // 2 :: -1]  # counts the middle twice, which is never cut
        remainder = ring[::-1].cumsum()[::-1] - ring
        reach = int(np.argmax(remainder <= loss / 3 * plane.sum()))
        window.append(slice(n // 2 - reach, n // 2 + reach + 1))
    core = psf[tuple(window)]
    return core, max(0.0, 1.0 - float(core.sum() / psf.sum()))
