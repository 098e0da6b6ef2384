"""Which timepoints of Zarr stores are left for the next run, because a microscope may still write them."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from lightsheet.acquisition.model import Acquisition, Key
from lightsheet.acquisition.settling import LOOK_SECONDS, count_seconds_left, explain_ages
from lightsheet.sources import PieceStat, stat_source
from lightsheet.system import InputError, escape_name

Stats = Mapping[Key, Sequence[PieceStat]]
Ages = Mapping[Key, float | None]  # of volumes that are not settled: seconds, None while they change


def leave_unsettled(
    acquisition: Acquisition, stats: Stats, unfinished: set[Key], settle: float, previous: Mapping[str, Any]
) -> tuple[Acquisition, set[Key]]:
    """Leave timepoints that may still be written for the next run; return the rest, and holes that are being filled.

    `unfinished` volumes were not written, or in part; `settle` is in seconds, and `previous` as for `survey_volumes`.
    """
    ages = _find_young(acquisition, stats, settle)
    before = int(previous.get("timepoints", 0))
    late = {key for key in ages if list(key) in previous.get("holes", []) and key[1] < before}
    ages = {key: age for key, age in ages.items() if key not in late}
    end = min((timepoint for _, timepoint in ages), default=acquisition.timepoints)
    times = [timepoint for _, timepoint in stats.keys() | unfinished if before <= timepoint < end]
    end = _find_tail(times, {timepoint for _, timepoint in unfinished - late}, end)
    _refuse_end(acquisition, ages, settle, end, before)
    waiting = _explain_waiting(acquisition, ages, settle, end)
    rest = cut_off(acquisition, end)
    return replace(rest, waiting_files=(*acquisition.waiting_files, *waiting.items())), late


def cut_off(acquisition: Acquisition, timepoints: int) -> Acquisition:
    """Keep so many timepoints, the first ones."""
    return replace(
        acquisition,
        timepoints=min(timepoints, acquisition.timepoints),
        seconds=acquisition.seconds and acquisition.seconds[:timepoints],
        volumes=tuple(volume for volume in acquisition.volumes if volume.timepoint < timepoints),
    )


def _find_young(acquisition: Acquisition, stats: Stats, settle: float) -> Ages:
    """Find the volumes that may still be written: they change, or did so less than `settle` seconds ago."""
    now, ages = time.time(), dict[Key, float | None]()
    time.sleep(LOOK_SECONDS)
    for volume in acquisition.volumes:
        key = volume.key
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


def _find_tail(times: Collection[int], unfinished: Collection[int], end: int) -> int:
    """Return where the unfinished ones begin with which some timepoints end; the `end` if the last one is finished."""
    tail = takewhile(lambda timepoint: timepoint in unfinished, sorted(times, reverse=True))
    return min(tail, default=end)


def _refuse_end(acquisition: Acquisition, ages: Ages, settle: float, end: int, before: int) -> None:
    """Refuse to leave all timepoints, or one of those `before` that an earlier run had read."""
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


def _explain_waiting(acquisition: Acquisition, ages: Ages, settle: float, end: int) -> dict[str, str]:
    """Say why each volume waits that is not before the end."""
    names = {volume.key: f"{volume.channel} timepoint {volume.timepoint}" for volume in acquisition.volumes}
    reasons = explain_ages({names[key]: age for key, age in ages.items()}, settle)
    waiting = (name for (_, timepoint), name in names.items() if timepoint >= end)
    return {name: reasons.get(name, "of a timepoint that is not complete") for name in waiting}
