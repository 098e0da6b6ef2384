"""How much memory engine `cpu` takes. Light to import, unlike the engine: it is asked when a run is planned."""

from lightsheet.deconvolution.fused_layout import count_groups
from lightsheet.deconvolution.lanes.plan import LANES
from lightsheet.deconvolution.padding import Shape

ESTIMATES = {"none": 1, "heavy-ball": 2, "biggs": 3}
"""Arrays of the cyclic array's voxels: the estimate, the one before, and the last change."""


def estimate_arrays(frame: Shape, acceleration: str, is_masked: bool = False) -> int:
    """Return the bytes of the arrays of one deconvolution, in a cyclic array (z, y, x); see `fused_layout`."""
    planes, rows, width = frame
    padded_rows = -(-rows // (2 * LANES)) * 2 * LANES
    groups, tail = count_groups(width // 2 + 1)
    spectrum, otf = (8 * planes * (n * groups * LANES + tail * padded_rows) for n in (padded_rows, rows))
    return spectrum + otf + (ESTIMATES[acceleration] + is_masked) * 4 * planes * padded_rows * width
