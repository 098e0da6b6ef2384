"""Blank parts of an image: one value where nothing was measured, wherever they lie and however thin they are.

They need not be `fill`, which is known of all volumes of a channel: a hole amid tiles, a strip at the border of the one
timepoint that was shifted, corners of a thin sheet that was rotated. It is enough that they are no darkness.
"""

import numpy as np

LEAST_SHARE = 1e-3
"""Share of the voxels from which on blank ones are no dead pixels."""

LONELY_SHARE = 0.01
"""Share of blank voxels that may have no blank neighbour: noise scatters such voxels, and dead columns are thin."""

DEPTH = 8
"""Voxels that are looked at beyond the end of a blank part; the first `RIM` may be mixtures, by interpolation."""

RIM = 2

MOST_LINES = 20_000
MOST_VOXELS = 200_000

GAP = 10.0
"""Standard deviations of the noise between the value and dark voxels: of darkness that was cut off, there is no gap."""

NOISE_PER_DIFFERENCE = 1 / (0.6745 * 6**0.5)
"""Standard deviation of noise, divided by the median of the second differences' absolute values."""


def find_blank(image: np.ndarray) -> float | None:
    """Return the lowest value of an image (z, y, x), if the parts that have it are blank.

    They are solid, and end as cliffs: voxels beside them are as bright as others, not the dimmest as they are beside
    darkness which was cut off; and hardly any voxel is nearly as low.
    """
    low = image.min()
    is_low = image == low
    count = int(np.count_nonzero(is_low))
    if not LEAST_SHARE * image.size <= count < image.size or not _is_solid(is_low, count):
        return None
    rest = image[~is_low]
    brightness = rest[:: 1 + rest.size // MOST_VOXELS].astype(np.float64) - float(low)
    lines = np.concatenate([_follow_lines(image, is_low), _follow_lines(image.swapaxes(1, 2), is_low.swapaxes(1, 2))])
    margin = lines[:, RIM:] - float(low)
    noise = float(np.median(np.abs(np.diff(margin, 2)))) * NOISE_PER_DIFFERENCE if len(margin) else 0.0
    dark = float(np.percentile(brightness, 10))
    has_gap = (
        dark > max(GAP * noise, GAP if image.dtype.kind != "f" else 0.0) and np.mean(brightness < dark / 2) <= 0.02
    )
    is_cliff = len(margin) > 0 and _is_cliff(margin, dark, noise)
    return float(low) if has_gap and is_cliff else None


def _is_cliff(margin: np.ndarray, dark: float, noise: float) -> bool:
    """Tell whether voxels beside blank ones are neither the dimmest of all, nor dimmer than those farther inside."""
    median = float(np.median(margin))
    return median >= dark - 2 * noise and float(np.median(margin[:, 0])) >= 0.75 * median - noise


def _is_solid(is_low: np.ndarray, count: int) -> bool:
    for lines in (is_low, is_low.swapaxes(1, 2)):
        pairs = lines[..., 1:] & lines[..., :-1]
        lonely = lines.copy()
        lonely[..., 1:] &= ~pairs
        lonely[..., :-1] &= ~pairs
        if np.count_nonzero(lonely) > LONELY_SHARE * count:
            return False
    return True


def _follow_lines(image: np.ndarray, is_low: np.ndarray) -> np.ndarray:
    """Return the voxels (n, `DEPTH`) that follow blank ones along the last axis, from either side."""
    pieces = [np.empty((0, DEPTH))]
    for voxels, low in ((image, is_low), (image[..., ::-1], is_low[..., ::-1])):
        ends = np.argwhere(low[..., :-1] & ~low[..., 1:])
        ends = ends[ends[:, 2] + DEPTH < voxels.shape[2]]
        z, y, x = ends[:: 1 + len(ends) // MOST_LINES].T
        columns = x[:, None] + 1 + np.arange(DEPTH)
        is_free = ~low[z[:, None], y[:, None], columns].any(axis=1)
        pieces.append(voxels[z[:, None], y[:, None], columns][is_free].astype(np.float64))
    return np.concatenate(pieces)
