"""The scene of a simulated acquisition: cells with filaments, vesicles and beads, as photons per voxel before blurring.

It is an endless lattice of cells around the middle of the field: a larger field shows more of the same scene, which
depends on nothing but seed, channel and timepoint.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Shape: TypeAlias = tuple[int, int, int]

BLEACHING = 0.004  # of the light lost per timepoint
PERIOD = 100.0  # timepoints of the slow wandering of everything
FILAMENT_STEP = 0.04  # micrometre from one point of a filament to the next
CELL_PITCH = (10.5, 13.0, 12.0)  # micrometre between the cells of the lattice
CELL_REACH = 10.0  # micrometre from a cell's home on the lattice to the farthest of its light


@dataclass(frozen=True)
class SceneChannel:
    """A laser line, and how brightly it makes structures glow (1: a peak of `peak_photons` in the image)."""

    excitation_nm: int
    emission_nm: float
    filaments: float = 0.0
    cytoplasm: float = 0.0
    nucleus: float = 0.0
    membrane: float = 0.0
    vesicles: float = 0.0
    beads: float = 0.0


CHANNELS = (
    SceneChannel(488, 520.0, filaments=0.27, cytoplasm=0.05, beads=0.8),
    SceneChannel(560, 595.0, nucleus=0.55, vesicles=0.6, membrane=0.15, beads=0.6),
    SceneChannel(642, 680.0, membrane=0.7, cytoplasm=0.04, vesicles=0.4, beads=0.8),
)


@dataclass(frozen=True)
class Canvas:
    """Photons per voxel (z, y, x), the place of voxel 0, and the voxel size; the latter (3,), micrometre."""

    photons: Array
    origin: Array
    step: Array


@dataclass(frozen=True)
class Cell:
    """One cell at one time; places (n, 3) in micrometre, shapes as matrices whose columns are half-axes."""

    centre: Array
    axes: Array
    nucleus: Array
    nucleus_axes: Array
    lumps: Array
    chromatin: Array
    filaments: Array
    vesicles: Array
    vesicle_light: Array
    beads: Array


def draw_scene(
    channel: int,
    timepoint: int,
    shape: Shape,
    psf: Array,
    voxel_size: Mapping[str, float],
    peak_photons: float,
    seed: int,
) -> Array:
    """Draw all that shines into the field: photons per voxel (z, y, x), float32.

    It reaches beyond `shape` by half the PSF on every side.
    """
    step = np.array([voxel_size[axis] for axis in "zyx"])
    field = np.array(shape) + psf.shape - 1
    canvas = Canvas(np.zeros(field, np.float32), -0.5 * (field - 1) * step, step)
    light = peak_photons * math.exp(-BLEACHING * timepoint)
    reach = field * step / 2 + CELL_REACH  # micrometre from site 0 within which a cell's light can fall into the field
    counts = np.ceil(reach / CELL_PITCH).astype(int)
    for site in product(*(range(-n, n + 1) for n in counts)):
        if np.all(np.abs(_place_site(site)) < reach):
            _draw_cell(canvas, _make_cell(site, timepoint, seed), CHANNELS[channel], light, psf)
    return canvas.photons


def _place_site(site: tuple[int, ...]) -> Array:
    """Return a lattice site's place (z, y, x) in micrometre; rows and layers are staggered, as cells pack."""
    z, y, x = site
    return np.array(CELL_PITCH) * (z, y + z % 2 / 2, x + (y + z) % 2 / 2)


@lru_cache(maxsize=64)  # all channels show the same cells
def _make_cell(site: tuple[int, ...], timepoint: int, seed: int) -> Cell:
    rng = np.random.default_rng([seed, 0, *(n % 2**32 for n in site)])
    phase = 2 * math.pi * timepoint / PERIOD
    centre = _place_site(site) + rng.uniform(-0.8, 0.8, 3) + 0.5 * _draw_wandering(rng, phase, 3).clip(-2, 2)
    turn = rng.uniform(0, math.pi)
    rotation = np.array([[1, 0, 0], [0, math.cos(turn), -math.sin(turn)], [0, math.sin(turn), math.cos(turn)]])
    axes = rotation * rng.uniform((3.6, 5.6, 4.4), (4.4, 6.6, 5.4))
    nucleus = centre + axes @ rng.uniform(-0.15, 0.15, 3)
    nucleus_axes = axes * rng.uniform(0.4, 0.48, 3)
    filaments = _make_filaments(rng, phase, nucleus, nucleus_axes)
    vesicles = _normalise(rng.standard_normal((45, 3))) * rng.uniform(0.5, 0.92, (45, 1))
    beads = centre + rng.uniform(-0.5, 0.5, (14, 3)) * CELL_PITCH
    return Cell(
        centre=centre,
        axes=axes,
        nucleus=nucleus,
        nucleus_axes=nucleus_axes,
        lumps=rng.normal(0, (2.0, 2.0, 2.0, 9.0), (6, 4)),
        chromatin=rng.normal(0, (9.0, 9.0, 9.0, 9.0), (16, 4)),
        filaments=filaments[_measure_radius(filaments, centre, axes) < 0.96],
        vesicles=centre + vesicles @ axes.T + 0.12 * _draw_wandering(rng, phase, 45, 3),
        vesicle_light=rng.lognormal(-0.6, 0.5, 45),
        beads=beads[_measure_radius(beads, centre, axes) > 1.1],
    )


def _make_filaments(rng: np.random.Generator, phase: float, nucleus: Array, nucleus_axes: Array) -> Array:
    """Return points (n, 3) along curves that leave the nucleus aslant and turn at random, as stiff polymers do."""
    count, points = 70, 250
    outwards = _normalise(rng.standard_normal((count, 1, 3)))
    aslant = outwards + _normalise(rng.standard_normal((count, 1, 3)))
    ways = _normalise(aslant + np.cumsum(0.1 * _draw_wandering(rng, phase, count, points, 3), axis=1))
    start = nucleus + 1.02 * outwards @ nucleus_axes.T
    places = (start + FILAMENT_STEP * np.cumsum(ways, axis=1)).reshape(-1, 3)
    return np.asarray(places[_measure_radius(places, nucleus, nucleus_axes) > 1])


def _draw_wandering(rng: np.random.Generator, phase: float, *shape: int) -> Array:
    """Draw numbers that are standard normal at any one time and change slowly from one time to the next."""
    start, end = rng.standard_normal((2, *shape))
    return np.asarray(start * math.cos(phase) + end * math.sin(phase))


def _draw_cell(canvas: Canvas, cell: Cell, channel: SceneChannel, light: float, psf: Array) -> None:
    """Draw what this channel shows, each structure as bright as makes it peak at `light` after blurring."""
    point = light / float(psf.max())
    line = light / float(psf.sum(axis=2).max()) / canvas.step[2]  # photons per micrometre
    _draw_points(canvas, cell.beads, channel.beads * point)
    _draw_points(canvas, cell.vesicles, channel.vesicles * point * cell.vesicle_light)
    _draw_points(canvas, cell.filaments, channel.filaments * line * FILAMENT_STEP)
    if channel.cytoplasm or channel.membrane:
        window, place = _select_window(canvas, cell.centre, cell.axes, 1.2)
        radius = np.sqrt((place**2).sum(axis=0)) + 0.03 * _sum_waves(cell.lumps, place)
        window += channel.cytoplasm * light * _fade_edge(radius, 0.1)
        window += channel.membrane * light * np.exp(-(((radius - 1) / 0.08) ** 2))
    if channel.nucleus:
        window, place = _select_window(canvas, cell.nucleus, cell.nucleus_axes, 1.2)
        radius = np.sqrt((place**2).sum(axis=0)) + 0.03 * _sum_waves(cell.lumps, place)
        density = np.clip(0.5 + 0.28 * _sum_waves(cell.chromatin, place), 0.1, 1.2)
        window += channel.nucleus * light * _fade_edge(radius, 0.12) * density


def _draw_points(canvas: Canvas, places: Array, photons: Array | float) -> None:
    """Share each point's photons out to the eight voxels around it; points beyond the canvas fall away."""
    index = (places - canvas.origin) / canvas.step
    inside = np.all((index >= 0) & (index < np.array(canvas.photons.shape) - 1), axis=1)
    light = np.broadcast_to(photons, len(places))[inside]
    low = np.floor(index[inside]).astype(int)
    part = index[inside] - low
    for corner in product((0, 1), repeat=3):
        share = np.prod(np.where(corner, part, 1 - part), axis=1)
        np.add.at(canvas.photons, tuple((low + corner).T), light * share)


def _select_window(canvas: Canvas, centre: Array, axes: Array, reach: float) -> tuple[Array, Array]:
    """Return the voxels around an ellipsoid, as a view, and their places (3, z, y, x) in its half-axes."""
    half = reach * np.sqrt((axes**2).sum(axis=1))
    low = np.ceil((centre - half - canvas.origin) / canvas.step).astype(int).clip(0)
    high = np.floor((centre + half - canvas.origin) / canvas.step).astype(int).clip(-1) + 1
    view = canvas.photons[tuple(map(slice, low, high))]
    grid = np.ogrid[tuple(map(slice, low, low + view.shape))]
    offset = [g * s + o - c for g, s, o, c in zip(grid, canvas.step, canvas.origin, centre, strict=True)]
    z, y, x = (axis.astype(np.float32) for axis in offset)
    rows = np.linalg.inv(axes).astype(np.float32)
    return view, np.stack([row[0] * z + row[1] * y + row[2] * x for row in rows])


def _measure_radius(places: Array, centre: Array, axes: Array) -> Array:
    """Return the distance of places (n, 3) from an ellipsoid's centre; 1 on its surface."""
    return np.asarray(np.linalg.norm((places - centre) @ np.linalg.inv(axes).T, axis=1))


def _sum_waves(waves: Array, place: Array) -> Array:
    """Sum plane waves, rows (kz, ky, kx, phase), at places (3, z, y, x): an irregular pattern."""
    total = np.zeros(place.shape[1:], np.float32)
    for wave in waves.astype(np.float32):
        total += np.cos(np.tensordot(wave[:3], place, 1) + wave[3])
    return total


def _fade_edge(radius: Array, width: float) -> Array:
    return np.clip((1 - radius) / width + 0.5, 0, 1)


def _normalise(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
