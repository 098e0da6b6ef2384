"""What is tried on the brightest part of a sampled timepoint, on a worker, before the first volume of its channel.

What is found is written into a file: Dask forgets what a worker returned that is lost afterwards.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.deconvolution import PART_SHAPE, Mask, erase_unmeasured, find_brightest_region, resolve_iterations
from lightsheet.processing.camera import subtract_background
from lightsheet.processing.fill import cut_image, find_mask
from lightsheet.processing.photon_noise import propagate_noise
from lightsheet.processing.rounding import choose_bits, choose_step
from lightsheet.sources import Region, Tiles, open_mosaic, read_stack
from lightsheet.system import write_json


def try_setting(
    name: str,
    tiles: Tiles,
    shape: Sequence[int],
    dtype: str,
    psf: Path,
    settings: Mapping[str, Any],
    threads: int,
    path: Path,
    region: Region | None = None,
) -> None:
    """Find what a setting is to be for a timepoint; null where it is dark.

    Parameters
    ----------
    name : str, `iterations`: how many the timepoint bears; or another: how finely its result is to be stored
    tiles, shape, dtype : Tiles, sequence of int, str; the timepoint's files, and (z, y, x) and dtype of its volume
    psf : Path, of the PSF used
    settings : mapping, as for `deconvolve_volume`
    threads : int, cores to use
    path : Path, of the file that is written
    region : Region, optional, the part of the volume that is selected, which has this shape
    """
    counts, mask = _read_part(tiles, shape, dtype, settings, region)
    find = _find_iterations if name == "iterations" else describe_fineness
    write_json(path, find(counts, read_stack(psf), settings, threads, mask))


def _find_iterations(
    counts: np.ndarray, psf: np.ndarray, settings: Mapping[str, Any], threads: int, mask: Mask | None
) -> int | None:
    image, mask = cut_image(counts, np.s_[:, :, :], settings["background"], mask)
    if not image.any():
        return None
    return resolve_iterations(image, psf, acceleration=settings["acceleration"], threads=threads, mask=mask)


def describe_fineness(
    counts: np.ndarray, psf: np.ndarray, settings: Mapping[str, Any], threads: int, mask: Mask | None = None
) -> dict[str, Any] | None:
    """Deconvolve a part of a volume, and find how finely its noise asks to store the result; None if it is dark.

    Parameters
    ----------
    counts : ndarray (z, y, x), raw
    psf : ndarray (z, y, x)
    settings, threads : mapping, int, as for `deconvolve_volume`
    mask : Mask, optional, which voxels were measured

    Returns
    -------
    dict
        `brightest` voxel in counts; `noise`, relative L2; `bits`, see `choose_bits`; `step`, see `choose_step`.
    """
    image = subtract_background(counts, settings["background"])
    if mask:
        erase_unmeasured(image, mask)
    if not (image > 0).any():
        return None
    method = {name: settings[name] for name in ("iterations", "engine", "boundary", "acceleration")}
    result, noise = propagate_noise(image, psf, method, threads, mask)
    return {
        "brightest": float(result.max()),
        "noise": noise.relative,
        "bits": choose_bits(noise),
        "step": choose_step(noise),
    }


def _read_part(
    tiles: Tiles, shape: Sequence[int], dtype: str, settings: Mapping[str, Any], region: Region | None
) -> tuple[np.ndarray, Mask | None]:
    """Read the brightest part of a volume, in counts: as `find_brightest_region` finds it, but by bands.

    With it comes its mask; None if all of it was measured.
    """
    depth = min(PART_SHAPE[0], shape[0])
    most_light, brightest, brightest_mask = -1.0, np.empty(0), None
    with open_mosaic(tiles, shape, dtype, region) as volume:
        for start in sorted({*range(0, shape[0] - depth, depth), shape[0] - depth}):
            planes = volume[start : start + depth, :]
            mask = find_mask(planes, settings)
            brightest_region = find_brightest_region(planes, mask)
            part, part_mask = cut_image(planes, brightest_region, settings["background"], mask)
            light = float(np.square(part).sum())
            if light > most_light:
                most_light, brightest, brightest_mask = light, planes[brightest_region], part_mask
    return brightest, brightest_mask
