"""Whether the planes of a channel lie as the configuration says: straight, or each beside the one before."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lightsheet.processing.sample import SLAB
from lightsheet.system import InputError

if TYPE_CHECKING:
    from lightsheet.scan import PlaneShift

Geometry = Mapping[str, Any]
"""`angle` in degrees, `step` in micrometre, `axis` and `direction`."""

ALIKE = 0.25
"""Share of an expected shift by which the measured one may differ and still be it; it is off by less than a tenth."""

ODD = 0.15
"""Share of the shift above which it is odd: structures change it by less, 45 instead of 31.5 degrees by 17 %."""

LEAST_SLOPE = 0.42
"""Micrometre from plane to plane for each of z: of what moves less, as fibres near the optical axis and drifting
samples do, the angle would be above 65 degrees, which no stage has."""

LEAST_EXPECTED = 0.75
"""Pixels: of a scan that moves less from plane to plane, nothing can be told from straight planes."""

OBLIQUE = (
    "if it is the sample itself that is so slanted, or its points by an oblique PSF, as of images that were rotated "
    "before, input.scan: straight is right"
)


def measure_shift(planes: Mapping[int, np.ndarray], depth: int) -> dict[str, Any] | None:
    """Measure by how many pixels each plane of a channel lies beside the one before; 0 of straight ones.

    Parameters
    ----------
    planes : mapping, per timepoint the planes of a `Sample`; the one in the middle of those that show it is taken
    depth : int, planes of a volume

    Returns
    -------
    dict or None
        `y` and `x` of the shift, and by how many `pairs` of planes; None where they are not alike enough.
    """
    from lightsheet.scan import track_planes  # SciPy, which nobody needs who parses the Snakefile

    order = sorted(planes)
    for timepoint in sorted(order, key=lambda t: abs(order.index(t) - len(order) // 2)):
        pixels = planes[timepoint]
        slabs = [pixels] if len(pixels) == depth else [pixels[z : z + SLAB] for z in range(0, len(pixels), SLAB)]
        if shift := track_planes(slabs):
            return {"y": round(shift.y, 3), "x": round(shift.x, 3), "pairs": shift.pairs}
    return None


def describe_shift(shift: Mapping[str, Any] | None, scan: Geometry | None, voxel_size: Mapping[str, float]) -> str:
    """Say how planes move although they should not, or otherwise than they should; empty where nothing is wrong.

    Parameters
    ----------
    shift : mapping or None, from `measure_shift`
    scan : mapping or None, how a stage moved; None: it did not, and planes are straight
    voxel_size : mapping, of the raw volumes, micrometre along `z`, `y` and `x`
    """
    if not shift:
        return ""
    return _compare(_read(shift), scan, voxel_size) if scan else _describe_motion(_read(shift), voxel_size)


def refuse_shift(
    channel: str, shift: Mapping[str, Any] | None, scan: str | Geometry, voxel_size: Mapping[str, float]
) -> None:
    """Refuse a channel that is certainly scanned otherwise than the configuration says.

    Parameters
    ----------
    channel, shift, voxel_size
        As for `describe_shift`.
    scan : str or mapping, `input.scan`: straight is believed, auto and the direction of a stage are not

    Raises
    ------
    InputError
        If planes move that should be straight, as far as a stage would move them; or exactly as far as those of the
        stage scan, but to the other side or along the other axis. Of other contradictions only `describe_shift` tells:
        a slanted sample can change how far planes seem to move, but does not mirror it.
    """
    if not shift or scan == "straight":
        return
    plane_shift = _read(shift)
    if scan == "auto":
        if motion := _describe_motion(plane_shift, voxel_size):
            raise InputError(f"config key input.scan: {channel}: {motion}")
    elif not isinstance(scan, str):
        geometry = {name: value for name, value in scan.items() if name != "kind"}
        if mistake := _find_mistake(plane_shift, geometry, voxel_size):
            raise InputError(f"config key input.scan: {channel}: {mistake}")


def _read(shift: Mapping[str, Any]) -> "PlaneShift":
    from lightsheet.scan import PlaneShift

    return PlaneShift(shift["y"], shift["x"], shift["pairs"])


def _suggest(shift: "PlaneShift", voxel_size: Mapping[str, float]) -> list[str]:
    from lightsheet.scan import suggest_scans

    return [write_scan(scan) for scan in suggest_scans(shift, voxel_size)]


def write_scan(scan: Geometry) -> str:
    """Write a stage scan as the configuration has it."""
    return "{{kind: stage, angle: {angle:g}, step: {step:g}, axis: {axis}, direction: {direction}}}".format(**scan)


def _describe_motion(shift: "PlaneShift", voxel_size: Mapping[str, float]) -> str:
    """Say that planes move as a stage moves them, and which scan would do so; empty where they do not."""
    axis, movement = _find_axis(shift)
    if not shift.is_motion or abs(movement) * voxel_size[axis] < LEAST_SLOPE * voxel_size["z"]:
        return ""
    head = (
        f"it looks like a raw stage scan: each plane lies {abs(movement):.2f} voxels along {axis} beside the one "
        f"before ({shift.pairs} pairs of planes), and is deconvolved wrongly as a straight one"
    )
    if not (suggestions := _suggest(shift, voxel_size)):
        return f"{head}; but with the voxel_size.z and voxel_size.{axis} as they are no stage moves so: are they right?"
    fits = [f"input.scan: {suggestions[0]} fits if voxel_size.z is the distance between planes"]
    fits += [f"input.scan: {scan} if it is the step of the stage" for scan in suggestions[1:]]
    return f"{head}. {', '.join(fits)}; {OBLIQUE}"


def _find_axis(shift: "PlaneShift") -> tuple[str, float]:
    return max((("y", shift.y), ("x", shift.x)), key=lambda item: abs(item[1]))


def _expect(scan: Geometry, voxel_size: Mapping[str, float]) -> float:
    """Return by how many pixels each plane of a stage scan lies beside the one before."""
    from lightsheet.scan import make_scan

    movement: float = -scan["direction"] * make_scan(**scan, pixel=voxel_size[scan["axis"]]).shift
    return movement


def _find_mistake(shift: "PlaneShift", scan: Geometry, voxel_size: Mapping[str, float]) -> str:
    """Say what of a stage scan is the other way round in the images; empty where nothing is."""
    scan_movement, (axis, movement) = _expect(scan, voxel_size), _find_axis(shift)
    if abs(scan_movement) < LEAST_EXPECTED or not shift.is_motion:
        return ""
    if axis != scan["axis"]:
        scan_movement *= voxel_size[scan["axis"]] / voxel_size[axis]
    is_as_far = abs(abs(movement) - abs(scan_movement)) <= ALIKE * abs(scan_movement)
    image_scan = {**scan, "axis": axis, "direction": -1 if movement > 0 else 1}
    if not is_as_far or image_scan == dict(scan):
        return ""
    return (
        f"{write_scan(scan)} would move planes by {scan_movement:+.2f} voxels along {scan['axis']} from one to the "
        f"next, but they move by {movement:+.2f} along {axis} ({shift.pairs} pairs of planes); "
        f"{write_scan(image_scan)} fits"
    )


def _compare(shift: "PlaneShift", scan: Geometry, voxel_size: Mapping[str, float]) -> str:
    """Say how planes move otherwise than a stage scan moves them; empty where they do as it does."""
    if mistake := _find_mistake(shift, scan, voxel_size):
        return mistake
    scan_movement, movement = _expect(scan, voxel_size), getattr(shift, scan["axis"])
    if abs(scan_movement) < LEAST_EXPECTED or abs(movement - scan_movement) <= ODD * abs(scan_movement):
        return ""
    head = (
        f"its planes move by {movement:+.2f} voxels along {scan['axis']} from one to the next ({shift.pairs} pairs of "
        f"planes), but those of {write_scan(scan)} would by {scan_movement:+.2f}"
    )
    if abs(movement) <= ALIKE * abs(scan_movement):
        return f"{head}: if they were deskewed before, input.scan: straight is right"
    return f"{head}: look whether angle, step and voxel_size.{scan['axis']} are right"
