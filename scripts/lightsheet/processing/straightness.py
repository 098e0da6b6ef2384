"""Whether the planes of a channel are those of a moved stage, each beside the one before."""

from collections.abc import Mapping

import numpy as np

from lightsheet.processing.sample import SLAB


def warn_of_scan(planes: Mapping[int, np.ndarray], depth: int) -> list[str]:
    """Say that a channel looks like a raw stage scan; nothing where it does not.

    Parameters
    ----------
    planes : mapping, per timepoint the planes of a `Sample`; that in the middle is looked at
    depth : int, planes of a volume
    """
    from lightsheet.scan import measure_plane_shift  # SciPy, which nobody needs who parses the Snakefile

    pixels = planes[sorted(planes)[len(planes) // 2]]
    slabs = [pixels] if len(pixels) == depth else [pixels[z : z + SLAB] for z in range(0, len(pixels), SLAB)]
    shift = measure_plane_shift(slabs)
    if shift is None:
        return []
    axis, pixels_moved = max((("y", abs(shift.y)), ("x", abs(shift.x))), key=lambda item: item[1])
    return [
        f"it looks like a raw stage scan: each plane lies {pixels_moved:.2g} voxels along {axis} beside the one before "
        f"({shift.pairs} pairs of planes). Such volumes are not straight, and are deconvolved wrongly: deskew them "
        "first. It is right as it is only where the sample itself is that slanted, or its points are, by an oblique PSF"
    ]
