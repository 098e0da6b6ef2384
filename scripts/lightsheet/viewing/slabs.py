"""One plane of a published volume at full resolution, or the maximum of all; raw planes of a scan as the result's."""

import numpy as np

from lightsheet.provenance import read_channel
from lightsheet.scan import OutputGeometry, OutputVolume, make_scan
from lightsheet.store import PublishedImage, Results


def read_plane(results: Results, kind: str, channel: str, timepoint: int, z: int | None) -> np.ndarray:
    """Read plane `z` of a volume as it is stored, or if that is None the maximum along z: (y, x), float32.

    Raw planes of a stage scan are moved or turned as those of the result, for which all of the volume is read.
    """
    image = read_channel(results, kind, channel)
    target = read_channel(results, "result", channel)
    shown = target.extra.get("geometry", "raw")
    if kind == "result" or not image.affine or shown == "raw":
        return _read_stored_plane(image, timepoint, z)
    raw = np.empty(image.levels[0].shape, np.float32)
    for region, band in image.read_bands(image.channels[0], timepoint, 0):
        raw[region] = band
    volume = OutputVolume(raw, OutputGeometry(shown, make_scan(**image.extra["scan"]), raw.shape))
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
