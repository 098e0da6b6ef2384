"""What is tried on the brightest part of a sampled timepoint, on a worker, before the first volume of its channel.

Each function writes what it finds into a file: Dask forgets what a worker returned that is lost afterwards.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.deconvolution import PART_SHAPE, Mask, find_brightest_region, resolve_iterations, richardson_lucy
from lightsheet.processing.fill import cut_image, find_mask
from lightsheet.sources import Region, Tiles, open_mosaic, read_stack
from lightsheet.system import write_json


def try_iterations(
    tiles: Tiles,
    shape: Sequence[int],
    dtype: str,
    psf: Path,
    settings: Mapping[str, Any],
    threads: int,
    path: Path,
    region: Region | None = None,
) -> None:
    """Find how many iterations a timepoint bears; null where it is dark.

    Parameters
    ----------
    tiles, shape, dtype : Tiles, sequence of int, str; the timepoint's files, and (z, y, x) and dtype of its volume
    psf : Path, of the PSF used
    settings : mapping, as for `deconvolve_volume`
    threads : int, cores to use
    path : Path, of the file that is written
    region : Region, optional, the part of the volume that is selected, which has this shape
    """
    image, mask = _read_part(tiles, shape, dtype, settings, region)
    value = None
    if image.any():
        acceleration = settings["acceleration"]
        value = resolve_iterations(image, read_stack(psf), acceleration=acceleration, threads=threads, mask=mask)
    write_json(path, value)


def try_method(
    tiles: Tiles,
    shape: Sequence[int],
    dtype: str,
    psf: Path,
    settings: Mapping[str, Any],
    threads: int,
    path: Path,
    region: Region | None = None,
) -> None:
    """Find how bright the result of a timepoint becomes, in counts; null where it is dark. As `try_iterations`."""
    image, mask = _read_part(tiles, shape, dtype, settings, region)
    value = None
    if image.any():
        method = {name: settings[name] for name in ("iterations", "engine", "boundary", "acceleration")}
        value = float(richardson_lucy(image, read_stack(psf), threads=threads, mask=mask, **method).max())
    write_json(path, value)


def _read_part(
    tiles: Tiles, shape: Sequence[int], dtype: str, settings: Mapping[str, Any], region: Region | None
) -> tuple[np.ndarray, Mask | None]:
    """Read the brightest part of a volume, without background: as `find_brightest_region` finds it, but by bands.

    With it comes its mask; None if all of it was measured.
    """
    depth = min(PART_SHAPE[0], shape[0])
    most, brightest, brightest_mask = -1.0, np.empty(0), None
    with open_mosaic(tiles, shape, dtype, region) as volume:
        for start in sorted({*range(0, shape[0] - depth, depth), shape[0] - depth}):
            planes = volume[start : start + depth, :]
            mask = find_mask(planes, settings)
            brightest_region = find_brightest_region(planes, mask)
            part, measured = cut_image(planes, brightest_region, settings["background"], mask)
            light = float(np.square(part).sum())
            if light > most:
                most, brightest, brightest_mask = light, part, measured
    return brightest, brightest_mask
