"""A file name to its fields: what a microscope wrote into the name, read by a preset or a template.

A pattern is a sequence of parts, each a regular expression and the words for it, so that a name that does not
fit is answered with the place where the reading stopped and with what was expected there.
"""

import difflib
import re
import string
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from lightsheet.errors import InputError

Value = int | float | str | tuple[int, ...]
Fields = dict[str, Value]
Piece = tuple[str, str | None, str | None, str | None]  # of string.Formatter().parse()


class Part(NamedTuple):
    """A piece of a pattern: the regular expression that reads it, and what to call it in an error."""

    regex: str
    expected: str


Form = tuple[Part, ...]

SUFFIXES = (".tif", ".tiff", ".btf")

_ENDING = Part(rf"(?i:{'|'.join(map(re.escape, SUFFIXES))})\Z", "times, a tile, or the end: .tif, .tiff or .btf")

# Lattice light-sheet microscopes (Janelia's LLSM and AO-LLSM control programs, versions since about 2014).
_ACQUIRED: Form = (
    Part(
        r"(?:(?P<prefix>.+?)_)??(?:Iter(?:_(?P<iter>\d+(?:_\d+)?))?_)?(?:(?P<camera>Cam[A-Z])_)?ch(?P<channel>\d+)",
        "a channel such as '_ch0'",
    ),
    Part(r"(?:_CAM\d+)?_stack(?P<stack>\d+)", "a stack number such as '_stack0000'"),
    Part(r"_(?P<wavelength>\d+)nm(?:-[^_.]+)?", "a wavelength such as '_560nm'"),
    Part(r"(?:_(?P<milliseconds>\d+)msec(?!Abs))?(?:_(?P<milliseconds_absolute>\d+)msecAbs)?", "times"),
    Part(r"(?:_(?P<x>-?\d+)x_(?P<y>-?\d+)y_(?P<z>-?\d+)z)?(?:_(?P<timepoint_suffix>\d+)t)?", "a tile"),
    _ENDING,
)
# The same group's PSFs and scans saved by hand; z100nm and zp36 are z steps of 0.1 and 0.36 um.
_SAVED: Form = (
    Part(r"(?P<prefix>.+?)_(?P<wavelength>[3-9]\d\d)(?=_)", "a wavelength such as '_560'"),
    Part(
        r"(?:_[A-Za-z0-9]+)*?_z(?:(?P<z_step_nm>\d+)nm|(?P<z_step_um>\d*p\d+))",
        "a z step such as '_z100nm' or '_zp36'",
    ),
    Part(r"(?:_cell\d+)?", "a cell"),
    _ENDING,
)

PRESETS: dict[str, tuple[Form, ...]] = {"lattice": (_ACQUIRED, _SAVED)}

_PROJECTIONS = ("MAX_", "MIP_")


def _number_or_text(text: str) -> int | str:
    return int(text) if re.fullmatch(r"[0-9]+", text) else text


# What a group of a regular expression becomes: the field's name, and its value; the others are whole numbers.
_READERS: dict[str, tuple[str, Callable[[str], Value]]] = {
    "prefix": ("prefix", str),
    "camera": ("camera", str),
    "channel": ("channel", _number_or_text),
    "wavelength": ("wavelength_nm", int),
    "iter": ("iter", lambda text: tuple(map(int, text.split("_")))),
    "z_step_nm": ("z_step_um", lambda text: int(text) / 1000),
    "z_step_um": ("z_step_um", lambda text: float(text.replace("p", "."))),
}

_TEXT, _NUMBER, _SIGNED = r".+?", r"\d+", r"-?\d+"
TEMPLATE_FIELDS = {
    "prefix": _TEXT,
    "camera": _TEXT,
    "channel": r"(?:\d+(?!\d)|.+?)",
    "wavelength": _NUMBER,
    "timepoint": _NUMBER,
    "x": _SIGNED,
    "y": _SIGNED,
    "z": _SIGNED,
    "milliseconds": _NUMBER,
    "any": r".*?",
}
_FREE_TEXT = ("prefix", "camera", "channel", "any")


def parse_name(name: str, pattern: str = "lattice") -> Fields:
    """Read the fields that a file name carries.

    Parameters
    ----------
    name : str
        The file's name, without its folder.
    pattern : str
        A preset ("lattice"), or a template: ``"CH{channel}_{timepoint}.tif"``, with the fields prefix,
        camera, channel, wavelength (nm), timepoint, x, y, z (tile), milliseconds (since the first timepoint)
        and any (ignored text). A field that occurs twice must have the same text; ``{any}`` need not.

    Returns
    -------
    dict
        Only the fields that are there: prefix, camera ("CamA"), channel (int, or str where it is no
        number), wavelength_nm, stack, iter (one or two int), timepoint_suffix (of ``_0000t``), timepoint (of
        a template), milliseconds, milliseconds_absolute, x, y, z (tile), z_step_um.

    Raises
    ------
    InputError
        If the name does not fit: where the reading stopped, and what was expected there; or if the pattern is
        neither a preset nor a template.
    """
    forms = compile_pattern(pattern)
    if pattern in PRESETS and name.startswith(_PROJECTIONS):
        raise InputError(f"{name}: looks derived, it begins with {name[:4]!r}; only the camera's own files are read")
    for form in forms:
        if match := _match(form, name):
            return dict(_read_field(group, text) for group, text in match.groupdict().items() if text is not None)
    raise InputError(_explain(name, pattern, forms))


def is_tiff(name: str) -> bool:
    """Tell by its suffix whether a file is a TIFF."""
    return name.lower().endswith(SUFFIXES)


def channel_name(fields: Fields) -> str:
    """Name a channel by all of camera, channel number and wavelength that its files' names carry.

    Parameters
    ----------
    fields : dict
        From `parse_name`.

    Returns
    -------
    str
        Such as ``CamA_ch1_560nm``, ``ch0_488nm``, ``GFP``; ``ch0`` where the name carries none of them.
        Fit for a folder: letters, digits, "." (not first) and "-", with "_" between the parts.
    """
    camera, channel = fields.get("camera"), fields.get("channel")
    parts = [
        # Bare numbers would be hard to tell apart, and YAML would read such a key as a number.
        f"Cam{camera}" if str(camera).isdigit() else camera,
        f"ch{channel}" if isinstance(channel, int) else channel,
        f"{fields['wavelength_nm']}nm" if "wavelength_nm" in fields else None,
    ]
    return "_".join(re.sub(r"^\.|[^A-Za-z0-9.-]", "-", str(part)) for part in parts if part is not None) or "ch0"


@lru_cache
def compile_pattern(pattern: str) -> tuple[Form, ...]:
    """Turn a pattern into the forms that a name may have.

    Parameters
    ----------
    pattern : str
        A preset or a template, as for `parse_name`.

    Returns
    -------
    tuple of Form
        The first that fits counts.

    Raises
    ------
    InputError
        If it is no preset and has no fields, or a field that does not exist.
    """
    if pattern in PRESETS:
        return PRESETS[pattern]
    try:
        pieces = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise InputError(f"input.pattern {pattern!r}: {error}; a field is written {{channel}}") from error
    if all(field is None for _, field, _, _ in pieces):
        raise InputError(
            f"input.pattern {pattern!r} is no preset ({', '.join(PRESETS)}), and no template either: "
            "a template has {fields}, such as CH{channel}_{timepoint}.tif"
        )
    parts: list[Part] = []
    open_ended = False  # free text ends where the next part is found, so the two are read as one
    for part, free in [*_template_parts(pattern, pieces), (Part(r"\Z", ""), False)]:
        last = parts.pop() if open_ended else Part("", "")
        parts.append(Part(last.regex + part.regex, last.expected + part.expected))
        open_ended = free
    return (tuple(parts),)


def _template_parts(pattern: str, pieces: list[Piece]) -> Iterator[tuple[Part, bool]]:
    """Yield each literal and each field of a template, and whether it is free text."""
    seen: set[str] = set()
    for literal, field, spec, conversion in pieces:
        if literal:
            yield Part(re.escape(literal), literal), False
        if field is not None:
            if spec or conversion:
                raise InputError(f"input.pattern {pattern!r}: write {{{field}}} without a format")
            yield Part(_field_regex(field, pattern, seen), f"{{{field}}}"), field in _FREE_TEXT


def _field_regex(field: str, pattern: str, seen: set[str]) -> str:
    if field not in TEMPLATE_FIELDS:
        close = difflib.get_close_matches(field, TEMPLATE_FIELDS, n=1, cutoff=0.4)
        hint = f"did you mean {{{close[0]}}}?" if close else f"the fields are {', '.join(TEMPLATE_FIELDS)}"
        raise InputError(f"input.pattern {pattern!r}: there is no field {{{field}}}; {hint}")
    if field == "any":
        return TEMPLATE_FIELDS[field]
    if field in seen:
        return f"(?P={field})"
    seen.add(field)
    return f"(?P<{field}>{TEMPLATE_FIELDS[field]})"


def _match(parts: Form, name: str) -> re.Match[str] | None:
    return re.match("".join(part.regex for part in parts), name, re.ASCII | re.DOTALL)


def _read_field(group: str, text: str) -> tuple[str, Value]:
    field, read = _READERS.get(group, (group, int))
    return field, read(text)


def _explain(name: str, pattern: str, forms: tuple[Form, ...]) -> str:
    """Say where the reading of a name stopped, in the form that came furthest."""
    count, form = max(((_count_fitting(form, name), form) for form in forms), key=lambda found: found[0])
    match = _match(form[:count], name)
    end = match.end() if match else 0
    rest, expected = name[end:], form[count].expected
    if form[count] is _ENDING and (ending := re.search(_ENDING.regex, rest)):
        return f"{name}: looks derived or renamed, {rest[: ending.start()]!r} follows the camera's own name"
    if pattern not in PRESETS:
        expected = repr(expected) if expected else "the end of the name"
    where = f"after {name[:end]!r} at {rest!r}" if end else "at its beginning"
    return f"{name}: does not fit the pattern {pattern!r}: reading stopped {where}, expected {expected}"


def _count_fitting(form: Form, name: str) -> int:
    return next(count for count in range(len(form) - 1, -1, -1) if _match(form[:count], name))
