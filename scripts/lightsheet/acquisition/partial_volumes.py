"""What volumes lack: planes, tiles or parts that others have, rows of tiles that are missing from all, and strays.

Like `discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from glob import escape
from itertools import pairwise, product, takewhile
from math import prod
from pathlib import Path
from string import digits

from lightsheet.acquisition.gaps import STILL_WRITES
from lightsheet.acquisition.time_axis import Site, SourceFile, VolumeFiles, list_sites
from lightsheet.system import InputError, join_first

USUAL_SHARE = 1 / 3
"""Of the volumes: where fewer have a plane or a tile, these have one too many, rather than the others too few."""

MOST_GLOBS = 20
"""Of so many volumes that lack something a pattern of their files is sought: each is held against all names."""


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
    if usual and strays and all(usual <= files.keys() for files in volumes.values()):
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
        if {name for name in names if fnmatchcase(name, glob)} != {*inner}:
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
