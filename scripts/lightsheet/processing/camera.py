"""Camera counts: what a raw volume says of the camera, and how a result is stored as integers.

All goes plane by plane, for a volume may be on the disk because it does not fit into memory.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lightsheet.system import Allocate

OUTPUT_MAX = np.iinfo(np.uint16).max


def estimate_background(volume: np.ndarray) -> float:
    """Estimate the camera offset: the 1st percentile of the means over blocks of 8 x 8 x 8 voxels.

    A mean over 512 voxels hides the camera's noise, and the darkest blocks of such a volume hold no light.

    Parameters
    ----------
    volume : numpy.ndarray
        (z, y, x), counts.

    Returns
    -------
    float
        Counts.
    """
    edge = [min(8, n) for n in volume.shape]
    blocks = [n // e for n, e in zip(volume.shape, edge, strict=True)]
    whole = volume[tuple(slice(b * e) for b, e in zip(blocks, edge, strict=True))]
    split = whole.reshape([n for pair in zip(blocks, edge, strict=True) for n in pair])
    return float(np.percentile(split.mean(axis=(1, 3, 5), dtype=np.float64), 1))


def subtract_background(raw: np.ndarray, background: float) -> np.ndarray:
    """Remove the camera's offset: float32 of the same shape; noise makes some of it negative."""
    image: np.ndarray = np.subtract(raw, np.float32(background), dtype=np.float32)
    return image


def describe_counts(raw: np.ndarray, background: float) -> dict[str, Any]:
    """Count what the camera could not show, and the light that is left without its offset.

    Parameters
    ----------
    raw : numpy.ndarray
        (z, y, x), counts.
    background : float
        The camera's offset, counts.

    Returns
    -------
    dict
        `background`; `flux_before`, the sum of the image without it; `negative_voxels`, which lie below it and count as
        0; `saturated_voxels`, which have the largest value that an integer dtype holds.
    """
    full = np.iinfo(raw.dtype).max if np.issubdtype(raw.dtype, np.integer) else np.inf
    negative, saturated, flux = 0, 0, 0.0
    for plane in raw:
        image = subtract_background(plane, background)
        negative += int(np.count_nonzero(image < 0))
        saturated += int(np.count_nonzero(plane == full))
        flux += float(np.maximum(image, 0).sum(dtype=np.float64))
    return {
        "background": background,
        "flux_before": flux,
        "negative_voxels": negative,
        "saturated_voxels": saturated,
    }


def find_stored_per_count(output: Mapping[str, Any]) -> float:
    """Return the stored value of a result per count.

    Parameters
    ----------
    output : mapping
        `dtype` of the result and `scale`, which counts for integers; records of earlier versions may lack both.
    """
    scale: float = output.get("scale", 1) if output.get("dtype", "float32") != "float32" else 1
    return scale


def convert_result(
    result: np.ndarray, dtype: str, scale: float, allocate: Allocate = np.empty
) -> tuple[np.ndarray, int]:
    """Convert a float32 result for storage.

    Parameters
    ----------
    result : numpy.ndarray
        (z, y, x) float32, counts.
    dtype : str
        `float32` (kept as it is) or `uint16` (multiplied by `scale`, rounded, clipped to 65535).
    scale : float
        Stored value per count, for uint16.
    allocate : callable
        Makes the array of integers.

    Returns
    -------
    numpy.ndarray
        (z, y, x).
    int
        How many voxels were clipped.
    """
    if dtype == "float32":
        return result, 0
    stored, clipped = allocate(result.shape, np.uint16), 0
    for plane, target in zip(result, stored, strict=True):
        rounded = np.rint(plane * np.float32(scale))
        clipped += int(np.count_nonzero(rounded > OUTPUT_MAX))
        target[...] = np.clip(rounded, 0, OUTPUT_MAX)
    return stored, clipped
