"""One plane of a published volume at full resolution, or the maximum of all; raw planes of a scan as the result's."""

import numpy as np

from lightsheet.provenance import read_channel
from lightsheet.scan import OutputGeometry, OutputVolume
from lightsheet.store import PublishedImage, Results
from lightsheet.viewing.projections import read_geometry


def read_plane(results: Results, kind: str, channel: str, timepoint: int, z: int | None) -> np.ndarray:
    """Read plane `z` of a volume as it is stored, or if that is None the maximum along z: (y, x), float32.

    Raw planes of a stage scan are moved or turned as those of the result, for which all of the volume is read. What no
    voxel of a stage scan was measured for is NaN.
    """
    image = read_channel(results, kind, channel)
    target = read_channel(results, "result", channel)
    if target.extra.get("geometry", "raw") == "raw":
        return _read_stored_plane(image, timepoint, z)
    geometry = read_geometry(target)
    if kind == "raw":
        plane = _read_moved_plane(image, geometry, timepoint, z)
    else:
        plane = _read_stored_plane(image, timepoint, z)
    support = geometry.find_support()
    is_measured = support.any(axis=0) if z is None else support[z]
    plane[(slice(None), ~is_measured) if target.extra["scan"]["axis"] == "x" else ~is_measured] = np.nan
    return plane


def _read_moved_plane(image: PublishedImage, geometry: OutputGeometry, timepoint: int, z: int | None) -> np.ndarray:
    raw = np.empty(image.levels[0].shape, np.float32)
    for region, band in image.read_bands(image.channels[0], timepoint, 0):
        raw[region] = band
    volume = OutputVolume(raw, geometry)
    depth, height, _ = volume.shape
    planes = range(depth) if z is None else (z,)
    plane: np.ndarray = np.maximum.reduce([volume[n : n + 1, :height][0] for n in planes])
    return plane


def _read_stored_plane(image: PublishedImage, timepoint: int, z: int | None) -> np.ndarray:
    plane = np.full(image.levels[0].shape[1:], -np.inf, np.float32)
    for (planes, rows), band in image.read_bands(image.channels[0], timepoint, 0):
        if z is None:
            np.maximum(plane[rows], band.max(axis=0), out=plane[rows])
        elif planes.start <= z < planes.stop:
            plane[rows] = band[z - planes.start]
    return plane
