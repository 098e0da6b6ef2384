"""The stage of a simulated scan: raw planes at an angle, and the settings that a lattice microscope writes of it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy  # whose modules come when they are used

from lightsheet.scan import Scan, make_scan
from lightsheet.simulation.scene import Array, Shape
from lightsheet.system import InputError, write_whole

BORDER = 8  # voxels of the scene at both ends of the axis that moves, the reach of the interpolation
PSF_STEP = 0.1  # micrometre, of the stage from plane to plane of a bead

STAGE = {"angle": 31.8, "step": 0.4, "axis": "x", "direction": 1}
"""How a simulated stage moves where nothing else is chosen: a lattice microscope's."""

SETTINGS = """\
***** ***** ***** General ***** ***** *****
Acq Mode :\tZ stack

***** ***** ***** Waveform ***** ***** *****
{waveform}

Cycle lasers :\tper Z

Z motion :\tSample piezo

***** ***** *****   .ini File  ***** ***** *****
[Sample stage]
Angle between stage and bessel beam (deg) = {angle}
"""


class ScannedPsf(NamedTuple):
    """The image of a bead that the stage scans: its shape, the distance of its planes, and how each moves on."""

    shape: Shape
    distance: float  # micrometre
    moves: tuple[float, float]  # voxels along y and x from plane to plane


def choose_scan(kind: str, stage: Mapping[str, Any]) -> dict[str, Any] | None:
    """Choose the scan of a simulated acquisition.

    Parameters
    ----------
    kind : {"straight", "stage"}
    stage : mapping
        `angle`, `step`, `axis` and `direction` of a stage; None for what `STAGE` has.

    Returns
    -------
    dict or None
        As `simulate_acquisition` takes it.

    Raises
    ------
    InputError
        If a straight acquisition shall have one of them.
    """
    options = {key: value for key, value in stage.items() if value is not None}
    if kind == "stage":
        return {**STAGE, **options}
    if options:
        raise InputError(f"{next(iter(options))}: only a stage scan has that; choose the scan `stage`")
    return None


def measure_plane_distance(scan: Mapping[str, Any], voxel_size: Mapping[str, float]) -> float:
    """Return the distance of a scan's planes in micrometre; InputError if its geometry cannot be."""
    _read(scan, voxel_size)
    distance: float = scan["step"] * math.sin(math.radians(scan["angle"]))
    return distance


def measure_field(scan: Mapping[str, Any], shape: Shape, voxel_size: Mapping[str, float]) -> Shape:
    """Return the shape (z, y, x) of the straight volume that holds all planes of a scan of this shape."""
    geometry = _read(scan, voxel_size)
    field = list(shape)
    field[geometry.axis] += math.ceil(max(_list_offsets(geometry, shape[0])))
    z, y, x = field
    return z, y, x


def list_borders(scan: Mapping[str, Any] | None) -> Shape:
    """Return by how many voxels (z, y, x) light must be longer at both ends than the field of a scan."""
    z, y, x = (BORDER * bool(scan and scan.get("axis", "x") == axis) for axis in "zyx")
    return z, y, x


def record_planes(light: Array, scan: Mapping[str, Any], shape: Shape, voxel_size: Mapping[str, float]) -> Array:
    """Return what the camera sees of straight light (z, y, x), which is longer by `list_borders` at both ends."""
    geometry = _read(scan, voxel_size)
    planes = np.moveaxis(light, geometry.axis, -1)
    width = shape[geometry.axis]
    raw = np.empty((*planes.shape[:2], width), np.float32)
    for plane, offset, target in zip(planes, _list_offsets(geometry, shape[0]), raw, strict=True):
        whole = math.floor(offset)
        part = plane[:, whole : whole + width + 2 * BORDER]
        target[:] = scipy.ndimage.correlate1d(part, _interpolate(offset - whole))[:, BORDER : BORDER + width]
    return np.moveaxis(raw, -1, geometry.axis)


def _interpolate(part: float) -> Array:
    """Return the weights of voxels -BORDER to BORDER at a place between 0 and 1: Lanczos's windowed sinc."""
    distance = np.arange(-BORDER, BORDER + 1) - part
    weights = np.where(np.abs(distance) < BORDER, np.sinc(distance) * np.sinc(distance / BORDER), 0.0)
    return np.asarray(weights / weights.sum())


def plan_scanned_psf(scan: Mapping[str, Any], shape: Shape, voxel_size: Mapping[str, float]) -> ScannedPsf:
    """Plan the image of a bead that is scanned in steps of `PSF_STEP` through as much as a straight one of a shape."""
    bead = {**scan, "step": PSF_STEP}
    geometry, distance = _read(bead, voxel_size), measure_plane_distance(bead, voxel_size)
    planes = math.ceil((shape[0] - 1) * PSF_STEP / distance) + 1
    sizes, moves = [planes, *shape[1:]], [0.0, 0.0]
    sizes[geometry.axis] += math.ceil((planes - 1) * geometry.shift)
    moves[geometry.axis - 1] = -geometry.direction * geometry.shift
    return ScannedPsf((sizes[0], sizes[1], sizes[2]), distance, (moves[0], moves[1]))


def write_settings(path: Path, scan: Mapping[str, Any], planes: int, lasers: Sequence[int]) -> None:
    """Write of the settings of a lattice microscope (4.x, LabVIEW) what its readers look for."""
    names = "Offset, Interval (um), # of Pixels for Excitation"
    lines = [f"S PZT {names} ({n}) :\t50\t{scan['step']:g}\t{planes}" for n in range(len(lasers))]
    lines += [
        f"Excitation Filter, Laser, Power (%), Exp(ms) ({n}) :\tN/A\t{laser}\t5\t18" for n, laser in enumerate(lasers)
    ]
    with write_whole(path) as part:
        part.write_text(SETTINGS.format(waveform="\n".join(lines), angle=f"{scan['angle']:g}"), encoding="utf-8")


def _read(scan: Mapping[str, Any], voxel_size: Mapping[str, float]) -> Scan:
    return make_scan(**scan, pixel=voxel_size.get(scan.get("axis", "x"), math.nan))


def _list_offsets(geometry: Scan, planes: int) -> list[float]:
    """Return where each plane begins in the straight volume, in voxels, as `lightsheet.scan.deskew` has it."""
    order = range(planes) if geometry.direction == 1 else range(planes - 1, -1, -1)
    return [round(number * geometry.shift, 9) for number in order]
