"""Maximum projections of a published volume, to scale; of a stage scan raw and result in the geometry of the result."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lightsheet.provenance import read_channel
from lightsheet.scan import OutputGeometry, OutputVolume, make_scan
from lightsheet.store import Level, PublishedImage, Results, VolumeKey
from lightsheet.system import BandSource

LONG_SIDE = 512
"""Pixels along the longest side of a picture: what a screen shows two of, side by side."""

BAND_PLANES = 16
"""Planes of a volume that are moved or turned at a time."""


class Projections(NamedTuple):
    """Maximum projections of a volume, float32, in square pixels whose edge is `pixel` micrometre.

    What no voxel of a stage scan was measured for is NaN.
    """

    xy: np.ndarray  # (y, x)
    xz: np.ndarray  # (z, x)
    yz: np.ndarray  # (y, z)
    pixel: float


class _Grid(NamedTuple):
    """Voxels in the sample: along (z, y, x), and in micrometre the first one's place and their size."""

    shape: Sequence[int]
    first: Sequence[float]
    size: Sequence[float]

    @property
    def extent(self) -> Sequence[float]:
        """Lengths of the volume."""
        return [n * size for n, size in zip(self.shape, self.size, strict=True)]


def project_volume(results: Results, key: VolumeKey, background: float = 0, scale: float = 1) -> Projections:
    """Project a published volume, from the finest pyramid level of at most about `LONG_SIDE` pixels along each axis.

    The values are those that are stored, less `background`, by `scale`. An axis whose voxels are longer than a pixel is
    interpolated linearly. Raw planes of a stage scan are moved or turned as those of the result.
    """
    image = read_channel(results, key.kind, key.channel)
    target = read_channel(results, "result", key.channel) if image.affine else image
    kind = target.extra.get("geometry", "raw")
    canvas = _choose_level([_place_level(target, level) for level in target.levels])[1]
    if kind == "raw" or target is image:
        grids, geometries = [_place_level(image, level) for level in image.levels], None
    else:
        geometries = [_plan_geometry(image, level, kind) for level in image.levels]
        grids = [_place_geometry(image, *pair) for pair in zip(image.levels, geometries, strict=True)]
    number, grid = _choose_level(grids)
    volume: Any = np.empty(image.levels[number].shape, np.float32)
    for region, band in image.read_bands(image.channels[0], key.timepoint, number):
        volume[region] = band
    volume -= np.float32(background)
    volume /= np.float32(scale)
    support = None
    if geometries:
        volume, support = OutputVolume(volume, geometries[number]), geometries[number].find_support()
    elif kind != "raw":
        support = _find_support(image, image.levels[number])
    planes = _project(volume)
    if support is not None:
        is_measured = np.expand_dims(support, 3 - "zyx".index(image.extra["scan"]["axis"]))
        for axis, plane in enumerate(planes):
            plane[np.broadcast_to(~is_measured.any(axis=axis), plane.shape)] = np.nan
    return _draw_on(canvas, grid, planes)


def _project(volume: BandSource) -> list[np.ndarray]:
    """Return the maxima along z, y and x."""
    depth, height, width = volume.shape
    xy, xz, yz = np.full((height, width), -np.inf, np.float32), np.empty((depth, width)), np.empty((depth, height))
    for start in range(0, depth, BAND_PLANES):
        planes = slice(start, min(start + BAND_PLANES, depth))
        band = volume[planes, slice(0, height)]
        np.maximum(xy, band.max(axis=0), out=xy)
        xz[planes], yz[planes] = band.max(axis=1), band.max(axis=2)
    return [xy, xz.astype(np.float32), yz.astype(np.float32)]


def _place_level(image: PublishedImage, level: Level) -> _Grid:
    size = [image.voxel_size[axis] * factor for axis, factor in zip("zyx", level.factor, strict=True)]
    fine = image.voxel_size.values()
    first = [start + (n - f) / 2 for start, n, f in zip(image.origin, size, fine, strict=True)]
    return _Grid(level.shape, first, size)


def _plan_geometry(image: PublishedImage, level: Level, kind: str) -> OutputGeometry:
    """Plan how a level of raw planes, whose steps and pixels are so much longer, is shown."""
    scan = image.extra["scan"]
    factors = dict(zip("zyx", level.factor, strict=True))
    longer = {"step": scan["step"] * factors["z"], "pixel": scan["pixel"] * factors[scan["axis"]]}
    return OutputGeometry(kind, make_scan(**{**scan, **longer}), level.shape)


def _place_geometry(image: PublishedImage, level: Level, geometry: OutputGeometry) -> _Grid:
    raw = _place_level(image, level)
    sizes = geometry.measure_voxels(dict(zip("zyx", raw.size, strict=True)))
    affine = np.array(image.affine)
    first = affine[:, :3] @ raw.first + affine[:, 3] + np.array(geometry.origin) * [*sizes.values()]
    return _Grid(geometry.shape, first.tolist(), list(sizes.values()))


def read_geometry(image: PublishedImage) -> OutputGeometry:
    """Return how the result of a stage scan lies, of which its store's attributes tell."""
    extra = image.extra
    return OutputGeometry(extra["geometry"], make_scan(**extra["scan"]), tuple(extra["raw_shape"]))


def _find_support(image: PublishedImage, level: Level) -> np.ndarray:
    """Return which voxels of a level of a result were measured, by those in the middle of each, as `find_support`."""
    axis = "zyx".index(image.extra["scan"]["axis"])
    support = read_geometry(image).find_support()
    rows, columns = (
        np.minimum(np.arange(level.shape[n]) * level.factor[n] + level.factor[n] // 2, support.shape[n > 0] - 1)
        for n in (0, axis)
    )
    part: np.ndarray = support[np.ix_(rows, columns)]
    return part


def _choose_level(grids: Sequence[_Grid]) -> tuple[int, _Grid]:
    """Choose the finest level that is not too large for a picture, or the coarsest."""
    suitable = (n for n, grid in enumerate(grids) if max(grid.extent) / min(grid.size) <= LONG_SIDE)
    number = next(suitable, len(grids) - 1)
    return number, grids[number]


def _draw_on(canvas: _Grid, grid: _Grid, planes: Sequence[np.ndarray]) -> Projections:
    """Draw projections of voxels in square pixels over the whole of the canvas."""
    pixel = max(min(canvas.size), max(canvas.extent) / LONG_SIDE)
    places = []
    for axis, length in enumerate(canvas.extent):
        number = max(1, round(length / pixel))
        start = canvas.first[axis] - canvas.size[axis] / 2 - grid.first[axis]
        places.append((start + (np.arange(number) + 0.5) * (length / number)) / grid.size[axis])
    z, y, x = places
    xy, xz, yz = planes
    return Projections(_interpolate(xy, y, x), _interpolate(xz, z, x), _interpolate(yz.T, y, z), pixel)


def _interpolate(image: np.ndarray, *places: np.ndarray) -> np.ndarray:
    """Interpolate linearly between the centres of pixels, one axis after the other; outside is the last value."""
    for axis, place in enumerate(places):
        last = image.shape[axis] - 1
        position = np.clip(place, 0, last)
        low = position.astype(np.intp)
        share = np.expand_dims((position - low).astype(np.float32), 1 - axis)
        image = image.take(low, axis) * (1 - share) + image.take(np.minimum(low + 1, last), axis) * share
    return image
