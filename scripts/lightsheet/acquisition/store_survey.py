"""Which volumes of Zarr stores were written: whole, in part, or never; and which are left while a microscope writes.

A chunk that has no file reads as the fill value everywhere, as if it were dark. So the files of all chunks are looked
at, once each time that Snakemake begins; its jobs take what was found from `Survey.state`.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from lightsheet.acquisition.model import Acquisition, Key, Piece
from lightsheet.acquisition.store_settling import Stats, cut_off, leave_unsettled
from lightsheet.sources import PieceStat, Region, stat_holes_of_region
from lightsheet.system import InputError, join_first

Look = Callable[[Piece], PieceStat]


class Survey(NamedTuple):
    """What of an acquisition is used, and which fill was found in all of its volumes."""

    acquisition: Acquisition
    fill: float | None  # what stands for the chunks that all volumes lack, None if they lack none

    @property
    def state(self) -> dict[str, Any]:
        """What the jobs of a run take over, in builtin types."""
        holes = [list(key) for key in self.acquisition.holes]
        return {"timepoints": self.acquisition.timepoints, "holes": holes, "fill": self.fill}


def take_over(acquisition: Acquisition, state: Mapping[str, Any]) -> Acquisition:
    """Make of all volumes of the stores those with which a run began, from its `Survey.state`."""
    holes = {(channel, timepoint) for channel, timepoint in state["holes"]}
    return _accept_fill(cut_off(_make_holes(acquisition, holes), state["timepoints"]), state["fill"])


def survey_volumes(
    acquisition: Acquisition,
    look: Look,
    *,
    selection: Collection[Key] | None = None,
    missing: str = "error",
    settle: float = 0,
    fill: float | str = "auto",
    fill_value: float = 0,
    previous: Mapping[str, Any] | None = None,
    region: Region | None = None,
) -> Survey:
    """Find out which volumes of an acquisition can be used.

    Parameters
    ----------
    acquisition : Acquisition
        From `unfold_stores`.
    look : callable
        Returns what `stat_source` does of a piece.
    selection : collection of (str, int), optional
        Channel and timepoint of the volumes that matter; the others are not looked at.
    missing, settle
        As for `discover`.
    fill : float or str
        `input.fill`.
    fill_value : float
        That of the arrays: what stands for chunks that were never written.
    previous : mapping, optional
        `Survey.state` of an earlier run, none of whose timepoints is left for the next.
    region : Region, optional
        The part of each volume that is read: holes elsewhere do not count, but for fill that all volumes have.

    Raises
    ------
    InputError
        If a volume was written in part, or never and `missing` is "error", or nothing has settled.
    """
    volumes = [volume for volume in acquisition.volumes if selection is None or volume.key in selection]
    stats = {volume.key: [look(piece) for piece in volume.pieces] for volume in volumes if volume.tiles}
    absent = {key for key, pieces in stats.items() if all(stat.absent == stat.chunks for stat in pieces)}
    absent |= {volume.key for volume in volumes if not volume.tiles}
    partial = {key for key, pieces in stats.items() if key not in absent and any(stat.absent for stat in pieces)}
    holes, has_fill = stats, _is_fill(stats, absent, partial, fill, fill_value)
    if partial and region and not has_fill:
        tiles = {volume.key: acquisition.list_tiles(volume) for volume in volumes if volume.key in partial}
        holes = stats | {key: stat_holes_of_region(volume_tiles, region) for key, volume_tiles in tiles.items()}
        partial = {key for key in partial if any(stat.absent for stat in holes[key])}
        has_fill = _is_fill(holes, absent, partial, fill, fill_value)
    if settle:
        unfinished = absent if has_fill else absent | partial
        acquisition, late = leave_unsettled(acquisition, stats, unfinished, settle, previous or {})
        absent |= late
    keys = {volume.key for volume in acquisition.volumes}
    absent, partial = absent & keys, (partial & keys) - absent
    if absent:
        _check_missing(acquisition, absent, {volume.key for volume in volumes} & keys - absent, missing)
    remarks = _remark_on_holes(partial, fill_value)
    if partial and not has_fill and fill != fill_value:
        _refuse_partial(acquisition, holes, partial, fill_value)
    acquisition = _make_holes(replace(acquisition, remarks=(*acquisition.remarks, *remarks)), absent)
    value = fill_value if has_fill and partial else None
    return Survey(_accept_fill(acquisition, value), value)


def _make_holes(acquisition: Acquisition, holes: Iterable[Key]) -> Acquisition:
    """Make holes of some volumes."""
    holes = {*holes}
    volumes = tuple(replace(v, tiles=()) if v.key in holes and v.tiles else v for v in acquisition.volumes)
    return replace(acquisition, volumes=volumes)


def _accept_fill(acquisition: Acquisition, fill: float | None) -> Acquisition:
    """Let a value stand for chunks that were never written."""
    if fill is None:
        return acquisition
    word = f"fill={fill!r}"

    def mark(piece: Piece) -> Piece:
        pages = tuple(piece.pages or ())
        return piece if word in pages else piece._replace(pages=(*pages, word))

    volumes = tuple(
        replace(v, tiles=tuple(replace(tile, pieces=tuple(map(mark, tile.pieces))) for tile in v.tiles))
        for v in acquisition.volumes
    )
    return replace(acquisition, volumes=volumes)


def _is_fill(stats: Stats, absent: set[Key], partial: set[Key], fill: Any, value: float) -> bool:
    """Tell whether all volumes lack the same chunks: those lie where nothing was measured, as beside what is deskewed.

    Of a store that was damaged, volumes lack different ones.
    """
    present = [key for key in stats if key not in absent]
    patterns = {tuple(stat.holes for stat in stats[key]) for key in present}
    return (
        bool(partial)
        and fill == "auto"
        and math.isfinite(value)
        and len(present) > 1
        and len(partial) == len(present)
        and len(patterns) == 1
    )


def _check_missing(acquisition: Acquisition, absent: set[Key], present: set[Key], missing: str) -> None:
    """Refuse volumes that were never written, unless holes are recorded in their place."""
    if not present:
        raise InputError(f"{acquisition.folder}: none of its volumes was ever written; copy the store again")
    if missing == "fill":
        return
    last = max(timepoint for _, timepoint in present)
    times = {channel: [t for c, t in sorted(absent, key=lambda key: key[1]) if c == channel] for channel, _ in absent}
    lacks = "; ".join(f"{c} lacks timepoint {join_first([*map(str, times[c])], 5)}" for c in sorted(times))
    advice = ""
    if all(t > last for _, t in absent):
        end = f'input.select: {{timepoints: "0:{min(t for _, t in absent)}"}}'
        advice = f"set input.settle if it is still written, leave the end out ({end}), "
    raise InputError(
        f"{acquisition.folder}: {lacks} (of 0 to {acquisition.timepoints - 1}), of which no chunk was ever written; "
        f"copy what is missing, {advice}or have holes recorded (input.missing: fill)"
    )


def _refuse_partial(acquisition: Acquisition, stats: Stats, partial: set[Key], value: float) -> None:
    channel, timepoint = min(partial, key=lambda key: (key[1], key[0]))
    lack, count = (sum(getattr(stat, name) for stat in stats[channel, timepoint]) for name in ("absent", "chunks"))
    remark = f", as parts of {len(partial) - 1} other volumes" if len(partial) > 1 else ""
    advice = f"; or, if its writer leaves out chunks that hold nothing but {value:g}, set input.fill: {value:g}"
    raise InputError(
        f"{acquisition.folder}: {lack} of the {count} chunks of timepoint {timepoint} of {channel} were never "
        f"written{remark}: they are holes, and no darkness. Copy the store again"
        f"{advice if math.isfinite(value) else ''}"
    )


def _remark_on_holes(partial: set[Key], value: float) -> list[str]:
    if not partial:
        return []
    return [
        f"Of {len(partial)} volumes, chunks were never written: they are taken for fill (input.fill: {value:g}), which "
        "was never measured."
    ]
