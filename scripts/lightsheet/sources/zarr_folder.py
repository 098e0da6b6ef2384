"""Whether a folder is a Zarr store: asked while a folder is listed, so that nothing is imported for it."""

from pathlib import Path

from lightsheet.system import name_unreadable

FILES_V2 = (".zarray", ".zgroup", ".zattrs")


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a Zarr array or group."""
    with name_unreadable(folder):
        return any((folder / name).is_file() for name in ("zarr.json", *FILES_V2))
