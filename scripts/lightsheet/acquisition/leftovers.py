"""TIFFs that no name fits and that could be a missing piece of a volume: parts, planes that are named otherwise.

Like `discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path

from lightsheet.acquisition.names import fits_pattern, would_fit
from lightsheet.acquisition.presets import PRESETS, SUFFIXES, is_tiff
from lightsheet.acquisition.time_axis import SourceFile
from lightsheet.system import InputError, escape_name, join_first

_DERIVED = re.compile(
    r"(?<![a-z])(?:decon|deskew|dsr?\b|rot|mip|max|min|sum|av|mean|median|std|proj|crop|psf|otf|seg|mask|label|thumb|prev"
    r"|filt|denois|corr|flat|dark|bg|background|sub|fuse|stitch|reg|bin|scale|resiz|8 ?bit|16 ?bit|32 ?bit|result|proc"
    r"|copy|backup|old|orig|test|xy|xz|yz|rgb|overlay|composite)",
    re.I,
)
"""What programs and people append to the names of files that they made from others."""

_UNFINISHED = re.compile(r"\.(?:part|partial|filepart|crdownload|download|tmp|temp|gz|bz2|xz|zst|zip|7z)$", re.I)
"""What programs append to the names of files that they copy or pack."""

_ENDING = re.compile(rf"(?:\.ome)?(?:{'|'.join(map(re.escape, SUFFIXES))})$", re.I)
LIKENESS = 0.9
"""Likeness of two names, by `difflib`, from which on they are taken for names of one acquisition."""

_NUMBER_AT_END = re.compile(r"[-_. ]*(?:part|p|z|plane)?\d+$", re.I)


def refuse_unfinished_copies(folder: Path, names: Sequence[str], pattern: str, ignore: Sequence[str]) -> None:
    """Refuse to leave out a TIFF that is being copied, or is packed: at the end of a movie nobody would miss it."""
    present = {*names}
    for name in names:
        whole = _UNFINISHED.sub("", name)
        if whole == name or whole in present or not is_tiff(whole) or any(fnmatchcase(name, glob) for glob in ignore):
            continue
        if fits_pattern(whole, pattern):
            raise InputError(
                f"{folder}: {escape_name(name)} would be left out, but could be a volume that is still being copied, "
                "or is packed: wait for it or unpack it, or leave it out with input.ignore"
            )


def refuse_pieces_left_out(folder: Path, files: Sequence[SourceFile], misfits: Sequence[str], pattern: str) -> None:
    """Refuse to leave out files that do not fit the pattern, but could be what a volume of the files lacks."""
    if not misfits:
        return
    stems = {_strip_ending(file.name): file.name for file in files}
    # Where one file is a part or a plane, the first may have no number.
    pieces = [file for file in files if file.numbers.keys() & {"plane", "part"}]
    firsts = {_NUMBER_AT_END.sub("", _strip_ending(file.name)): file.name for file in pieces}
    suspects = [(name, reason) for name in misfits if (reason := _suspect(name, stems, firsts, pattern))]
    if not suspects and pattern in PRESETS:  # a template may leave out on purpose what differs in a word or a number
        suspects = list(_find_alike(files, misfits))
    if not suspects and pieces and (first := min(file.site[3] for file in pieces)) > 1:
        folders = {file.name.rpartition("/")[0] for file in pieces}
        neighbours = [name for name in misfits if name.rpartition("/")[0] in folders and not _DERIVED.search(name)]
        suspects = [(name, f"the others begin with {first}, not with 0 or 1") for name in neighbours]
    if suspects:
        names = join_first([escape_name(name) for name, _ in suspects], 3)
        clause, pronoun = ("it does", "it") if len(suspects) == 1 else ("they do", "them")
        raise InputError(
            f"{folder}: {names} would be left out, because {clause} not fit input.pattern {pattern!r}, but could be a "
            f"piece of a volume: {escape_name(suspects[0][1])}; rename {pronoun}, write a template that reads such "
            f"names too ({{part}} or {{plane}}), or leave {pronoun} out with input.ignore",
            ignore=[escape(name) for name, _ in suspects],
        )


def _strip_ending(name: str) -> str:
    return _ENDING.sub("", name)


def _suspect(name: str, stems: dict[str, str], firsts: dict[str, str], pattern: str) -> str | None:
    """Say why a file could be a piece of a volume; None if nothing points to it."""
    stem = _strip_ending(name)
    for end in range(len(stem) - 1, 0, -1):
        rival, rest = stems.get(stem[:end]), stem[end:]
        # In the middle of a number or of a word, the likeness is by chance.
        if rival and not re.match(r"\d\d|[a-z][a-z]", stem[end - 1 : end + 1], re.I):
            return None if _DERIVED.search(rest) else f"it continues the name of {rival}"
    if rival := firsts.get(stem):
        return f"{rival} continues its name"
    if variant := next((variant for variant in _vary(name) if fits_pattern(variant, pattern)), None):
        return f"{variant} would fit"
    if not _DERIVED.search(name) and any(would_fit(variant, pattern) for variant in (name, *_vary(name))):
        return "it would fit with other capitals"
    return None


def _find_alike(files: Sequence[SourceFile], misfits: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names that resemble that of a file, numbers aside: one that lacks a field, say."""
    examples = {re.sub(r"\d+", "0", file.name): file.name for file in files}
    names = {re.sub(r"\d+", "0", name): name for name in misfits if not _DERIVED.search(name)}
    for form, name in names.items():
        if close := difflib.get_close_matches(form, examples, n=1, cutoff=LIKENESS):
            yield name, f"its name is much like {examples[close[0]]}"


def _vary(name: str) -> Iterator[str]:
    """Yield a name with other capitals and separators, and without the sign or the point of a number."""
    digits = re.sub(r"(?<=\d)[.p,](?=\d)|-(?=\d)", "", name)
    for text in (name, re.sub(r"[- ]+", "_", name), name.replace(" ", ""), digits):
        yield from (variant for variant in (text, text.lower(), text.upper()) if variant != name)
