"""Which Zarr stores of a folder are used: the folder itself, or those in it whose names fit the pattern.

Like `listing`, it runs whenever the Snakefile is parsed: it reads no pixels and imports nothing heavy.
"""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from lightsheet.acquisition.listing import make_natural_key, walk_folders
from lightsheet.acquisition.names import count_folders, fits_pattern
from lightsheet.acquisition.presets import PRESETS, ZARR_SUFFIX, is_tiff
from lightsheet.acquisition.time_axis import SourceFile, gather_fields
from lightsheet.sources import is_zarr

ITSELF = "."
"""Name of the folder's own store."""


def list_stores(folder: Path, pattern: str, names: Sequence[str] | None = None) -> list[str] | None:
    """List the Zarr stores of a folder, relative to it; None where TIFFs are to be read.

    Stores count where no name of a TIFF fits the pattern; `names` are those of an earlier look.
    """
    if names is not None:
        return list(names) if any(_is_store_name(folder, name) for name in names) else None
    if is_zarr(folder):
        return [ITSELF]
    if not folder.is_dir() or (pattern not in PRESETS and is_tiff(pattern)):
        return None
    entries = list(walk_folders(folder, count_folders(pattern)))
    if any(is_tiff(name) and fits_pattern(name, pattern) for name in entries):
        return None
    stores = [name.rstrip("/") for name in entries if name.endswith("/") and _is_store_name(folder, name.rstrip("/"))]
    return sorted(stores, key=make_natural_key) or None


def _is_store_name(folder: Path, name: str) -> bool:
    return name.lower().endswith(ZARR_SUFFIX) or is_zarr(folder / name)


def describe_own_store() -> SourceFile:
    """Return what `read_names` would of the folder's own store, whose name says nothing."""
    return gather_fields(ITSELF, {})


def find_young_stores(folder: Path, stores: Sequence[str], settle: float, previous: Collection[str]) -> dict[str, str]:
    """Find stores whose metadata is not whole and that are younger than so many seconds: a microscope creates them."""
    from lightsheet.sources import is_readable  # here, because it imports NumPy

    return {
        name: "still being written"
        for name in stores
        if name not in (*previous, ITSELF)
        and time.time() - (folder / name).stat().st_mtime < settle
        and not is_readable(folder / name)
    }
