"""How the image of a bead moves from plane to plane, and whether that is what the configuration says of its scan."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lightsheet.psf.centre import Core
from lightsheet.psf.isolation import BeadImage
from lightsheet.psf.measure import AXES
from lightsheet.scan import make_scan
from lightsheet.system import InputError

TILTED = 10.0  # degrees
ELONGATED = 1.3  # longest axis to the next: of a ball none is the longest
SCANNED = 0.5  # voxels from plane to plane
ALIKE = 0.25  # of the movement of a scan, by which that of a bead may differ
REMAINDER = 0.4  # likewise, of a bead that was straightened


class Slant(NamedTuple):
    """Where the long axis of a PSF lies, if that is not z."""

    degrees: float  # from z
    axis: str  # x or y, towards which
    move: float  # voxels of that axis from plane to plane


def measure_slant(core: Core, voxel_size: Mapping[str, float]) -> Slant | None:
    """Measure how far a PSF is tilted; None of one that is not."""
    steps = np.array([voxel_size[axis] for axis in AXES])
    lengths, axes = np.linalg.eigh(core.covariance * steps[:, None] * steps)
    degrees = math.degrees(math.acos(min(1.0, abs(axes[0, -1]))))
    if degrees < TILTED or lengths[-1] < ELONGATED**2 * max(lengths[-2], 0):
        return None
    number = 1 + int(np.abs(axes[1:, -1]).argmax())
    return Slant(degrees, AXES[number], float(core.covariance[0, number] / max(core.covariance[0, 0], 0.25)))


def refuse_scan_mismatch(
    bead: BeadImage,
    core: Core,
    voxel_size: Mapping[str, float],
    scan: Mapping[str, Any] | None,
    psf_scan: Mapping[str, Any] | None,
    source: str,
) -> None:
    """Refuse a bead that was scanned as the images were but passes for straight, or was not scanned as is said.

    `scan` and `psf_scan` are as for `prepare_psf`, `voxel_size` is that of the bead. A straight PSF that is tilted by
    as much for other reasons is not known: it would be that of a light sheet far from the focal plane.
    """
    slant = measure_slant(core, voxel_size)
    if slant is None:
        return
    if psf_scan:
        _refuse_straightened(slant, voxel_size, psf_scan, source)
    elif scan and bead.fill is None and slant.axis == scan["axis"]:
        _refuse_recorded(slant, voxel_size, scan, source)


def _refuse_straightened(
    slant: Slant, voxel_size: Mapping[str, float], psf_scan: Mapping[str, Any], source: str
) -> None:
    """Refuse a bead that is slanted after it was straightened, by about as much as its planes were moved, or more."""
    scan = make_scan(**psf_scan, pixel=voxel_size[psf_scan["axis"]])
    move = slant.move * voxel_size[slant.axis] / voxel_size[psf_scan["axis"]]
    if abs(move) < REMAINDER * scan.shift:
        return
    movement = scan.direction * scan.shift if slant.axis == psf_scan["axis"] else 0.0
    raise InputError(
        f"{source}: straightened as psf.scan says, this bead still moves by {abs(slant.move):.2g} voxels along "
        f"{slant.axis} from plane to plane ({abs(slant.move - movement):.2g} in its image), so it was not scanned like "
        "that; give psf.scan: straight, if its planes lie straight above each other, or else the axis, direction, "
        "step and angle with which it was scanned"
    )


def _refuse_recorded(slant: Slant, voxel_size: Mapping[str, float], scan: Mapping[str, Any], source: str) -> None:
    """Refuse a bead that passes for straight and moves as the images do.

    The z of its voxels may have been taken for the step of the stage, which is then longer than their distance.
    """
    angle, pixel = math.radians(scan["angle"]), voxel_size[scan["axis"]]
    for step in (voxel_size["z"] / math.sin(angle), voxel_size["z"]):
        shift = step * math.cos(angle) / pixel
        if abs(abs(slant.move) / shift - 1) < ALIKE:
            direction = -1 if slant.move > 0 else 1
            raise InputError(
                f"{source}: this bead moves by {abs(slant.move):.2g} voxels along {slant.axis} from plane to plane, as "
                f"one does that the stage carries through the planes: it is a raw stage scan, not straight. Say so, "
                f"with the step of the stage from plane to plane: psf.scan: {{kind: stage, step: {step:.3g}, "
                f"direction: {direction}}}; or give a bead that is straight"
            )
