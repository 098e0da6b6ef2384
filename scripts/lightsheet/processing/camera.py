"""Camera counts: the camera's offset and limits in a raw volume, and a result stored as integers.

Volumes are read plane by plane, because one that does not fit into memory is on the disk.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lightsheet.deconvolution import Mask
from lightsheet.system import Allocate

OUTPUT_MAX = np.iinfo(np.uint16).max


def estimate_background(volume: np.ndarray) -> float:
    """Estimate the camera's offset in counts: the 1st percentile of the means over blocks of 8 x 8 x 8 voxels.

    A mean over 512 voxels hides the camera's noise, and the darkest blocks of a volume (z, y, x) hold no light.
    """
    edge = [min(8, n) for n in volume.shape]
    blocks = [n // e for n, e in zip(volume.shape, edge, strict=True)]
    whole = volume[tuple(slice(b * e) for b, e in zip(blocks, edge, strict=True))]
    split = whole.reshape([n for pair in zip(blocks, edge, strict=True) for n in pair])
    return float(np.percentile(split.mean(axis=(1, 3, 5), dtype=np.float64), 1))


def subtract_background(raw: np.ndarray, background: float) -> np.ndarray:
    """Subtract the camera's offset (counts): float32 of the same shape; noise makes some of it negative."""
    image: np.ndarray = np.subtract(raw, np.float32(background), dtype=np.float32)
    return image


def describe_counts(raw: np.ndarray, background: float, mask: Mask | None = None) -> dict[str, Any]:
    """Count what the camera could not show, and the light that is left without its offset, both in counts.

    `flux_before` is the sum of the image without `background`; `negative_voxels` lie below it and count as 0;
    `saturated_voxels` have the largest value that an integer dtype holds. With a mask, voxels that were never measured
    do not count, and `unmeasured_voxels` says how many they are.
    """
    full = find_largest(raw.dtype)
    negatives, saturated, flux, voxel_count = 0, 0, 0.0, 0
    for z, plane in enumerate(raw):
        if mask:
            plane = plane[mask[z]]
            voxel_count += plane.size
            if not plane.size:
                continue
        image = subtract_background(plane, background)
        negatives += int(np.count_nonzero(image < 0))
        if plane.max() == full:
            saturated += int(np.count_nonzero(plane == full))
        flux += float(np.maximum(image, 0, out=image).sum(dtype=np.float64))
    return name_counts(background, flux, negatives, saturated, raw.size - voxel_count if mask else None)


def find_largest(dtype: Any) -> float:
    """Return the largest value of a dtype, infinity where it has none to speak of."""
    return np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else np.inf


def name_counts(
    background: float, flux: float, negative: int, saturated: int, unmeasured: int | None
) -> dict[str, Any]:
    """Name what `describe_counts` returns."""
    return {
        "background": background,
        "flux_before": flux,
        "negative_voxels": negative,
        "saturated_voxels": saturated,
        **({} if unmeasured is None else {"unmeasured_voxels": unmeasured}),
    }


def find_stored_per_count(output: Mapping[str, Any]) -> Any:
    """Return the stored value of a result per count, from its `dtype` and `scale`; old records may lack both.

    Of a configuration it may be auto.
    """
    scale: float | str = output.get("scale", 1) if output.get("dtype", "float32") != "float32" else 1
    return scale


def convert_result(
    result: np.ndarray, dtype: str, scale: float, allocate: Allocate = np.empty
) -> tuple[np.ndarray, int]:
    """Convert a float32 result (z, y, x) for storage, and count the clipped voxels.

    `float32` is kept as it is; for `uint16` counts are multiplied by `scale`, rounded, and clipped to 65535.
    """
    if dtype == "float32":
        return result, 0
    stored, clip_count = allocate(result.shape, np.uint16), 0
    for plane, target in zip(result, stored, strict=True):
        rounded = np.rint(plane * np.float32(scale))
        clip_count += int(np.count_nonzero(rounded > OUTPUT_MAX))
        target[...] = np.clip(rounded, 0, OUTPUT_MAX)
    return stored, clip_count
