"""Where the image of a channel's PSF is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightsheet.run.suggestions import suggest_file
from lightsheet.system import InputError


def locate_psf(files: Mapping[str, Any], folder: Path, channel: str) -> str:
    """Return a channel's PSF file, of those that `psf.files` names: relative to this folder, or else to the images'."""
    if not files:
        raise InputError("config key psf.files: no PSF is named yet, and only the target inventory needs none")
    entry = files[channel]
    name = Path(entry if isinstance(entry, str) else entry["path"])
    path = folder / name
    try:
        file = next((place for place in (name, path) if place.is_file()), None)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error
    if file is None:
        alternative = "" if path == name else f", and none {path}"
        raise InputError(
            f"config key psf.files.{channel}: there is no file {name}{alternative}{suggest_file(name, path)}"
        )
    return str(file)
