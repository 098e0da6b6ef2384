"""Which stage scan would move planes by what was measured."""

import math
from collections.abc import Mapping
from typing import Any

from lightsheet.scan.geometry import AXES
from lightsheet.scan.plane_shift import PlaneShift

LEAST_ANGLE, MOST_ANGLE = 20, 65
"""Degrees between which the stages of microscopes move: 30 to 45 with few exceptions."""


def suggest_scans(shift: PlaneShift, voxel_size: Mapping[str, float]) -> list[dict[str, Any]]:
    """Suggest the geometry of a stage scan whose planes move so.

    With m micrometre from plane to plane, m = step * cos(angle). If `z` is the distance between planes, step *
    sin(angle), then tan(angle) = z / m; if it is the step of the stage, cos(angle) = m / z.

    Parameters
    ----------
    shift : PlaneShift
    voxel_size : mapping, micrometre along `z`, `y` and `x`

    Returns
    -------
    list of dict
        `angle` in degrees, `step` in micrometre, `axis` and `direction`, as `make_scan` takes them: first for z as the
        distance, then for z as the step; without those whose angle no stage has, so possibly none.
    """
    axis = max(AXES, key=lambda name: abs(getattr(shift, name)))
    movement, z = getattr(shift, axis) * voxel_size[axis], voxel_size["z"]
    geometries = [(math.degrees(math.atan2(z, abs(movement))), math.hypot(z, movement))]
    if abs(movement) < z:
        geometries.append((math.degrees(math.acos(abs(movement) / z)), z))
    direction = -1 if movement > 0 else 1  # what rests on the stage moves against it
    return [
        {"angle": round(angle, 1), "step": float(f"{step:.3g}"), "axis": axis, "direction": direction}
        for angle, step in geometries
        if LEAST_ANGLE <= angle <= MOST_ANGLE
    ]
