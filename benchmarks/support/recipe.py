"""Deconvolve a folder of TIFF stacks as a Dask notebook does: each stack a chunk, to Zarr, deconvolved by map_blocks.

`python recipe.py itk|skimage DATA PSFS OUT ITERATIONS`: PSFS has WAVELENGTH.npy, (z, y, x), for the files in
whose names that stands; OUT gets WAVELENGTH.zarr.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import tifffile
from dask.distributed import Client, LocalCluster

BACKGROUND = 100

Array = np.ndarray[Any, Any]


def deconvolve_by_itk(image: Array, psf: Array, iterations: int) -> Array:
    """Deconvolve one volume by ITK's Richardson-Lucy."""
    import itk

    views = [itk.image_view_from_array(np.ascontiguousarray(array)) for array in (image, psf)]
    result = itk.richardson_lucy_deconvolution_image_filter(
        views[0], kernel_image=views[1], number_of_iterations=iterations
    )
    return np.asarray(itk.array_from_image(result))


def deconvolve_by_skimage(image: Array, psf: Array, iterations: int) -> Array:
    """Deconvolve one volume by scikit-image's Richardson-Lucy, whose PSF must be of odd sizes."""
    from skimage.restoration import richardson_lucy

    psf = np.pad(psf, [(0, 1 - size % 2) for size in psf.shape])
    return np.asarray(richardson_lucy(image, psf, iterations, clip=False, filter_epsilon=1e-3))


def deconvolve_block(block: Array, psf: Array, iterations: int, engine: str) -> Array:
    """Deconvolve a chunk (1, z, y, x) of uint16."""
    image = np.maximum(block[0].astype(np.float32) - BACKGROUND, 0)
    deconvolve = {"itk": deconvolve_by_itk, "skimage": deconvolve_by_skimage}[engine]
    return deconvolve(image, psf, iterations)[np.newaxis].astype(np.float32)


def main(engine: str, data: Path, psfs: Path, out: Path, iterations: int) -> None:
    """Deconvolve all channels that have a PSF."""
    with LocalCluster(threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        for psf in sorted(psfs.glob("*.npy")):
            files = sorted(path for path in data.glob("*.tif") if psf.stem in path.name)
            first = tifffile.imread(files[0])
            read = dask.delayed(tifffile.imread)
            stacks = [da.from_delayed(read(path), first.shape, first.dtype) for path in files]
            da.stack(stacks).to_zarr(out / f"{psf.stem}.raw.zarr")
            raw = da.from_zarr(out / f"{psf.stem}.raw.zarr")
            deconvolve = partial(deconvolve_block, psf=np.load(psf), iterations=iterations, engine=engine)
            raw.map_blocks(deconvolve, dtype=np.float32).to_zarr(out / f"{psf.stem}.zarr")


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:5]), int(sys.argv[5]))
