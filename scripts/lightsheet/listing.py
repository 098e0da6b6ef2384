"""Which TIFFs of a folder are taken, and why the others are not: by their names, and while they are written.

Like `acquisition`, it runs whenever the Snakefile is parsed: it opens no file and imports nothing heavy.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from lightsheet import gaps, names, timeaxis
from lightsheet.errors import InputError
from lightsheet.timeaxis import File

LOOK_SECONDS = 1.0
"""Between the two looks that tell whether a file grows."""

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
    found = list(_entries(folder, names.depth(pattern)))
    if tiffs := [name for name in found if names.is_tiff(name.rstrip("/"))]:
        return tiffs
    others = (names.other_format(name.rstrip("/")) for name in sorted(found, key=natural))
    inner = ", or write folders into input.pattern" if any(name.endswith("/") for name in found) else ""
    hint = next(filter(None, others), f"set input.folder{inner}")
    raise InputError(f"{folder}: there is no TIFF file ({', '.join(names.SUFFIXES)}) in it; {hint}")


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


def read_names(folder: Path, tiffs: Sequence[str], pattern: str, ignore: Sequence[str]) -> tuple[list[File], Reasons]:
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
    names.compile_pattern(pattern)  # or its errors would be taken for every file's
    files: list[File] = []
    left_out: list[tuple[str, str]] = []
    unfit: list[str] = []
    for name in sorted(tiffs, key=natural):
        if why := _exclusion(name, ignore):
            left_out.append((name, f"{name}: {why}"))
            continue
        try:
            files.append(timeaxis.read_fields(name, names.parse_name(name, pattern)))
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
    preset = names.suggest(unfit)
    if preset is None:
        return ""
    count = 0
    for name in unfit:
        with suppress(InputError):
            names.parse_name(name, preset)
            count += 1
    return f": the preset {preset} reads {count} of them"


def _refuse_positions(folder: Path, files: list[File]) -> None:
    positions = {"none" if file.position is None else str(file.position) for file in files}
    if len(positions) > 1:
        shown = ", ".join(sorted(positions, key=natural)[:5]) + (" and so on" if len(positions) > 5 else "")
        raise InputError(
            f"{folder}: its files are of {len(positions)} positions ({shown}), which are acquisitions of their own "
            "without a known place in a grid; leave all but one out with input.ignore, or write a template that reads "
            "{x} and {y} (input.pattern)"
        )


def find_waiting(folder: Path, files: list[File], settle: float) -> dict[str, str]:
    """Find the files that are left for the next run, because a microscope may still be writing.

    Parameters
    ----------
    folder : Path
        The acquisition's.
    files : list of File
        From `read_names`.
    settle : float
        Seconds for which a settled file has not been modified.

    Returns
    -------
    dict
        Why, by name: the files that are not settled, those of later timepoints, and those at the end of the time
        axis whose timepoint lacks a channel, a tile or a plane.

    Raises
    ------
    InputError
        If all are left.
    """
    changing = unsettled(folder, [file.name for file in files], settle)
    late = gaps.unfinished(timeaxis.group(folder, files), changing)
    waiting = {
        file.name: changing.get(file.name, "of a timepoint that is not complete") for file in files if file.name in late
    }
    if len(waiting) == len(files):
        raise InputError(
            f"{folder}: no timepoint is whole yet ({_count_reasons(waiting.values())}); run again in {settle:g} s, or, "
            "if nothing more is to come, set input.settle to 0 to see what is missing"
        )
    return waiting


def remark_on_waiting(waiting: Reasons) -> str:
    """Say in a sentence how many files are left for the next run, and why."""
    count = "1 file is" if len(waiting) == 1 else f"{len(waiting)} files are"
    return f"{count} left for the next run: {_count_reasons(why for _, why in waiting)}."


def _count_reasons(reasons: Iterable[str]) -> str:
    return ", ".join(f"{count} {why}" for why, count in Counter(reasons).most_common())


def unsettled(folder: Path, names: Iterable[str], settle: float) -> dict[str, str]:
    """Tell which files a microscope may still be writing.

    Parameters
    ----------
    folder : Path
        The acquisition's.
    names : iterable of str
        Files, relative to it.
    settle : float
        Seconds for which a settled file has not been modified.

    Returns
    -------
    dict
        Why, by name, such as "younger than 30 s", or "still being written": its size or time changed between
        two looks, `LOOK_SECONDS` apart.
    """
    names = list(names)
    before = [_look(folder, name) for name in names]
    time.sleep(LOOK_SECONDS)
    waiting: dict[str, str] = {}
    now = time.time()
    for name, earlier in zip(names, before, strict=True):
        later = _look(folder, name)
        if later is None or later != earlier:
            waiting[name] = "still being written"
        elif now - later[1] / 1e9 < settle:
            waiting[name] = f"younger than {settle:g} s"
    return waiting


def _look(folder: Path, name: str) -> tuple[int, int] | None:
    """Return a file's size and its time in ns; None if it has gone, as when its writer renames it."""
    try:
        stat = (folder / name).stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def natural(text: str) -> list[str | int]:
    """Sort key by which 2 comes before 10: text and numbers in turn."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]+)", text))]
