"""What is missing of the time axis: timepoints of a channel, and those that have yet to arrive.

Like `discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from math import inf, prod
from pathlib import Path

from lightsheet.acquisition.time_axis import VolumeFiles, list_sites
from lightsheet.system import InputError

Runs = list[tuple[int, int]]  # (from, to), both included

STILL_WRITES = "or, while the microscope still writes, leave it for the next run with input.settle: 60"
"""What to do with a last timepoint that is not complete."""


def find_unfinished(volumes: VolumeFiles, young: set[str], previous: frozenset[str]) -> set[str]:
    """Find the names of the files of all timepoints from the first on that has a young, maybe unfinished file.

    The timepoints just before it wait too if they lack a channel, a tile or a piece. A young file that fills a hole of
    an earlier run, which had read the files `previous`, makes only its own volume wait.
    """
    names = {key: {file.name for file in sites.values()} for key, sites in volumes.items()}
    last = max((number for (number, _), files in names.items() if files & previous), default=-inf)
    holes = {key for key, files in names.items() if key[0] < last and files & young}
    volumes = {key: sites for key, sites in volumes.items() if key not in holes}
    timepoints: dict[int, set[str]] = defaultdict(set)
    for number, channel in volumes:
        timepoints[number] |= names[number, channel]
    sites = list_sites(file for files in volumes.values() for file in files.values())
    whole = len({channel for _, channel in volumes}) * prod(map(len, sites))
    numbers = sorted(timepoints)
    end = next((i for i, number in enumerate(numbers) if timepoints[number] & young), len(numbers))
    while end and len(timepoints[numbers[end - 1]]) < whole:
        end -= 1
    return set().union(*(names[key] for key in holes), *(timepoints[number] for number in numbers[end:]))


def check_missing_timepoints(
    folder: Path, volumes: VolumeFiles, channels: Iterable[str], missing: str
) -> tuple[range, list[str]]:
    """Find the timepoints that a channel lacks; return the time axis of all channels, and remarks on its holes.

    If `missing` is "fill", only more holes than timepoints are an error: then the numbers hardly count timepoints.
    """
    present: dict[str, set[int]] = defaultdict(set)
    for number, channel in volumes:
        present[channel].add(number)
    union = set.union(*present.values())
    numbers = range(min(union), max(union) + 1)
    gaps = {c: runs for c in channels if (runs := _find_gaps(present[c], numbers))}
    if not gaps:
        return numbers, []
    description = "; ".join(f"{channel} lacks timepoint {_format_runs(runs)}" for channel, runs in gaps.items())
    description += f" (of {numbers[0]} to {numbers[-1]})"
    fillable = numbers.stop - numbers.start <= 2 * len(union)  # `len` would take no number above 2^63
    if missing == "fill" and fillable:
        return numbers, [f"Missing, and recorded as holes: {description}, as the names count."]
    if missing == "fill":
        description += "; more timepoints are missing than there are, so these numbers hardly count timepoints"
    remedy = _suggest_remedy(volumes, present, gaps)
    hint = ", or have holes recorded (input.missing: fill)" if fillable else ""
    if all(runs == [(numbers[-1], numbers[-1])] for runs in gaps.values()):
        hint += f", {STILL_WRITES}"
    raise InputError(f"{folder}: {description}; copy what is missing into the folder, {remedy} (input.ignore){hint}")


def _suggest_remedy(volumes: VolumeFiles, present: dict[str, set[int]], gaps: dict[str, Runs]) -> str:
    """Say which files to leave out for the rest to be complete."""
    if sparse_channels := [c for c in gaps if len(present[c]) == 1]:
        files = [next(iter(volumes[min(present[c]), c].values())) for c in sparse_channels]
        return "or leave " + ", ".join(file.name for file in files) + " out"
    complete = set.intersection(*present.values())
    if complete and not _find_gaps(complete, range(min(complete), max(complete) + 1)):
        return "or leave the other files of those timepoints out"
    return "or leave the files on one side of the gap out"


def _find_gaps(present: set[int], numbers: range) -> Runs:
    """List the runs of numbers that are not present."""
    edges = [numbers.start - 1, *sorted(present), numbers.stop]
    return [(before + 1, after - 1) for before, after in pairwise(edges) if after - before > 1]


def _format_runs(runs: Runs, limit: int = 5) -> str:
    text = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs[:limit])
    remainder = sum(high - low + 1 for low, high in runs[limit:])
    return f"{text} and {remainder} more" if remainder else text
