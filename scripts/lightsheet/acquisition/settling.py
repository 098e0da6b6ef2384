"""While a microscope still writes: which files, and which timepoints, are left for the next run."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path

from lightsheet.acquisition.gaps import find_unfinished
from lightsheet.acquisition.time_axis import SourceFile, group_volumes
from lightsheet.system import InputError

LOOK_SECONDS = 1.0  # between the two looks that tell whether a file grows
_CLOCKS = "set the clocks of the microscope and of this machine right"
_FUTURE = -1.0  # seconds of age: clocks that differ by less are no one's mistake

Ages = dict[str, float | None]  # of files that are not settled: seconds, None while they change


def find_waiting_files(
    folder: Path, files: list[SourceFile], settle: float, previous: frozenset[str]
) -> dict[str, str]:
    """Find the files that are left for the next run, with the reason: young ones, and those of unfinished timepoints.

    `settle` is in seconds. Files `previous` of an earlier run are never left: that would take its timepoints away.
    """
    ages = _find_young_files(folder, [file.name for file in files], settle)
    _refuse_changes(folder, {name: age for name, age in ages.items() if name in previous}, settle)
    unfinished = find_unfinished(group_volumes(folder, files), set(ages), previous)
    reasons = explain_ages(ages, settle)
    waiting = {
        file.name: reasons.get(file.name, "of a timepoint that is not complete")
        for file in files
        if file.name in unfinished
    }
    if len(waiting) == len(files):
        raise InputError(
            f"{folder}: no timepoint is whole yet ({count_reasons(waiting.values())}); run again in "
            f"{count_seconds_left(ages, settle)} s, or, if nothing more is to come, set input.settle to 0 to see what "
            "is missing"
        )
    if losses := [name for name in waiting if name in previous]:
        raise InputError(
            f"{folder}: an earlier run had read {losses[0]}, of a timepoint that is no longer complete: a channel, "
            "tile or plane is new in the folder; run again when it is there for all timepoints, leave it out with "
            "input.ignore, or set input.settle to 0 to see what is missing"
        )
    return waiting


def _find_young_files(folder: Path, tiffs: Sequence[str], settle: float) -> Ages:
    """Find the files that a microscope may still be writing: they change, or did so less than `settle` seconds ago."""
    looks = {name: _look(folder, name) for name in tiffs}
    time.sleep(LOOK_SECONDS)
    ages: Ages = {}
    now = time.time()
    for name, look in looks.items():
        if look is None or look != _look(folder, name):
            ages[name] = None
        elif (age := now - look[1] / 1e9) < settle:
            ages[name] = age
    return ages


def _look(folder: Path, name: str) -> tuple[int, int] | None:
    """Return a file's size and its time in ns; None if it has gone, as when its writer renames it."""
    try:
        stat = (folder / name).stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _refuse_changes(folder: Path, ages: Ages, settle: float) -> None:
    """Refuse changes to what an earlier run has read: to wait for them would take its timepoints away."""
    if not ages:
        return
    name, age = next((name, age or 0) for name, age in ages.items())
    count, pronoun = (f" and {len(ages) - 1} more", "them") if len(ages) > 1 else ("", "it")
    change = f" changed {age:.0f} s ago, after an earlier run had read {pronoun}"
    if age <= _FUTURE:
        lead = f"dated {-age:.0f} s in the future"
        change = f", {lead}, changed after an earlier run had read {pronoun}; {_CLOCKS}"
    raise InputError(f"{folder / name}{count}{change}; run again in {count_seconds_left(ages, settle)} s")


def count_seconds_left(ages: Ages, settle: float) -> int:
    """Count the seconds until all files will have settled, if none changes any more."""
    return ceil(settle - min((age or 0 for age in ages.values()), default=0))


def explain_ages(ages: Ages, settle: float) -> dict[str, str]:
    """Say why each file waits: alike for all that are dated in the future, so that they can be counted."""
    leads = [-age for age in ages.values() if age is not None and age <= _FUTURE]
    future = f"dated {'up to ' if len(leads) > 1 else ''}{max(leads, default=0):.0f} s in the future: {_CLOCKS}"
    young = f"younger than {settle:g} s"
    return {
        name: "still being written" if age is None else future if age <= _FUTURE else young
        for name, age in ages.items()
    }


def count_reasons(reasons: Iterable[str]) -> str:
    """Say how many files wait for each reason, the commonest first."""
    return ", ".join(f"{count} {reason}" for reason, count in Counter(reasons).most_common())
