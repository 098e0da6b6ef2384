"""How the images and the beads of a run were scanned: what the configuration leaves out, taken from the files."""

import math
from collections.abc import Mapping
from typing import Any

from lightsheet.sources import TOLERANCE, FileMetadata, decide_scan, decide_voxel_size, set_plane_distance
from lightsheet.system import InputError


def resolve_scans(config: dict[str, Any], settings: FileMetadata | None) -> dict[str, Any] | None:
    """Write whole geometries into a checked configuration, for those that it leaves to the files or to `input.scan`.

    Parameters
    ----------
    config : dict, whose `input.scan`, `psf.scan` and `scan` in `psf.files` are set
    settings : FileMetadata or None, of the microscope; None compares with nothing

    Returns
    -------
    dict or None, how the images were scanned, as `decide_scan` has it
    """
    images = decide_scan(config["input"]["scan"], settings)
    psf = config["psf"]
    entries = {f"psf.files.{channel}": entry for channel, entry in psf["files"].items()}
    for name, section in {"psf": psf, **entries}.items():
        if isinstance(section, dict) and (
            scan := decide_scan(section.get("scan", "straight"), key=f"{name}.scan", rest=images)
        ):
            section["scan"] = {"kind": "stage", **scan}
    if images:
        config["input"]["scan"] = {"kind": "stage", **images}
    return images


def choose_voxel_size(
    voxel_size: Mapping[str, float] | None,
    file: FileMetadata,
    settings: FileMetadata | None,
    scan: Mapping[str, Any] | None,
) -> tuple[dict[str, float], dict[str, float] | None]:
    """Choose the voxel size of the images.

    Parameters
    ----------
    voxel_size : mapping or None, of the configuration
    file, settings : FileMetadata, of a typical file and of the microscope
    scan : mapping or None, how the images were scanned

    Returns
    -------
    dict, and dict or None
        The voxel size, and that which each file must say, if anything: of a stage scan it may say the step for z.
    """
    has_override = (voxel_size or {}).get("override")
    if not scan:
        decision = decide_voxel_size(voxel_size, file, settings)
        return decision, None if has_override else decision
    sizes, rest = set_plane_distance(voxel_size or {}, file, scan, ("voxel_size", "input.scan"))
    decision = decide_voxel_size(sizes, rest, None)
    return decision, None if has_override else {**decision, "z": file.voxel_size.get("z", decision["z"])}


def refuse_step_as_distance(voxel_size: Mapping[str, float], settings: FileMetadata | None) -> None:
    """Refuse straight images whose planes would lie the step of a stage apart that moved at an angle: none can."""
    step = settings.stage.get("step") if settings else None
    if settings and step and math.isclose(voxel_size["z"], step, rel_tol=TOLERANCE):
        raise InputError(
            f"voxel_size.z is {voxel_size['z']:g} um, and by {settings.source} that is the step of a stage that moved "
            "at an angle: if the images are as recorded, write input.scan: {kind: stage} (see config/README.md) and "
            "leave voxel_size.z out; if they were deskewed, their planes lie step * sin(angle) apart; if it is right "
            "nevertheless, write input.scan: straight"
        )
