"""Which TIFFs of a folder are used, and why the others are not.

Like `discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path

from lightsheet.acquisition.guess_pattern import suggest_template
from lightsheet.acquisition.leftovers import refuse_pieces_left_out, refuse_unfinished_copies
from lightsheet.acquisition.names import (
    compile_pattern,
    count_folders,
    describe_channel,
    fits_pattern,
    parse_name,
    suggest_preset,
)
from lightsheet.acquisition.presets import SUFFIXES, explain_other_format, is_tiff
from lightsheet.acquisition.time_axis import SourceFile, gather_fields
from lightsheet.system import RENAME, UNPRINTABLE, InputError, escape_name, find_name_fault, join_first

NO_FILE = "not a file, but a folder or a link that leads nowhere"

Reasons = tuple[tuple[str, str], ...]  # (file name, why)


def list_tiffs(folder: Path, pattern: str, ignore: Sequence[str] = (), *, is_growing: bool = False) -> list[str]:
    """List the TIFFs relative to a folder, in subfolders as deep as the pattern's; what is no file ends with "/".

    Refuse one that is not there as a whole, unless the folder `is_growing`.
    """
    if not folder.is_dir():
        place = "" if folder.is_absolute() else f" in {Path.cwd()}"
        raise InputError(
            f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}{place}; set input.folder"
        )
    names = list(walk_folders(folder, count_folders(pattern)))
    if not is_growing:
        refuse_unfinished_copies(folder, names, pattern, ignore)
    if tiffs := [name for name in names if is_tiff(name.rstrip("/"))]:
        return tiffs
    sentences = (explain_other_format(name.rstrip("/")) for name in sorted(names, key=make_natural_key))
    inner = ", or write folders into input.pattern" if any(name.endswith("/") for name in names) else ""
    if "\\" in pattern:
        inner = ", or write / between the folders of input.pattern, in place of \\"
    hint = next(filter(None, sentences), f"set input.folder{inner}")
    raise InputError(f"{folder}: there is no TIFF file ({', '.join(SUFFIXES)}) in it; {hint}")


def walk_folders(folder: Path, depth: int, parent: str = "") -> Iterator[str]:
    """Yield what lies in a folder, and in its subfolders that are not hidden down to a depth; folders end with "/"."""
    try:
        with os.scandir(folder / parent) as entries:
            contents = [(parent + entry.name, entry.is_dir(), entry.is_file()) for entry in entries]
    except OSError as error:
        raise InputError(f"{folder / parent}: cannot be listed ({error.strerror}); set input.folder") from error
    for name, is_folder, is_file in contents:
        if not (is_folder and depth):
            yield name if is_file else name + "/"
        elif not name.startswith(".", len(parent)):
            yield from walk_folders(folder, depth - 1, name + "/")


def read_names(
    folder: Path, tiffs: Sequence[str], pattern: str, ignore: Sequence[str], kind: str = "TIFF files"
) -> tuple[list[SourceFile], Reasons]:
    """Sort TIFFs, or stores, into those whose names can be read, in natural order, and the others with the reason."""
    compile_pattern(pattern)  # refuses a wrong pattern once, not in the name of each file
    files: list[SourceFile] = []
    excluded: list[tuple[str, str]] = []
    misfits: list[str] = []
    channels: dict[str, dict[str, str]] = {}  # per channel's name a file of each channel that would have it
    for name in sorted(tiffs, key=make_natural_key):
        if reason := _find_exclusion(name, ignore):
            excluded.append((name, f"{escape_name(name)}: {reason}"))
            if reason == NO_FILE:
                _refuse_no_file(folder, name, pattern)
            continue
        try:
            fields = parse_name(name, pattern)
        except InputError as error:
            excluded.append((name, escape_name(str(error))))
            misfits.append(name)
            continue
        files.append(gather_fields(name, fields))
        channels.setdefault(files[-1].channel, {}).setdefault(describe_channel(fields), name)
    if not files:
        hint = _suggest_pattern(folder, [name for name in tiffs if not _find_exclusion(name, ignore)])
        raise InputError(_explain_no_files(folder, f"{len(tiffs)} {kind}", hint, tuple(excluded)))
    _refuse_unfit_names(folder, files)
    _refuse_equal_channels(folder, channels)
    _refuse_positions(folder, files)
    refuse_pieces_left_out(folder, files, misfits, pattern)
    return files, tuple(excluded)


def _explain_no_files(folder: Path, count: str, hint: str, excluded: Reasons) -> str:
    """Say that none of so many files can be used, why, and what to do."""
    reasons = "; ".join(reason for _, reason in excluded[:3])
    return (
        f"{folder}: none of its {count} can be used; set input.pattern{hint} ({reasons}); "
        f"`lightsheet init {escape_name(str(folder))}` writes a configuration that fits it"
    )


def _suggest_pattern(folder: Path, names: Sequence[str]) -> str:
    """Say which pattern would read the names of a folder: a preset, or one that is guessed from them."""
    preset, count = suggest_preset(names)
    guess = suggest_template(folder, names)
    if count and (preset != "plain" or not guess):
        return f": the preset {preset} reads {count} of them"
    if guess:
        return f": {json.dumps(guess.pattern, ensure_ascii=False)} is a guess that reads {guess.readable} of them"
    return ""


def _find_exclusion(name: str, ignore: Sequence[str]) -> str | None:
    """Say why a TIFF is left out before its name is read."""
    for glob in ignore:
        if fnmatchcase(name.rstrip("/"), glob):
            return f"ignored by {glob!r}"
    if name.startswith(".", name.rfind("/") + 1):  # macOS leaves a "._NAME" beside every NAME on foreign disks
        return "a hidden file"
    if name.endswith("/"):
        return NO_FILE
    return None


def _refuse_no_file(folder: Path, name: str, pattern: str) -> None:
    """Refuse a folder or a dead link that is named like a file: the volume, or the part of one, is not there."""
    if fits_pattern(name.rstrip("/"), pattern):
        raise InputError(
            f"{folder}: {escape_name(name.rstrip('/'))} has the name of a volume's file, but is {NO_FILE}; put the "
            "file in its place, or leave it out with input.ignore"
        )


def _refuse_unfit_names(folder: Path, files: list[SourceFile]) -> None:
    """Refuse names that neither Snakemake nor a log or a table can write down."""
    if names := [file.name for file in files if find_name_fault(file.name)]:
        rest = f" (there are {len(names)} such names)" if len(names) > 1 else ""
        glob = json.dumps([re.sub(UNPRINTABLE, "?", escape(names[0]))], ensure_ascii=False)
        raise InputError(
            f"{folder}: the name '{escape_name(names[0])}' {find_name_fault(names[0])}{rest}; {RENAME}, "
            f"or leave it out with input.ignore: {glob}"
        )


def _refuse_equal_channels(folder: Path, channels: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse channels that would have one name, and be taken for one."""
    for channel, files in channels.items():
        if len(files) > 1:
            examples = " and ".join(f"{text} (in {name})" for text, name in list(files.items())[:2])
            raise InputError(
                f"{folder}: the channels {examples} would both be called {channel}, as the name of a channel, which is "
                'that of a folder, has letters from a to z, digits, "." and "-" alone: rename the files of one, or '
                "leave them out with input.ignore"
            )


def _refuse_positions(folder: Path, files: list[SourceFile]) -> None:
    """Refuse several stage positions: they are no tiles, because their place in a grid is not known."""
    positions = {"none" if file.position is None else str(file.position) for file in files}
    if len(positions) > 1:
        examples = join_first(sorted(positions, key=make_natural_key), 5)
        raise InputError(
            f"{folder}: its files are of {len(positions)} positions ({examples}), which are acquisitions of their own "
            "without a known place in a grid; leave all but one out with input.ignore, or write a template that reads "
            "{x} and {y} (input.pattern)"
        )


def make_natural_key(text: str) -> list[str | int]:
    """Make the sort key by which 2 comes before 10: text and numbers in turn."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]+)", text))]
