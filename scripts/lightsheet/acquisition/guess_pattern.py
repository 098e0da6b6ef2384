"""A template for file names that no preset reads, guessed from what varies in them; users hear that it is a guess.

Like `discover`, it imports nothing heavy.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lightsheet.acquisition.name_columns import Column, Table, list_tables
from lightsheet.acquisition.names import parse_name
from lightsheet.system import InputError

_SPECIMENS = ("embryo", "emb", "fish", "larva", "worm", "animal", "mouse", "brain", "cell", "sample", "specimen")
"""Words behind which a number is that of a position, unless it may be a wavelength."""

_LABELS = {
    "timepoint": "t tp tl tm time timepoint tpt frame fr stack vol volume cycle",
    "channel": "c ch chn chan channel w wave color colour",
    "plane": "z zs pln plane slice section zplane zslice layer",
    "x": "x col column tilex",
    "y": "y row tiley",
    "position": "s p pos position fov site tile series scene xy point well region roi " + " ".join(_SPECIMENS),
    "view": "a ang angle v view rot illum illumination side",
    "camera": "cam cm camera",
    "part": "part",
    "wavelength": "ex laser lambda exc",
}
_FIELD_OF_LABEL = {label: field for field, labels in _LABELS.items() for label in labels.split()}
_FIELD_OF_UNIT = {"nm": "wavelength", "msec": "milliseconds", "ms": "milliseconds"} | {axis: axis for axis in "xy"}
_FIELD_OF_UNIT |= {"z": "plane", "t": "timepoint"}

_WELL = re.compile(r"[A-P][0-9]{1,2}")
"""Names of the wells of a plate of 96 or 384."""

_PLANES_OR_POSITIONS = "p"
"""A label behind which single planes have their number, where no other label is that of a plane."""

FEWEST_COUNTED = 5
"""A number without a label that has fewer values is a plane or a timepoint only where no other is."""

MOST_CHANNELS = 16
"""A word that has more values does not name channels."""

SHORTEST_LASER, LONGEST_LASER = 350, 900
"""Nanometre, between which a number of three digits may be a wavelength."""

_STEADY = ("timepoint", "channel", "wavelength")
"""Fields that are read although all names have the same there: further files may have others."""


class Guess(NamedTuple):
    """A template, how many of the names it reads, and what each field is taken from, as phrases."""

    pattern: str
    readable: int
    reasons: tuple[str, ...]


def suggest_template(folder: Path, names: Sequence[str]) -> Guess | None:
    """Guess a template for TIFFs of a folder; whether they are single planes, the first of them tells."""
    from lightsheet.sources import count_pages  # here, because it imports NumPy

    is_plane = None
    with suppress(InputError, OSError, IndexError):
        is_plane = count_pages(folder / names[0]) == 1
    return guess_pattern(names, is_plane=is_plane, is_movie=bool(names) and holds_movie(folder / names[0]))


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
        fields = _assign_fields(table.columns, is_plane=is_plane, is_movie=is_movie)
        if fields is None:
            continue
        guess = Guess(_write_template(table, fields), len(table.names), tuple(_list_reasons(table.columns, fields)))
        if _reads_apart(guess.pattern, table, fields):
            return guess
    return None


def _assign_fields(columns: Sequence[Column], *, is_plane: bool | None, is_movie: bool) -> dict[int, str] | None:
    """Return a field for each column that gets one, {any} where other columns tell as much; None if that fails."""
    fields: dict[int, str] = {}
    varying = [index for index, column in enumerate(columns) if column.varies]
    for index in varying:
        _assign(fields, index, _find_field(columns[index]))
    _correct_labels(fields, columns, is_plane)
    if is_plane is False and "plane" in fields.values():
        return None  # of a number of planes beside several pages nobody knows what the pages are
    for index in varying:
        if index not in fields and not columns[index].is_number:
            _assign_word(fields, index, columns[index])
    if is_movie:
        _take_for_positions(fields, columns, varying)
    _assign_numbers(fields, columns, [i for i in varying if i not in fields and columns[i].is_number], is_plane)
    if is_plane and "plane" not in fields.values():
        _take_for_planes(fields)
    rest = [index for index in varying if index not in fields]
    if any(not _is_determined(columns, fields, index) for index in rest) or (
        is_plane and "plane" not in fields.values()
    ):
        return None
    fields |= dict.fromkeys(rest, "any")
    for index, column in enumerate(columns):
        if not column.varies and (field := _find_field(column)) in _STEADY:
            _assign(fields, index, field)
    return fields


def _assign(fields: dict[int, str], index: int, field: str | None) -> None:
    if field and field not in fields.values():
        fields[index] = field


def _correct_labels(fields: dict[int, str], columns: Sequence[Column], is_plane: bool | None) -> None:
    """Take numbers for wavelengths that have the label of a specimen, and a position `p` for the plane."""
    for index, field in fields.items():
        label = columns[index].labels[0]
        is_light = label in _SPECIMENS and _may_be_wavelength(columns[index])
        if field == "position" and is_light and "wavelength" not in fields.values():
            fields[index] = "wavelength"
        if is_plane and field == "position" and label == _PLANES_OR_POSITIONS and "plane" not in fields.values():
            fields[index] = "plane"


def _find_field(column: Column) -> str | None:
    """Return the field that the words beside a number name."""
    prefix, suffix = column.labels
    field = _FIELD_OF_UNIT.get(suffix) if suffix in ("nm", "ms", "msec") else None
    return field or (_FIELD_OF_LABEL.get(prefix) or _FIELD_OF_UNIT.get(suffix) if column.is_number else None)


def _assign_word(fields: dict[int, str], index: int, column: Column) -> None:
    """Take varying text for the name of the channel, unless it is a well, or follows the word for a place."""
    words = set(column.texts)
    label = _FIELD_OF_LABEL.get(column.labels[0])
    if label == "position" or all(_WELL.fullmatch(word) for word in words):
        _assign(fields, index, "position")
    elif len(words) <= MOST_CHANNELS:
        is_camera = all(word.lower().startswith("cam") for word in words)
        order = ("camera", "channel", "view") if is_camera else ("channel", "view")
        _assign(fields, index, next((field for field in order if field not in fields.values()), None))


def _assign_numbers(
    fields: dict[int, str], columns: Sequence[Column], numbers: list[int], is_plane: bool | None
) -> None:
    """Give unlabelled numbers the missing fields: the last counter is the plane of single planes, or else the time."""
    numbers = [index for index in numbers if _find_field(columns[index]) is None]
    if len(numbers) > 1 or fields:
        for index in [index for index in numbers if _may_be_wavelength(columns[index])]:
            if "wavelength" not in fields.values() and len(numbers) + len(fields) > 1:
                fields[index] = "wavelength"
                numbers.remove(index)

    def rank(index: int) -> tuple[bool, bool, int]:
        return columns[index].is_counter, len(columns[index].numbers) >= FEWEST_COUNTED, index

    order = sorted(numbers, key=rank)
    for field in (*(["plane"] if is_plane else []), "timepoint"):
        while field not in fields.values() and order:
            index = order.pop()
            if not _is_determined(columns, fields, index):
                fields[index] = field
    for index in order:
        if len(columns[index].numbers) <= MOST_CHANNELS and _is_independent(columns, fields, index):
            _assign(fields, index, "channel")


def _may_be_wavelength(column: Column) -> bool:
    low, high = column.numbers[0], column.numbers[-1]
    return SHORTEST_LASER <= low <= high <= LONGEST_LASER and len(column.numbers) <= 6 and not column.is_counter


def _take_for_positions(fields: dict[int, str], columns: Sequence[Column], varying: Sequence[int]) -> None:
    """Take the one number that varies without a label for that of an embryo, unless its zeros make it a sequence."""
    numbers = [index for index in varying if index not in fields and columns[index].is_number]
    if len(numbers) == 1 and not any(re.match(r"0\d", text) for text in columns[numbers[0]].texts):
        _assign(fields, numbers[0], "position")


def _take_for_planes(fields: dict[int, str]) -> None:
    """Take the timepoints of files that are single planes for the planes: a volume must have some."""
    for index, field in fields.items():
        if field == "timepoint":
            fields[index] = "plane"
            return


def _is_independent(columns: Sequence[Column], fields: dict[int, str], index: int) -> bool:
    """Tell whether every value of a column occurs with every value of the fields, as the name of a channel does."""
    keys = {*zip(*(columns[number].texts for number in fields), strict=True)}
    pairs = {*zip(*(columns[number].texts for number in (*fields, index)), strict=True)}
    return len(pairs) == len(keys) * len(set(columns[index].texts)) > len(keys)


def _is_determined(columns: Sequence[Column], fields: dict[int, str], index: int) -> bool:
    """Tell whether the fields of a name, except its clock, determine what stands in a further column."""
    indices = [number for number, field in fields.items() if field != "milliseconds"]
    keys = list(zip(*(columns[number].texts for number in indices), strict=True)) or [()] * len(columns[index].texts)
    return len({*zip(keys, columns[index].texts, strict=True)}) == len(set(keys))


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
            fields_of_labels = {prefix: _FIELD_OF_LABEL.get(prefix), suffix: _FIELD_OF_UNIT.get(suffix)}
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
            parsed = parse_name(name, pattern)
        except InputError:
            return False
        parsed = {field.removesuffix("_nm"): value for field, value in parsed.items()}
        texts = {field: table.columns[index].texts[row] for index, field in fields.items() if field != "any"}
        if any(_differs(parsed.get(field), text) for field, text in texts.items()):
            return False
        meanings.add(tuple(sorted((field, str(value)) for field, value in parsed.items())))
    return len(meanings) == len(table.names)


def _differs(value: object, text: str) -> bool:
    return value != int(text) if isinstance(value, int) else value != text
