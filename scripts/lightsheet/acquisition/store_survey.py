"""Which volumes of Zarr stores were written: whole, in part, or never; and which are left while a microscope writes.

A chunk that has no file reads as the fill value everywhere, as if it were dark. So the files of all chunks are looked
at, once each time that Snakemake begins; its jobs take what was found from `Survey.state`.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, NamedTuple

from lightsheet.acquisition.model import Acquisition, Piece, Volume
from lightsheet.acquisition.settling import LOOK_SECONDS, count_seconds_left, explain_ages
from lightsheet.sources import PieceStat, stat_source
from lightsheet.system import InputError, escape_name, join_first

Look = Callable[[Piece], PieceStat]
Key = tuple[str, int]  # channel, timepoint


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
    return _accept(_cut(_empty(acquisition, holes), state["timepoints"]), state["fill"])


def survey_volumes(
    acquisition: Acquisition,
    look: Look,
    *,
    among: Collection[Key] | None = None,
    missing: str = "error",
    settle: float = 0,
    fill: float | str = "auto",
    fill_value: float = 0,
    previous: Mapping[str, Any] | None = None,
) -> Survey:
    """Find out which volumes of an acquisition can be used.

    Parameters
    ----------
    acquisition : Acquisition
        From `unfold_stores`.
    look : callable
        Returns what `stat_source` does of a piece.
    among : collection of (str, int), optional
        Channel and timepoint of the volumes that matter; the others are not looked at.
    missing, settle
        As for `discover`.
    fill : float or str
        `input.fill`.
    fill_value : float
        That of the arrays: what stands for chunks that were never written.
    previous : mapping, optional
        `Survey.state` of an earlier run, none of whose timepoints is left for the next.

    Raises
    ------
    InputError
        If a volume was written in part, or never and `missing` is "error", or nothing has settled.
    """
    volumes = [volume for volume in acquisition.volumes if among is None or _key(volume) in among]
    stats = {_key(volume): [look(piece) for piece in volume.pieces] for volume in volumes if volume.tiles}
    absent = {key for key, pieces in stats.items() if all(stat.absent == stat.chunks for stat in pieces)}
    absent |= {_key(volume) for volume in volumes if not volume.tiles}
    partial = {key for key, pieces in stats.items() if key not in absent and any(stat.absent for stat in pieces)}
    has_fill = bool(partial) and _is_fill(stats, absent, partial, fill, fill_value)
    if settle:
        unfinished = absent if has_fill else absent | partial
        acquisition, late = _wait(acquisition, stats, unfinished, settle, previous or {})
        absent |= late
    keys = {_key(volume) for volume in acquisition.volumes}
    absent, partial = absent & keys, (partial & keys) - absent
    if absent:
        _check_missing(acquisition, absent, {_key(volume) for volume in volumes} & keys - absent, missing)
    remarks = _remark_on_holes(partial, fill_value)
    if partial and not has_fill and fill != fill_value:
        _refuse_partial(acquisition, stats, partial, fill_value)
    acquisition = _empty(replace(acquisition, remarks=(*acquisition.remarks, *remarks)), absent)
    value = fill_value if has_fill and partial else None
    return Survey(_accept(acquisition, value), value)


def _key(volume: Volume) -> Key:
    return volume.channel, volume.timepoint


def _empty(acquisition: Acquisition, holes: Iterable[Key]) -> Acquisition:
    """Make holes of some volumes."""
    holes = {*holes}
    volumes = tuple(replace(v, tiles=()) if _key(v) in holes and v.tiles else v for v in acquisition.volumes)
    return replace(acquisition, volumes=volumes)


def _cut(acquisition: Acquisition, timepoints: int) -> Acquisition:
    """Leave out all timepoints from one on."""
    return replace(
        acquisition,
        timepoints=min(timepoints, acquisition.timepoints),
        seconds=acquisition.seconds and acquisition.seconds[:timepoints],
        volumes=tuple(volume for volume in acquisition.volumes if volume.timepoint < timepoints),
    )


def _accept(acquisition: Acquisition, fill: float | None) -> Acquisition:
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


def _is_fill(
    stats: Mapping[Key, Sequence[PieceStat]], absent: set[Key], partial: set[Key], fill: Any, value: float
) -> bool:
    """Tell whether all volumes lack the same chunks: those lie where nothing was measured, as beside what is deskewed.

    Of a store that was damaged, volumes lack different ones.
    """
    present = [key for key in stats if key not in absent]
    patterns = {tuple(stat.holes for stat in stats[key]) for key in present}
    return (
        fill == "auto"
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


def _refuse_partial(
    acquisition: Acquisition, stats: Mapping[Key, Sequence[PieceStat]], partial: set[Key], value: float
) -> None:
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


def _wait(
    acquisition: Acquisition,
    stats: Mapping[Key, Sequence[PieceStat]],
    unfinished: set[Key],
    settle: float,
    previous: Mapping[str, Any],
) -> tuple[Acquisition, set[Key]]:
    """Leave timepoints that may still be written for the next run; return the rest, and holes that are being filled."""
    ages = _find_young(acquisition, stats, settle)
    before = int(previous.get("timepoints", 0))
    late = {key for key in ages if list(key) in previous.get("holes", []) and key[1] < before}
    ages = {key: age for key, age in ages.items() if key not in late}
    end = min((t for _, t in ages), default=acquisition.timepoints)
    times = {t for _, t in stats.keys() | unfinished if before <= t < end}
    end = min([end, *_list_unfinished_tail(times, {t for _, t in unfinished - late})])
    seconds = count_seconds_left({str(key): age for key, age in ages.items()}, settle)
    if end < before:
        channel = next(channel for channel, timepoint in ages if timepoint == end)
        raise InputError(
            f"{acquisition.folder}: timepoint {end} of {escape_name(channel)} changed after an earlier run had read "
            f"it; run again in {seconds} s"
        )
    if end == 0:
        raise InputError(
            f"{acquisition.folder}: no timepoint is whole yet; run again in {max(seconds, 1)} s, or, if nothing more "
            "is to come, set input.settle to 0 to see what is missing"
        )
    names = {key: f"{key[0]} timepoint {key[1]}" for key in stats}
    reasons = explain_ages({names[key]: age for key, age in ages.items()}, settle)
    waiting = {
        names.get(_key(v), f"{v.channel} timepoint {v.timepoint}"): reasons.get(
            names.get(_key(v), ""), "of a timepoint that is not complete"
        )
        for v in acquisition.volumes
        if v.timepoint >= end
    }
    return replace(_cut(acquisition, end), waiting_files=(*acquisition.waiting_files, *waiting.items())), late


def _list_unfinished_tail(times: Iterable[int], unfinished: Collection[int]) -> list[int]:
    """List the last ones of some timepoints, back to the first that is finished."""
    return list(takewhile(lambda timepoint: timepoint in unfinished, sorted(times, reverse=True)))


def _find_young(
    acquisition: Acquisition, stats: Mapping[Key, Sequence[PieceStat]], settle: float
) -> dict[Key, float | None]:
    """Find the volumes that may still be written: their age in seconds, None while they change."""
    now, ages = time.time(), dict[Key, float | None]()
    time.sleep(LOOK_SECONDS)
    for volume in acquisition.volumes:
        key = _key(volume)
        for piece, stat in zip(volume.pieces if key in stats else (), stats.get(key, ()), strict=True):
            if stat_source(piece.path, piece.pages) != stat:
                ages[key] = None
            elif (
                stat.absent < stat.chunks
                and (age := now - stat.mtime_ns / 1e9) < settle
                and ages.get(key, 0) is not None
            ):
                ages[key] = min(age, ages.get(key) or age)
    return ages
