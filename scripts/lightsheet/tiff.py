"""TIFF stacks to arrays: what a file holds, and its pixels, read by page count and never by series.

Some programs write every plane as a series of its own, and `tifffile.imread` then returns the first plane
without a word; so every page of the file counts here, and all must have one shape and one dtype.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile

from lightsheet.errors import InputError


def describe(path: Path) -> tuple[tuple[int, int, int], np.dtype[Any]]:
    """Read the headers of a TIFF stack.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    shape : tuple of int
        (z, y, x) in voxels.
    dtype : numpy.dtype
        In native byte order.

    Raises
    ------
    InputError
        If it is no TIFF, is cut off, or its pages differ in shape or dtype.
    """
    try:
        with tifffile.TiffFile(path) as file:
            return _describe(file, path)
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def read(path: Path) -> np.ndarray[tuple[int, int, int], Any]:
    """Read a whole TIFF stack.

    Parameters
    ----------
    path : Path
        The file: classic or BigTIFF, either byte order, strips or tiles, compressed or not.

    Returns
    -------
    numpy.ndarray
        (z, y, x), in native byte order.

    Raises
    ------
    InputError
        If it is no TIFF, is cut off or damaged, or its pages differ in shape or dtype.
    """
    try:
        with tifffile.TiffFile(path) as file:
            shape, dtype = _describe(file, path)
            pixels = np.empty(shape, dtype)
            if _is_one_page_hyperstack(file):
                file.series[0].asarray(out=pixels.reshape(file.series[0].shape))
            else:
                file.asarray(key=slice(None), out=pixels if shape[0] > 1 else pixels[0])
    except InputError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    return pixels


def _describe(file: tifffile.TiffFile, path: Path) -> tuple[tuple[int, int, int], np.dtype[Any]]:
    """Shape and dtype of an open file, every page checked."""
    first = file.pages.first
    if first.dtype is None:
        raise InputError(f"{path}: its voxels are of no type that NumPy has; export it as 8, 16 or 32 bit planes")
    dtype = first.dtype.newbyteorder("=")
    if len(first.shape) != 2:
        raise InputError(f"{path}: its pages are {first.shape}, not (y, x); export it as single-channel planes")
    if _is_one_page_hyperstack(file):
        series = file.series[0]
        return (series.size // first.size, *first.shape), dtype
    end = 0
    for number, page in enumerate(file.pages):
        if page.shape != first.shape or page.dtype != first.dtype:
            raise InputError(
                f"{path}: page {number} is {page.shape} {page.dtype}, page 0 is {first.shape} {first.dtype}; "
                "a volume needs pages of one kind"
            )
        end = max(end, *map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)))
    if end > file.filehandle.size or _chain_is_cut(file):
        raise InputError(
            f"{path}: the file is cut off ({file.filehandle.size} bytes, {len(file.pages)} whole pages); "
            "copy it again from the microscope"
        )
    return (len(file.pages), *first.shape), dtype


def _is_one_page_hyperstack(file: tifffile.TiffFile) -> bool:
    """ImageJ writes stacks over 4 GB as one page and a count in its description."""
    return len(file.pages) == 1 and len(file.series) == 1 and file.series[0].size > file.pages.first.size


def _chain_is_cut(file: tifffile.TiffFile) -> bool:
    """Tell whether the last page announces another one, which lies beyond the end of the file."""
    form = file.tiff
    last = file.pages[-1]
    order: Literal["little", "big"] = "little" if form.byteorder == "<" else "big"
    file.filehandle.seek(last.offset)
    count = int.from_bytes(file.filehandle.read(form.tagnosize), order)
    file.filehandle.seek(last.offset + form.tagnosize + count * form.tagsize)
    return any(file.filehandle.read(form.offsetsize))


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: there is no such file")
    return InputError(f"{path}: cannot be read as TIFF ({error}); copy it again, or put its name in input.ignore")
