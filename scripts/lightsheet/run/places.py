"""Where the volumes of a run lie in the sample: the places of its stores, and how the planes of a stage scan lie."""

from typing import Any

from lightsheet.processing import describe_geometry
from lightsheet.run.run import Run


def find_origin(run: Run, kind: str) -> tuple[float, ...]:
    """Return where the store of a kind has the first voxel of its volumes, (z, y, x) in micrometre.

    Of a selected part, that is its place in the whole; of raw planes of a stage scan before `affine` moves them.
    """
    start, geometry = _find_start(run), run.geometry
    if not geometry or kind == "raw" or geometry.kind == "raw":
        return start
    first = geometry.find_origin(run.voxel_sizes["raw"])
    return tuple(a + b for a, b in zip(first, geometry.move(start), strict=True))


def find_start_seconds(run: Run) -> float:
    """Return the time of the first timepoint, if not all are selected and it is known."""
    acquisition = run.acquisition
    seconds = acquisition.seconds if acquisition.part else None
    return (seconds or [0.0])[0] or 0.0


def describe_planes(run: Run, kind: str) -> dict[str, Any]:
    """Describe for the attributes of a store how the planes of a stage scan lie; nothing of straight images."""
    return describe_geometry(run.settings, run.shape, kind)


def _find_start(run: Run) -> tuple[float, ...]:
    """Return where the first voxel of a selected part lies in the whole raw volume, (z, y, x) in micrometre."""
    sizes, firsts = run.voxel_sizes["raw"], [start for start, _, _ in run.region or [(0, 0, 1)] * 3]
    return tuple(first * sizes[axis] for axis, first in zip("zyx", firsts, strict=True))
