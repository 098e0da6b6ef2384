"""Images whose truth is known, for benchmarks of quality."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage
from scipy.signal import fftconvolve

from lightsheet.simulation import CAMERA_OFFSET, CHANNELS, VOXEL_SIZE, model_image_psf, simulate_volume

Array = np.ndarray[Any, Any]

DATA = Path(os.environ.get("LIGHTSHEET_DATA", Path(__file__).parents[3] / "shared" / "data"))
BEAD_BLUR = (0.5, 1.0, 1.0)  # standard deviation in voxels, (z, y, x)


@dataclass(frozen=True, eq=False)
class Case:
    """An image whose truth is known; all three (z, y, x), light per voxel."""

    image: Array
    psf: Array
    truth: Array
    blur: tuple[float, ...] | None = None  # applied to estimates before they are compared with the truth

    def error(self, estimate: Array) -> float:
        """Return the NRMSE."""
        estimate = ndimage.gaussian_filter(estimate, self.blur) if self.blur else estimate
        return float(np.linalg.norm(estimate - self.truth) / np.linalg.norm(self.truth))


def simulated(peak: float, channel: int, seed: int, shape: tuple[int, int, int]) -> Case:
    """Simulate one volume."""
    truth, image = simulate_volume(channel, 0, shape, peak_photons=peak, seed=seed)
    psf = model_image_psf(CHANNELS[channel], VOXEL_SIZE)
    return Case(np.maximum(image - np.float32(CAMERA_OFFSET), 0), psf, truth)


def bars() -> Case:
    """Read flowdec's simulated bars; their truth has another unit."""
    image, psf, truth = (
        tifffile.imread(DATA / f"bars_flowdec/bars-25pct_{name}.tif") for name in ("data", "kernel", "actual")
    )
    return Case(image, psf / psf.sum(), truth * (image.sum() / truth.sum()))


def beads() -> Case:
    """Read the three beads that lie close together, and the PSF, which is off-centre."""
    image = tifffile.imread(DATA / "confocal_bia/Bead_Image1_crop.tif")[:, 55:130, 10:95].astype(np.float32)
    image -= image.min()
    psf = tifffile.imread(DATA / "confocal_bia/psf_45cube_offcentre.tif").clip(0)
    peak = np.unravel_index(psf.argmax(), psf.shape)
    reach = [min(place, n - 1 - place) for place, n in zip(peak, psf.shape, strict=True)]
    psf = psf[tuple(slice(place - r, place + r + 1) for place, r in zip(peak, reach, strict=True))].astype(np.float32)
    psf /= psf.sum()
    return Case(image, psf, _points(image, psf), BEAD_BLUR)


def _points(image: Array, psf: Array) -> Array:
    """Find points in an image, to parts of a voxel, and draw each as a Gaussian of `BEAD_BLUR`."""
    fit = (
        fftconvolve(image, psf[::-1, ::-1, ::-1], mode="same") / np.square(psf).sum()
    )  # light of a point at each voxel
    grid = np.indices(image.shape)
    points = np.zeros(image.shape)
    for place in np.argwhere((fit == ndimage.maximum_filter(fit, 25)) & (fit > 0.2 * fit.max())):
        exponent = 0.0
        for axis, sd in enumerate(BEAD_BLUR):
            step = np.arange(3) == axis
            before, here, after = (fit[tuple(place + way * step)] for way in (-1, 0, 1))
            centre = place[axis] + 0.5 * (before - after) / (before - 2 * here + after)  # of a parabola
            exponent = exponent + ((grid[axis] - centre) / sd) ** 2 / 2
        points += fit[tuple(place)] * np.exp(-exponent) / (np.prod(BEAD_BLUR) * (2 * np.pi) ** 1.5)
    return points
