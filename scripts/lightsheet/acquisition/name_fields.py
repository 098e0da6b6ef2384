"""What stands at one place in file names: a timepoint, a channel or another field, as the words beside it tell.

Like `discover`, it opens no file and imports nothing heavy.
"""

import re
from collections.abc import Sequence

from lightsheet.acquisition.name_columns import Column

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
FIELD_OF_LABEL = {label: field for field, labels in _LABELS.items() for label in labels.split()}
FIELD_OF_UNIT = {"nm": "wavelength", "msec": "milliseconds", "ms": "milliseconds"} | {axis: axis for axis in "xy"}
FIELD_OF_UNIT |= {"z": "plane", "t": "timepoint"}

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


def assign_fields(columns: Sequence[Column], *, is_plane: bool | None, is_movie: bool) -> dict[int, str] | None:
    """Return a field for each column that gets one, {any} where other columns tell as much; None if that fails."""
    fields: dict[int, str] = {}
    varying = [index for index, column in enumerate(columns) if column.varies]
    for index in varying:
        _assign(fields, index, _find_field(columns[index]))
    _correct_labels(fields, columns, is_plane)
    if is_plane is False and "plane" in fields.values():
        return None  # names count planes and files have several pages: nothing tells what these are
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
    field = FIELD_OF_UNIT.get(suffix) if suffix in ("nm", "ms", "msec") else None
    return field or (FIELD_OF_LABEL.get(prefix) or FIELD_OF_UNIT.get(suffix) if column.is_number else None)


def _assign_word(fields: dict[int, str], index: int, column: Column) -> None:
    """Take varying text for the name of the channel, unless it is a well, or follows the word for a place."""
    words = set(column.texts)
    label = FIELD_OF_LABEL.get(column.labels[0])
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
