"""What is missing: timepoints of a channel, tiles of a mosaic, planes of a tile; and what has yet to arrive.

Like `discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from glob import escape
from itertools import pairwise, product, takewhile
from math import inf, prod
from pathlib import Path
from string import digits

from lightsheet.acquisition.time_axis import Site, SourceFile, VolumeFiles
from lightsheet.system import InputError, join_first

Runs = list[tuple[int, int]]  # (from, to), both included

STILL_WRITES = "or, while the microscope still writes, leave it for the next run with input.settle: 60"
"""What to do with a last timepoint that is not complete."""

USUAL_SHARE = 1 / 3
"""Of the volumes: where fewer have a plane or a tile, these have one too many, rather than the others too few."""

MOST_GLOBS = 20
"""Of so many volumes that lack something a pattern of their files is sought: each is held against all names."""


def list_sites(files: Iterable[SourceFile]) -> list[list[int]]:
    """List the values that occur along each of z, y, x and the pieces of a tile, increasing."""
    return [sorted(set(values)) for values in zip(*(file.site for file in files), strict=True)]


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


def refuse_partial_volumes(folder: Path, volumes: VolumeFiles) -> None:
    """Refuse tiles or planes at uneven distances, a part that all tiles lack, and volumes that lack a site."""
    if len({len(files) for files in volumes.values()}) > 1:
        _refuse_strays(folder, volumes)
    sites = list_sites(file for files in volumes.values() for file in files.values())
    word = "part" if any("part" in file.numbers for file in next(iter(volumes.values())).values()) else "plane"
    for axis, values in zip("zyx", sites[:3], strict=True):
        _refuse_missing_row(folder, axis, values)
    _refuse_missing_piece(folder, word, sites[3])
    count = prod(map(len, sites))
    partial = {key: files for key, files in volumes.items() if len(files) < count}
    if not partial:
        return
    (number, channel), files = next(iter(partial.items()))
    # The product can be too long to list, but a missing site comes soon in it.
    first = next(site for site in product(*sites) if site not in files)
    missing = _describe_missing(count - len(files), count, first, sites, word)
    globs = _list_globs(partial, volumes)
    remedies = [_tell_to_leave_out(globs[0] if globs else "")]
    if _is_cut_off(files, sites):
        remedies.append(f"or the {'tile' if len(sites[3]) == 1 else word} wherever it is")
    if number == max(volumes)[0]:
        remedies.append(STILL_WRITES)
    rest = f" (and {len(partial) - 1} more of the {len(volumes)} volumes lack some)" if len(partial) > 1 else ""
    raise InputError(
        f"{folder}: timepoint {number} of {channel} lacks {missing}{rest}; copy what is missing into the folder, "
        f"{', '.join(remedies)}",
        ignore=globs,
    )


def _refuse_strays(folder: Path, volumes: VolumeFiles) -> None:
    """Refuse files of a few volumes, such as one plane too many, where nothing else is missing from any volume."""
    counts = Counter(site for files in volumes.values() for site in files)
    usual = {site for site, count in counts.items() if count >= USUAL_SHARE * len(volumes)}
    strays = [file.name for files in volumes.values() for site, file in files.items() if site not in usual]
    if strays and all(usual <= files.keys() for files in volumes.values()):
        verb, pronoun = ("is", "it") if len(strays) == 1 else ("are", "them")
        raise InputError(
            f"{folder}: {join_first(strays, 3)} {verb} beyond what the other volumes have: leave {pronoun} out with "
            "input.ignore, or copy what the others lack into the folder",
            ignore=[escape(name) for name in strays],
        )


def _tell_to_leave_out(glob: str) -> str:
    pattern = f", to which you add {json.dumps(glob, ensure_ascii=False)}" if glob else ""
    return (
        "or leave that timepoint of the channel out with input.ignore (input.missing: fill then records a hole)"
        + pattern
    )


def _list_globs(partial: VolumeFiles, volumes: VolumeFiles) -> list[str]:
    """List a shell pattern for each of a few volumes that fits their files alone; none where some cannot be told."""
    globs: list[str] = []
    names = [file.name for files in volumes.values() for file in files.values()]
    for files in partial.values() if len(partial) <= MOST_GLOBS else ():
        inner = [file.name for file in files.values()]
        start, end = _find_beginning(inner), _find_beginning([name[::-1] for name in inner])[::-1]
        glob = f"{escape(start.rstrip(digits))}*{escape(end.lstrip(digits))}" if len(inner) > 1 else escape(start)
        if sum(fnmatchcase(name, glob) for name in names) != len(inner):
            return []
        globs.append(glob)
    return globs


def _find_beginning(names: Sequence[str]) -> str:
    """Return how all names begin."""
    return "".join(letters[0] for letters in takewhile(lambda letters: len({*letters}) == 1, zip(*names, strict=False)))


def _is_cut_off(files: Mapping[Site, SourceFile], sites: list[list[int]]) -> bool:
    """Tell whether what a volume has would be whole without the sites at the ends of an axis."""
    present = list_sites(files.values())
    rows = [
        values[values.index(values_present[0]) : values.index(values_present[-1]) + 1]
        for values_present, values in zip(present, sites, strict=True)
    ]
    return prod(map(len, present)) == len(files) and rows == present


def _refuse_missing_row(folder: Path, axis: str, values: list[int]) -> None:
    steps = [after - before for before, after in pairwise(values)]
    # Steps that are multiples of the smallest leave a column without tiles; others are stage positions.
    uneven = [index for index, step in enumerate(steps) if step != min(steps)]
    if uneven and all(step % min(steps) == 0 for step in steps):
        before, after = values[uneven[0]], values[uneven[0] + 1]
        raise InputError(
            f"{folder}: no tile lies between {axis}={before} and {axis}={after}; "
            "copy what is missing into the folder, or leave the tiles beyond out with input.ignore"
        )


def _refuse_missing_piece(folder: Path, word: str, values: list[int]) -> None:
    """Refuse planes at uneven distances, and parts that are not 0, 1, 2 and so on."""
    if word == "part":
        values = [-1, *values]
    steps = [after - before for before, after in pairwise(values)]
    usual = 1 if word == "part" else min(steps, default=0)
    for before, step in zip(values, steps, strict=False):
        if step != usual:
            raise InputError(
                f"{folder}: {word} {before + usual} is missing from every tile ({word} {before + step} is the next); "
                "copy what is missing into the folder, or leave the files on one side of the gap out with input.ignore"
            )


def _describe_missing(missing: int, count: int, first: Sequence[int], sites: list[list[int]], word: str) -> str:
    z, y, x, piece = first
    kind = "tiles" if len(sites[3]) == 1 else f"{word}s" if len(sites[3]) == count else "files"
    places = [f"x={x}, y={y}, z={z}"] if kind != f"{word}s" else []
    places += [f"{word} {piece}"] if kind != "tiles" else []
    return f"{missing} of {count} {kind}, first {', '.join(places)}"
