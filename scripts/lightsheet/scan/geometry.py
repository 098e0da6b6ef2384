"""Where the voxels of a stage scan lie.

The stage moves `step` from plane to plane, in a direction that makes an angle with the camera's focal plane. Of that
step, step * sin(angle) leads from one focal plane to the next, and step * cos(angle) runs along them: on the camera,
what rests on the stage moves by so much from plane to plane, along the axis y or x of the image.

With distances in pixels of the camera, voxel i of plane k lies at

    i + direction * k * step * cos(angle) / pixel    along the axis that moves, in the straight frame
    k * step * sin(angle) / pixel                    along the detection axis

Turned by the angle, so that the coverslip is level, it lies at

    k * step / pixel + direction * i * cos(angle)    along the coverslip, in the direction of the stage
    i * sin(angle)                                   away from it
"""

import math
from typing import Any, NamedTuple

import numpy as np

from lightsheet.system import InputError

Array = Any  # of numpy or cupy

AXES = {"y": 1, "x": 2}
"""Axes of a volume (z, y, x) along which its planes can move."""


class Scan(NamedTuple):
    """The geometry of a stage scan, in pixels of the camera; from `make_scan`."""

    angle: float  # between the direction of the stage and the focal plane, in radians
    step: float  # of the stage, in pixels
    direction: int  # 1 or -1: to which side the stage moves
    axis: int  # of a volume (z, y, x), along which planes move

    @property
    def shift(self) -> float:
        """By how many pixels each plane lies farther along the axis than the one before, direction aside."""
        return self.step * math.cos(self.angle)


def make_scan(*, angle: float, step: float, pixel: float, direction: int = 1, axis: str = "x") -> Scan:
    """Check the geometry of a stage scan.

    Parameters
    ----------
    angle : float
        Between the direction of the stage and the camera's focal plane, in degrees: above 0 and below 90.
    step : float
        Of the stage from plane to plane, along its own direction, in micrometre.
    pixel : float
        Of the camera in the sample, along `axis`, in micrometre.
    direction : {1, -1}
        1 where voxels of later planes lie at higher positions of `axis`; see the formula in this file.
    axis : {"x", "y"}
        Of the image, along which its planes move.

    Raises
    ------
    InputError
        Names the value that cannot be one.
    """
    if not 0 < angle < 90:
        raise InputError(f"angle: {angle:g} degrees is not between 0 and 90, where the stage moves through the planes")
    for key, length in {"step": step, "pixel": pixel}.items():
        if not 0 < length < math.inf:
            raise InputError(f"{key}: {length:g} is no distance; give it in micrometre, above 0")
    if direction not in (1, -1):
        raise InputError(f"direction: {direction!r} is neither 1 nor -1")
    if axis not in AXES:
        raise InputError(f"axis: {axis!r} is neither x nor y")
    return Scan(math.radians(angle), step / pixel, direction, AXES[axis])


def check_volume(volume: np.ndarray) -> None:
    """Refuse what is no volume (z, y, x)."""
    if volume.ndim != 3 or not volume.size:
        raise InputError(f"a volume is (z, y, x), with voxels; this one has the shape {volume.shape}")


def round_pixels(position: float) -> float:
    """Round away what arithmetic adds to a position that is a whole number of pixels."""
    return round(position, 9)
