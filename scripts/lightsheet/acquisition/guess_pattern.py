"""A template for file names that no preset reads, guessed from what varies in them; users hear that it is a guess.

Like `discover`, it imports nothing heavy.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lightsheet.acquisition.name_columns import Column, Table, list_tables
from lightsheet.acquisition.name_fields import FIELD_OF_LABEL, FIELD_OF_UNIT, assign_fields
from lightsheet.acquisition.names import parse_name
from lightsheet.system import InputError


class Guess(NamedTuple):
    """A template, how many of the names it reads, and what each field is taken from, as phrases."""

    pattern: str
    readable: int
    reasons: tuple[str, ...]


def suggest_template(folder: Path, names: Sequence[str]) -> Guess | None:
    """Guess a template for files or stores of a folder, of which the first tells what each holds.

    Parameters
    ----------
    folder : Path
    names : sequence of str, of what lies in it

    Returns
    -------
    Guess, None where `guess_pattern` returns none
    """
    if not names:
        return guess_pattern(names)
    first = folder / names[0]
    return guess_pattern(names, is_plane=holds_plane(first), is_movie=holds_movie(first))


def holds_plane(path: Path) -> bool | None:
    """Tell whether a TIFF has one page alone.

    Parameters
    ----------
    path : Path, of what is a folder, such as a store, it is not; of what cannot be read nobody knows

    Returns
    -------
    bool or None
    """
    from lightsheet.sources import count_pages  # here, because it imports NumPy

    with suppress(InputError, OSError):
        return not path.is_dir() and count_pages(path) == 1
    return None


def holds_movie(path: Path) -> bool:
    """Tell whether a TIFF says that it holds several timepoints.

    Parameters
    ----------
    path : Path, of what is no TIFF, or cannot be read, nothing is told

    Returns
    -------
    bool
    """
    from lightsheet.sources import read_metadata  # here, because it imports NumPy

    with suppress(InputError, OSError):
        return path.is_file() and read_metadata(path).file_sizes.get("T", 1) > 1
    return False


def guess_pattern(names: Sequence[str], *, is_plane: bool | None = None, is_movie: bool = False) -> Guess | None:
    """Guess the template by which names are to be read.

    Parameters
    ----------
    names : sequence of str
        Of files, or of stores, relative to their folder, with "/", each once.
    is_plane : bool, optional
        Whether each file holds one page alone, if that is known.
    is_movie : bool
        Whether each file holds several timepoints, so that a number is rather of an embryo than of a time.

    Returns
    -------
    Guess or None
        None where the names do not tell enough: nothing that varies may be left without a meaning. Every name that the
        guess claims to read is read by it, and no two of them as the same file of a volume.
    """
    for table in list_tables(names):
        fields = assign_fields(table.columns, is_plane=is_plane, is_movie=is_movie)
        if fields is None:
            continue
        guess = Guess(_write_template(table, fields), len(table.names), tuple(_list_reasons(table.columns, fields)))
        if _reads_apart(guess.pattern, table, fields):
            return guess
    return None


def _write_template(table: Table, fields: dict[int, str]) -> str:
    parts = [_escape(table.separators[0])]
    for index, (column, separator) in enumerate(zip(table.columns, table.separators[1:], strict=True)):
        parts.append(f"{{{fields[index]}}}" if index in fields else _escape(column.texts[0]))
        parts.append(_escape(separator))
    return "".join([*parts, _escape(table.ending)])


def _escape(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _list_reasons(columns: Sequence[Column], fields: dict[int, str]) -> Iterator[str]:
    for index, field in sorted(fields.items()):
        column = columns[index]
        if field == "any" or not column.varies:
            continue
        if column.is_number:
            prefix, suffix = column.labels
            fields_of_labels = {prefix: FIELD_OF_LABEL.get(prefix), suffix: FIELD_OF_UNIT.get(suffix)}
            label = next((f" at {text!r}" for text, meaning in fields_of_labels.items() if meaning), "")
            is_explained = field in fields_of_labels.values()
            doubt = "" if is_explained else ", which nothing in the names explains"
            if label and not is_explained:
                doubt = " (single planes must have one)" if field == "plane" else " (these may be wavelengths)"
            yield f"{{{field}}} is the number{label}, {column.numbers[0]} to {column.numbers[-1]}{doubt}"
        else:
            words = sorted(set(column.texts))
            yield f"{{{field}}} is the word {', '.join(words[:3])}{', ...' if len(words) > 3 else ''}"


def _reads_apart(pattern: str, table: Table, fields: dict[int, str]) -> bool:
    """Tell whether a template reads every name as the guess intends, and no two names alike."""
    meanings = set()
    for row, name in enumerate(table.names):
        try:
            field_values = parse_name(name, pattern)
        except InputError:
            return False
        field_values = {field.removesuffix("_nm"): value for field, value in field_values.items()}
        texts = {field: table.columns[index].texts[row] for index, field in fields.items() if field != "any"}
        if any(_differs(field_values.get(field), text) for field, text in texts.items()):
            return False
        meanings.add(tuple(sorted((field, str(value)) for field, value in field_values.items())))
    return len(meanings) == len(table.names)


def _differs(value: object, text: str) -> bool:
    if isinstance(value, int):
        return not text.isdecimal() or value != int(text)
    return value != text
