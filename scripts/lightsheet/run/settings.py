"""What of a checked configuration changes results: the settings of deconvolution, and those of the PSFs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightsheet.processing import find_stored_per_count
from lightsheet.psf import find_psf_settings
from lightsheet.run.scan_geometry import list_scan_settings


def list_settings(config: Mapping[str, Any], channels: Sequence[str]) -> dict[str, Any]:
    """Return what changes a deconvolved volume, besides its pixels and its PSF; see `Run.settings`."""
    section, output, voxel_size = config["deconvolution"], config["output"], config["voxel_size"]
    background, precision, scan_settings = section["background"], output["precision"], list_scan_settings(config)
    settings = {key: section[key] for key in ("engine", "iterations", "boundary", "acceleration")}
    settings |= {
        "background": {c: background[c] if isinstance(background, Mapping) else background for c in channels},
        "fill": config["input"]["fill"],
        "dtype": output["dtype"],
        "scale": find_stored_per_count(output),
    }
    # Keys that are younger than records: where they change nothing, old records hold without them.
    if precision != "full":
        settings["precision"] = precision
    settings |= scan_settings
    if scan := scan_settings.get("scan"):
        settings["pixel"] = voxel_size[scan["axis"]]
    return settings


def list_psf_settings(config: Mapping[str, Any], channel: str, path: Path) -> dict[str, Any]:
    """Return what changes the PSF that is prepared for a channel, besides its file, which is at a path."""
    settings = find_psf_settings(path, config["psf"], channel) | {"voxel_size": config["voxel_size"]}
    scan = list_scan_settings(config).get("scan")
    return settings | {"scan": scan} if scan else settings
