"""How the stage moved: what the configuration says, compared with what the microscope's settings say."""

import math
from collections.abc import Mapping
from typing import Any

from lightsheet.scan import make_scan
from lightsheet.sources.metadata import FileMetadata
from lightsheet.sources.voxel_size import TOLERANCE
from lightsheet.system import InputError

ANGLE_TOLERANCE = 1.0
"""Degrees: settings hold the angle of the microscope's drawing (31.5), and users what was measured (31.8, 32.45)."""

DEFAULTS = {"axis": "x", "direction": 1}

StageScan = dict[str, Any]
"""`angle` in degrees, `step` in micrometre, `axis` and `direction`, as `make_scan` and `deskew` take them."""


def decide_scan(
    config: str | Mapping[str, Any],
    settings: FileMetadata | None = None,
    *,
    key: str = "input.scan",
    rest: Mapping[str, Any] | None = None,
) -> StageScan | None:
    """Decide on the geometry of a scan: from the config, else from the microscope's settings.

    Parameters
    ----------
    config : str or mapping, what the configuration says
    settings : FileMetadata or None, from `read_lattice_settings`; None compares with nothing
    key : str, what the configuration calls it, for error messages
    rest : mapping, optional, what holds where neither of them says anything; but no step

    Returns
    -------
    dict or None
        None where it is no stage scan.

    Raises
    ------
    InputError
        If they contradict each other, the angle or the step is unknown, or one of them cannot be.
    """
    if isinstance(config, str):
        return None
    claims = {name: value for name, value in config.items() if name != "kind"}
    stage = settings.stage if settings else {}
    for name, tolerance in (("angle", {"abs_tol": ANGLE_TOLERANCE}), ("step", {"rel_tol": TOLERANCE})):
        if name in claims and name in stage and not math.isclose(claims[name], stage[name], **tolerance):
            raise InputError(
                f"config key {key}.{name} is {claims[name]:g}, but {stage[name]:g} in {settings and settings.source}; "
                "correct it there, or, if it is right, add `override: true` to voxel_size"
            )
    default_stage = {name: value for name, value in (rest or {}).items() if name != "step"}
    scan = {**DEFAULTS, **default_stage, **stage, **claims}
    for name, unit in (("angle", "degrees"), ("step", "micrometre")):
        if name not in scan:
            raise InputError(
                f"config key {key}.{name} is not known: the files do not tell it; write it there, in {unit}"
            )
    try:
        make_scan(**scan, pixel=1)
    except InputError as error:
        raise InputError(f"config key {key}.{error}") from None
    return {name: scan[name] for name in ("angle", "step", "axis", "direction")}


def measure_distance(scan: Mapping[str, Any]) -> float:
    """Return how far the planes of a stage scan lie apart, along the detection axis, in micrometre."""
    step: float = scan["step"]
    return round(step * math.sin(math.radians(scan["angle"])), 9)


def set_plane_distance(
    voxel_size: Mapping[str, float], file: FileMetadata | None, scan: Mapping[str, Any], keys: tuple[str, str]
) -> tuple[dict[str, float], FileMetadata | None]:
    """Take the distance between planes from a stage scan, which decides it.

    Parameters
    ----------
    voxel_size : mapping, of the configuration: axes in micrometre, as far as known
    file : FileMetadata or None, of a typical file; it may have the step of the stage, or that distance
    scan : mapping, from `decide_scan`
    keys : of the voxel size and of the scan in the configuration, for error messages

    Returns
    -------
    dict, FileMetadata or None
        Both for `decide_voxel_size`: with that distance as z, and without the step of the stage.

    Raises
    ------
    InputError
        If the configuration has another z.
    """
    distance = measure_distance(scan)
    z = voxel_size.get("z")
    if z is not None and not math.isclose(z, distance, rel_tol=TOLERANCE):
        raise InputError(
            f"config key {keys[0]}.z is {z:g} um, but planes lie step * sin(angle) = {scan['step']:g} um * "
            f"sin({scan['angle']:g} degrees) = {distance:.4g} um apart by {keys[1]}; correct what is wrong, or leave "
            f"{keys[0]}.z out"
        )
    if file and math.isclose(file.voxel_size.get("z", 0), scan["step"], rel_tol=TOLERANCE):
        file = file._replace(voxel_size={axis: size for axis, size in file.voxel_size.items() if axis != "z"})
    return {**voxel_size, "z": distance}, file
