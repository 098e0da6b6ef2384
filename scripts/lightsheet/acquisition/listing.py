"""Which TIFFs of a folder are taken, and why the others are not: by their names, and while they are written.

Like `acquisition.discover`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from lightsheet.acquisition.names import (
    compile_pattern,
    count_folders,
    count_readable,
    parse_name,
    suggest_preset,
)
from lightsheet.acquisition.presets import SUFFIXES, explain_other_format, is_tiff
from lightsheet.acquisition.time_axis import NamedFile, gather_fields
from lightsheet.system import InputError

Reasons = tuple[tuple[str, str], ...]  # (file name, why)


def list_tiffs(folder: Path, pattern: str) -> list[str]:
    """List the TIFFs of a folder, and of its subfolders as deep as the pattern has folders.

    Parameters
    ----------
    folder : Path
        The acquisition's.
    pattern : str
        A preset or a template, as for `names.parse_name`.

    Returns
    -------
    list of str
        Names relative to the folder, with "/" between folders, not sorted. What is no file though it is named like
        one, a folder at the deepest level or a link that leads nowhere, ends with "/".

    Raises
    ------
    InputError
        If there is no such folder, it or one in it may not be listed, or there is no TIFF.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; set input.folder")
    found = list(_entries(folder, count_folders(pattern)))
    if tiffs := [name for name in found if is_tiff(name.rstrip("/"))]:
        return tiffs
    others = (explain_other_format(name.rstrip("/")) for name in sorted(found, key=make_natural_key))
    inner = ", or write folders into input.pattern" if any(name.endswith("/") for name in found) else ""
    hint = next(filter(None, others), f"set input.folder{inner}")
    raise InputError(f"{folder}: there is no TIFF file ({', '.join(SUFFIXES)}) in it; {hint}")


def _entries(folder: Path, depth: int, inside: str = "") -> Iterator[str]:
    try:
        with os.scandir(folder / inside) as entries:
            found = [(inside + entry.name, entry.is_dir(), entry.is_file()) for entry in entries]
    except OSError as error:
        raise InputError(f"{folder / inside}: cannot be listed ({error.strerror}); set input.folder") from error
    for name, is_folder, is_file in found:
        if not (is_folder and depth):
            yield name if is_file else name + "/"
        elif not name.startswith(".", len(inside)):
            yield from _entries(folder, depth - 1, name + "/")


def read_names(
    folder: Path, tiffs: Sequence[str], pattern: str, ignore: Sequence[str]
) -> tuple[list[NamedFile], Reasons]:
    """Sort TIFFs into those whose names can be read and those left out.

    Parameters
    ----------
    folder : Path
        What errors name.
    tiffs : sequence of str
        From `list_tiffs`.
    pattern : str
        A preset or a template.
    ignore : sequence of str
        Names to leave out, such as ``"*_decon.tif"``.

    Returns
    -------
    files : list of File
        In natural order.
    left_out : tuple of (str, str)
        Name and reason.

    Raises
    ------
    InputError
        If no name can be read, or the files are of several stage positions without a place in a grid.
    """
    compile_pattern(pattern)  # or its errors would be taken for every file's
    files: list[NamedFile] = []
    left_out: list[tuple[str, str]] = []
    unfit: list[str] = []
    for name in sorted(tiffs, key=make_natural_key):
        if why := _exclusion(name, ignore):
            left_out.append((name, f"{name}: {why}"))
            continue
        try:
            files.append(gather_fields(name, parse_name(name, pattern)))
        except InputError as error:
            left_out.append((name, str(error)))
            unfit.append(name)
    if not files:
        reasons = "; ".join(why for _, why in left_out[:3])
        hint = _suggestion(unfit)
        raise InputError(
            f"{folder}: none of its {len(tiffs)} TIFF files can be used; set input.pattern{hint} ({reasons})"
        )
    _refuse_positions(folder, files)
    return files, tuple(left_out)


def _exclusion(name: str, ignore: Sequence[str]) -> str | None:
    """Say why a TIFF is left out before its name is read."""
    for glob in ignore:
        if fnmatchcase(name, glob):
            return f"ignored by {glob!r}"
    if name.startswith(".", name.rfind("/") + 1):  # macOS leaves a "._NAME" beside every NAME on foreign disks
        return "a hidden file"
    if name.endswith("/"):
        return "not a file, but a folder or a link that leads nowhere"
    return None


def _suggestion(unfit: list[str]) -> str:
    """Say which preset reads how many of the names that do not fit."""
    preset = suggest_preset(unfit)
    return f": the preset {preset} reads {count_readable(unfit, preset)} of them" if preset else ""


def _refuse_positions(folder: Path, files: list[NamedFile]) -> None:
    positions = {"none" if file.position is None else str(file.position) for file in files}
    if len(positions) > 1:
        shown = ", ".join(sorted(positions, key=make_natural_key)[:5]) + (" and so on" if len(positions) > 5 else "")
        raise InputError(
            f"{folder}: its files are of {len(positions)} positions ({shown}), which are acquisitions of their own "
            "without a known place in a grid; leave all but one out with input.ignore, or write a template that reads "
            "{x} and {y} (input.pattern)"
        )


def make_natural_key(text: str) -> list[str | int]:
    """Sort key by which 2 comes before 10: text and numbers in turn."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]+)", text))]
