"""How a checked configuration says that the images were scanned."""

from collections.abc import Mapping
from typing import Any

from lightsheet.scan import Scan, make_scan


def list_scan_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the stage moved and in which geometry results are stored; nothing for straight images.

    `scan` has `angle` in degrees, `step` in micrometre, `axis` and `direction`; `geometry` is deskewed, rotated or raw.
    """
    scan = config["input"]["scan"]
    if isinstance(scan, str):
        return {}
    geometry = config["output"]["geometry"]
    return {"scan": {name: value for name, value in scan.items() if name != "kind"}, "geometry": geometry}


def read_scan(settings: Mapping[str, Any] | None, voxel_size: Mapping[str, float]) -> Scan | None:
    """Return the geometry of a scan of voxels of this size; None where planes lie straight."""
    return make_scan(**settings, pixel=voxel_size[settings["axis"]]) if settings else None


def list_expectations(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what planes are compared with, the arguments of `describe_shift`; nothing where straight is believed."""
    if config["input"]["scan"] == "straight":
        return {}
    return {"scan": list_scan_settings(config).get("scan"), "voxel_size": config["voxel_size"]}


def describe_scan(config: Mapping[str, Any]) -> str:
    """Say how the stage moved, to be written behind a voxel size; empty for straight images."""
    if not (scan := list_scan_settings(config).get("scan")):
        return ""
    shift = make_scan(**scan, pixel=config["voxel_size"][scan["axis"]]).shift
    angle, step = f"{scan['angle']:g}", f"{scan['step']:g}"
    return (
        f"; a stage scan: {angle} degrees, steps of {step} micrometre, direction {scan['direction']}: planes lie "
        f"{step} * sin({angle}) apart, and move by {shift:.3g} voxels along {scan['axis']} from one to the next"
    )
