"""A first look at images of which no configuration tells: where their files are, and how their names are read."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import NamedTuple

from lightsheet.acquisition import (
    ZARR_SUFFIX,
    explain_other_format,
    fits_pattern,
    holds_plane,
    is_tiff,
    make_natural_key,
    parse_name,
    suggest_preset,
    suggest_template,
    walk_folders,
)
from lightsheet.sources import is_zarr
from lightsheet.system import InputError, escape_name, join_first

DEEPEST = 3
"""Folders between the folder that was named and its files."""

DERIVED = ("*_decon.tif", "MAX_*", "MIP_*")
PSF_WORDS = re.compile(r"psf|(?<![a-z])beads?(?![a-z])", re.IGNORECASE)


class FirstLook(NamedTuple):
    """Which files are read and how; `notes` are sentences on that, `pattern` is None for a store, or if none was found.

    `is_guess`: nothing but their own names says how they are read.
    """

    folder: Path
    names: tuple[str, ...]  # of the images, none for a store
    pattern: str | None
    ignore: tuple[str, ...]
    is_guess: bool
    notes: tuple[str, ...]
    choice: tuple[str, ...] = ()  # sentences on what is ignored


def look_at(path: Path) -> FirstLook:
    """Look at a folder of TIFFs or of stores, at a store, or at one TIFF.

    InputError if nothing is there that can be read.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if is_zarr(path):
        return FirstLook(path, (), None, (), is_guess=False, notes=("a Zarr store",))
    if path.is_file():
        if not is_tiff(path.name):
            raise InputError(explain_other_format(str(path)) or f"{path}: is neither a TIFF nor a folder")
        folder, names = path.parent, [path.name]
        leftovers = [name for name in _list_images(folder, 0) if name != path.name]
        if leftovers and holds_plane(path):
            raise InputError(f"{path}: is a single plane, and a volume is a stack; name its folder, {folder}")
    else:
        folder, (names, leftovers) = path, _find_images(path)
    pattern, is_guess, notes = _choose_pattern(folder, names)
    if pattern is None:
        return FirstLook(folder, tuple(names), None, DERIVED[:1], is_guess=True, notes=tuple(notes))
    usable_names = [name for name in names if fits_pattern(name, pattern)]
    acquisition, choice = _choose_acquisition(usable_names, pattern)
    images = set(acquisition)
    stem = (
        path.name.split(".")[0] if path.is_file() else None
    )  # of one file that was named, those that begin like it are left out
    leftovers = [
        name
        for name in (*leftovers, *usable_names)
        if name not in images and (fits_pattern(name, pattern) or (stem and name.startswith(stem)))
    ]
    ignore = list_globs(leftovers, acquisition)
    return FirstLook(folder, tuple(names), pattern, (*DERIVED[:1], *ignore), is_guess, tuple(notes), tuple(choice))


def _find_images(folder: Path) -> tuple[list[str], list[str]]:
    """Find the files, or stores, that are images, and others that lie among them, in the uppermost folders with any."""
    beads: list[str] = []
    for depth in range(DEEPEST + 1):
        names = _list_images(folder, depth)
        images = [name for name in names if not PSF_WORDS.search(name)]
        plain = [name for name in images if not any(fnmatchcase(name.rpartition("/")[2], glob) for glob in DERIVED)]
        if images:
            image_names = set(plain or images)
            return plain or images, [name for name in names if name not in image_names]
        beads = beads or names
    if beads:  # images of beads may be what is to be deconvolved
        return beads, []
    first = next(
        (reason for name in walk_folders(folder, 0) if (reason := explain_other_format(name.rstrip("/")))), None
    )
    raise InputError(f"{folder}: {first or 'there is no TIFF and no Zarr store in it'}")


def _list_images(folder: Path, depth: int) -> list[str]:
    """List the TIFFs so deep below a folder, or, where there is none, the stores."""
    entries = [name for name in walk_folders(folder, depth) if name.rstrip("/").count("/") == depth]
    entries = [name for name in entries if not name.rpartition("/")[2].startswith(".")]
    tiffs = [name for name in entries if is_tiff(name)]
    folders = [name.rstrip("/") for name in entries if name.endswith("/")]
    stores = [name for name in folders if name.lower().endswith(ZARR_SUFFIX) or is_zarr(folder / name)]
    return sorted(tiffs or stores, key=make_natural_key)


def _choose_pattern(folder: Path, names: Sequence[str]) -> tuple[str | None, bool, list[str]]:
    """Choose a preset or guess a template; with whether it is a guess, and notes on it."""
    preset, count = suggest_preset(names)
    first = folder / names[0]
    guess = suggest_template(folder, names)
    is_plain = preset == "plain"
    if count and not is_plain and (2 * count > len(names) or not guess or guess.readable <= count):
        return preset, False, [f"The preset {preset} reads {_count_names(count, names)}"]
    if not guess and len(names) == 1 and holds_plane(first):
        raise InputError(f"{first}: is a single plane, and a volume is a stack of them")
    if not guess:
        return None, True, ["No preset reads the names, and what varies in them explains itself in no way"]
    fields = set(re.findall(r"\{(\w+)\}", guess.pattern))
    if not fields:
        return guess.pattern, False, ["The name of the one file"]
    if is_plain and count == guess.readable and "timepoint" in fields and fields <= {"timepoint", "channel"}:
        return "plain", True, [f"the preset plain, channel_timepoint, reads {_count_names(count, names)}"]
    return guess.pattern, True, [f"this template reads {_count_names(guess.readable, names)}", *guess.reasons]


def _count_names(count: int, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{escape_name(names[0])}"
    share = "all" if count == len(names) else f"{count} of"
    return f"{share} {len(names)} names, such as {escape_name(names[0])}"


def _choose_acquisition(names: Sequence[str], pattern: str) -> tuple[list[str], list[str]]:
    """Choose the first of several stage positions, each of which is an acquisition of its own; with a note on it."""
    positions: dict[str, list[str]] = defaultdict(list)
    for name in names:
        positions[str(parse_name(name, pattern).get("position"))].append(name)
    if len(positions) < 2:
        return list(names), []
    first, *others = sorted(positions, key=make_natural_key)
    note = (
        f"the files are of {len(positions)} positions, each an acquisition of its own: this configuration is for "
        f"position {first}, and input.ignore leaves out {join_first(others, 5)}; write one for each, with another "
        "name, or it would replace this one's result"
    )
    return positions[first], [note]


def list_globs(names: Sequence[str], images: Sequence[str]) -> list[str]:
    """Return as few shell patterns as can be seen at once that match some names and none of the images."""
    globs: list[str] = []
    rest = list(names)
    while rest:
        candidates = [
            glob for glob in _list_candidates(rest[0]) if not any(fnmatchcase(image, glob) for image in images)
        ]
        counts = Counter({glob: sum(fnmatchcase(name, glob) for name in rest) for glob in candidates})
        globs.append(max(counts, key=lambda glob: counts[glob], default=escape(rest[0])))
        rest = [name for name in rest if not fnmatchcase(name, globs[-1])]
    return globs


def _list_candidates(name: str) -> Iterator[str]:
    """Yield patterns that match a name by one word of it, or by a word with its number, such as Pos1."""
    yield escape(name)
    for match in re.finditer(r"[A-Za-z]{3,}", name):
        yield f"*{match[0]}*"
    for match in re.finditer(r"[A-Za-z]+[^A-Za-z0-9]?\d+(?=[^0-9])", name):
        yield f"*{escape(match[0])}[!0-9]*"
    for match in re.finditer(r"(?<=[^A-Za-z0-9])[A-Za-z]+ ?\d*(?=[^A-Za-z0-9])", name):
        yield f"*{escape(match[0])}[!A-Za-z0-9]*"


def split_prefixes(names: Sequence[str], pattern: str) -> Mapping[str, list[str]]:
    """Return the names that begin alike, as a preset reads them, the most common beginning first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if fits_pattern(name, pattern):
            groups[str(parse_name(name, pattern).get("prefix", ""))].append(name)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))
