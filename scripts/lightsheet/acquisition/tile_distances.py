"""Tiles that by their positions do not lie edge to edge: laid so, they would repeat a strip, or hide a gap."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import dist, isclose, log
from typing import NamedTuple

from lightsheet.acquisition.model import Acquisition, Position, Tile
from lightsheet.acquisition.presets import PRESETS
from lightsheet.sources import StagePosition, read_stage_positions
from lightsheet.system import InputError

TOLERANCE = 0.01
"""Share of a tile's width, at least a voxel and a half, that may be off: stages and voxel sizes are not exact."""

LEAST_DISTANCE = 10
"""Numbers in names that differ by less count tiles: no tile is so small, in any unit."""

NAME_UNITS = {"smartspim": 0.1}
"""In micrometre, where numbers of names are positions; of the other presets they count tiles."""


class _Pair(NamedTuple):
    """Two neighbours along an axis; `distance` in a unit of which the micrometres are among `scales`."""

    axis: str
    first: Tile
    second: Tile
    distance: float
    scales: tuple[float, ...]
    source: str


def check_tile_distances(
    acquisition: Acquisition, pattern: str, shape: Sequence[int], voxel_size: Mapping[str, float]
) -> str:
    """Refuse tiles that overlap or lie apart; return a sentence on what is known of where they lie.

    Parameters
    ----------
    acquisition : Acquisition, with a grid of several tiles; those of its first volume are looked at
    pattern : str, `input.pattern`
    shape : sequence of int, (z, y, x) of a tile
    voxel_size : mapping, axes in micrometre

    Raises
    ------
    InputError
        If two neighbours are not as far from each other as they are wide.
    """
    volume = next(volume for volume in acquisition.volumes if volume.tiles)
    tiles = {tile.position: tile for tile in volume.tiles}
    sources: dict[str, None] = {}
    for pair in [
        *_pair_by_names(acquisition, pattern, tiles, voxel_size),
        *_pair_by_files(acquisition, tiles, voxel_size),
    ]:
        sources[pair.source] = None
        size = voxel_size[pair.axis]
        width = shape["zyx".index(pair.axis)] * size
        margin = max(TOLERANCE * width, 1.5 * size)
        if not any(isclose(pair.distance * scale, width, abs_tol=margin, rel_tol=0) for scale in pair.scales):
            raise InputError(f"{acquisition.folder}: {_explain(pair, width, size)}")
    if not sources:
        return "Nothing tells how far the tiles lie from each other: they are put edge to edge."
    return f"The tiles lie edge to edge, as {next(iter(sources))} says."


def _pair_by_names(
    acquisition: Acquisition, pattern: str, tiles: Mapping[Position, Tile], voxel_size: Mapping[str, float]
) -> Iterator[_Pair]:
    """Yield neighbours whose names say how far they are from each other."""
    for index, axis in enumerate("zyx"):
        values = acquisition.tile_numbers[index] if acquisition.tile_numbers else ()
        steps = [after - before for before, after in pairwise(values)]
        is_position = pattern in NAME_UNITS or (pattern not in PRESETS and min(steps, default=0) >= LEAST_DISTANCE)
        if len(values) < 2 or not is_position:
            continue
        scales = (NAME_UNITS[pattern],) if pattern in NAME_UNITS else (*_guess_scales(voxel_size[axis]), 0.1)
        for first, second in _list_neighbours(tiles, index):
            distance = values[second.position[index]] - values[first.position[index]]
            yield _Pair(axis, first, second, float(distance), scales, "the number in the names")


def _pair_by_files(
    acquisition: Acquisition, tiles: Mapping[Position, Tile], voxel_size: Mapping[str, float]
) -> Iterator[_Pair]:
    """Yield neighbours of which the files, or a list beside them, say where they lie."""
    positions = read_stage_positions(acquisition.folder, [tile.pieces[0].path for tile in tiles.values()])
    places = [tuple(sorted(position.place.items())) for position in positions.values()]
    if len(set(places)) < 2:  # a stage that is not recorded has one place for all
        return
    for index, axis in enumerate("zyx"):
        for first, second in _list_neighbours(tiles, index):
            before, after = (positions.get(tile.pieces[0].path) for tile in (first, second))
            if before and after:
                size = voxel_size[axis]
                scales = {"um": (1.0,), "voxel": (size,)}.get(after.unit, _guess_scales(size))
                yield _Pair(axis, first, second, _measure(before, after), scales, after.source)


def _measure(first: StagePosition, second: StagePosition) -> float:
    """Return how far two tiles lie from each other: a stage's axes may be turned against the camera's."""
    axes = sorted(first.place.keys() & second.place.keys())
    return dist([first.place[axis] for axis in axes], [second.place[axis] for axis in axes])


def _guess_scales(size: float) -> tuple[float, ...]:
    """Return the micrometres of each unit in which somebody may have written a position."""
    return (1.0, size, 1e3, 1e-3)


def _list_neighbours(tiles: Mapping[Position, Tile], index: int) -> Iterator[tuple[Tile, Tile]]:
    for (z, y, x), tile in tiles.items():
        step = [int(axis == index) for axis in range(3)]
        if after := tiles.get((z + step[0], y + step[1], x + step[2])):
            yield tile, after


def _explain(pair: _Pair, width: float, size: float) -> str:
    """Say how far two tiles lie from each other, what that means, and what can be done."""
    first, second = (tile.pieces[0].path.name for tile in (pair.first, pair.second))
    scale_guess = min(pair.scales, key=lambda scale: abs(log(max(pair.distance, size) * scale / width)))
    distance = pair.distance * scale_guess
    place = f"{distance:.4g} um" if len(pair.scales) == 1 else f"{pair.distance:g}, in a unit that is not known,"
    voxels, micrometre = round(abs(width - distance) / size), f"{abs(width - distance):.4g} um"
    explanation = (
        f"a gap of {voxels} voxels ({micrometre}) lies between them, which edge to edge they would hide; process them "
        "one by one (input.ignore)"
    )
    if distance < width:
        explanation = (
            f"they overlap by {voxels} voxels ({micrometre}, {100 * (1 - distance / width):.0f} %), and edge to edge "
            "they would show that strip twice; stitch them first, as with Fiji's BigStitcher"
        )
    return (
        f"the tiles {first} and {second} lie {place} from each other along {pair.axis}, as {pair.source} says, and are "
        f"{width:.4g} um wide: {explanation}, or, if these positions are wrong, set input.tiles: edge-to-edge"
    )
