"""The geometry in which the result of a stage scan is stored: which one, from the settings of its volumes."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.scan import OutputGeometry, make_scan


def find_geometry(settings: Mapping[str, Any], shape: Sequence[int]) -> OutputGeometry | None:
    """Return the geometry of the results of raw volumes (z, y, x); None of straight ones, whose results lie as they do.

    Parameters
    ----------
    settings : mapping
        As for `deconvolve_volume`; of a stage scan they have `scan`, its `pixel` in micrometre, and `geometry`.
    shape : sequence of int
        Of the raw volume.
    """
    if "scan" not in settings:
        return None
    return OutputGeometry(settings["geometry"], make_scan(**settings["scan"], pixel=settings["pixel"]), tuple(shape))


def describe_geometry(settings: Mapping[str, Any], shape: Sequence[int], kind: str) -> dict[str, Any]:
    """Describe the geometry of a store in builtin types, for its attributes; nothing of straight images.

    `scan` is what `lightsheet.scan.make_scan` takes, `geometry` one of deskewed, rotated and raw. Where it is raw,
    `affine` has the `matrix` (3, 4) from the store's micrometres (z, y, x), its translation included, which OME-NGFF
    0.5 cannot shear, to those of the result, or of a deskewed one. Otherwise voxels that were never measured have the
    value of `unmeasured`; which they are follows from `scan`, `geometry` and `raw_shape`, see
    `OutputGeometry.find_support`.

    Parameters
    ----------
    settings, shape : as for `find_geometry`
    kind : str, `raw` or `result`
    """
    geometry = find_geometry(settings, shape)
    if not geometry:
        return {}
    scan = {**settings["scan"], "pixel": settings["pixel"]}
    if kind == "result" and geometry.kind != "raw":
        unmeasured = {"value": 0, "voxels": "which no plane of the scan covers: by scan, geometry and raw_shape"}
        return {"scan": scan, "geometry": geometry.kind, "raw_shape": list(shape), "unmeasured": unmeasured}
    target = "rotated" if geometry.kind == "rotated" else "deskewed"
    affine = {"to": target, "axes": list("zyx"), "unit": "micrometer", "matrix": geometry.describe_affine()}
    return {"scan": scan, "geometry": "raw", "affine": affine}
