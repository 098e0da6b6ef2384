"""What decides a prepared PSF: its file and the settings. Light to import, whenever Snakemake reads the Snakefile."""

from pathlib import Path
from typing import Any

from lightsheet.system import stat_file

PSF_VERSION = 2
"""Raised when the preparation would make another PSF from the same image."""


def list_psf_inputs(path: Path, **settings: Any) -> dict[str, Any]:
    """List what decides the PSF that is prepared from an image, as far as it is known without reading the image.

    Parameters
    ----------
    path : Path, the image
    **settings : the arguments of `prepare_psf_file` besides the path

    Raises
    ------
    InputError
        If the image is not there.
    """
    stat = stat_file(path)
    source = {"path": str(path), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    return {"file": source, "settings": settings, "version": PSF_VERSION}
