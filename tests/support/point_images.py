"""Images of a point whose PSF is known: Gaussians, pure or as a camera records them."""

import numpy as np

FINE = {"z": 0.1, "y": 0.104, "x": 0.104}
COARSE = {"z": 0.3, "y": 0.104, "x": 0.104}
SIGMA = (0.38, 0.15, 0.19)  # micrometre
FWHM = 2 * np.sqrt(2 * np.log(2))


def gaussian(shape, centre, step, sigma=SIGMA):
    """A Gaussian of height 1, sampled at points: what a stage that stops at each plane records."""
    axes = [(np.arange(n) - c) * step[a] / s for n, c, a, s in zip(shape, centre, "zyx", sigma, strict=True)]
    z, y, x = (np.exp(-0.5 * u**2) for u in axes)
    return z[:, None, None] * y[:, None] * x


def centred(shape, step, sigma=SIGMA):
    return gaussian(shape, [n // 2 for n in shape], step, sigma)


def embed(small, shape):
    """The PSF in the middle of a larger volume."""
    large = np.zeros(shape)
    large[tuple(slice(m // 2 - n // 2, m // 2 + n // 2 + 1) for n, m in zip(small.shape, shape, strict=True))] = small
    return large


def measured(seed=0, peak=2000, noise=5):
    """A core with a faint skirt, photon and camera noise, an offset; and the truth."""
    shape, centre = (101, 64, 64), (47, 33, 31)
    skirt = gaussian(shape, centre, FINE, (1.2, 0.6, 0.6))
    truth = gaussian(shape, centre, FINE) + 0.02 * skirt
    rng = np.random.default_rng(seed)
    counts = rng.poisson(peak * truth) + rng.normal(104, noise, shape)
    return np.rint(counts).astype(np.uint16), truth / truth.sum()
