"""Templates of file names, such as ``CH{channel}_{timepoint}.tif``, that users write for what no preset reads."""

import difflib
import re
import string
from collections.abc import Iterator

from lightsheet.acquisition.presets import PRESETS, SUFFIXES, ZARR_SUFFIX, Form, Part
from lightsheet.system import InputError

_NUMBER, _SIGNED = r"\d+", r"-?\d+"
TEMPLATE_FIELDS = {
    **dict.fromkeys(("prefix", "camera"), r"[^/]+?"),
    **dict.fromkeys(("channel", "view", "position"), r"(?:\d+(?!\d)|[^/]+?)"),  # a whole number, or text
    **dict.fromkeys(("wavelength", "timepoint", "plane", "part"), _NUMBER),
    **dict.fromkeys(("x", "y", "z"), _SIGNED),
    "milliseconds": _NUMBER,
    "any": r"[^/]*?",
}


def read_template(pattern: str) -> Form:
    """Turn a template into the form that a name may have; its groups have the names of the fields."""
    parts: list[Part] = []
    is_open = False  # free text ends where the next part is found, so the two are read as one
    for part, is_free in [*_split_template(pattern), (Part(r"\Z", ""), False)]:
        last = parts.pop() if is_open else Part("", "")
        parts.append(Part(last.regex + part.regex, last.expected + part.expected))
        is_open = is_free
    return tuple(parts)


def _split_template(pattern: str) -> Iterator[tuple[Part, bool]]:
    """Yield each literal and each field of a template, and whether it is free text."""
    try:
        pieces = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise InputError(f"input.pattern {pattern!r}: {error}; a field is written {{channel}}") from error
    if all(field is None for _, field, _, _ in pieces) and not pattern.lower().endswith((*SUFFIXES, ZARR_SUFFIX)):
        raise InputError(
            f"input.pattern {pattern!r} is no preset ({', '.join(PRESETS)}), and no template either: "
            "a template has {fields}, such as CH{channel}_{timepoint}.tif, or is the name of one file"
        )
    groups: set[str] = set()
    for literal, field, spec, conversion in pieces:
        for text in re.findall("[^/]*/|[^/]+", literal):  # so that an error tells the folder that does not fit
            yield Part(re.escape(text), text), False
        if field is not None:
            if spec or conversion:
                raise InputError(f"input.pattern {pattern!r}: write {{{field}}} without a format")
            regex = _make_field_regex(field, pattern, groups)
            yield Part(regex, f"{{{field}}}"), TEMPLATE_FIELDS[field] not in (_NUMBER, _SIGNED)


def _make_field_regex(field: str, pattern: str, groups: set[str]) -> str:
    if field not in TEMPLATE_FIELDS:
        close = difflib.get_close_matches(field, TEMPLATE_FIELDS, n=1, cutoff=0.4)
        hint = f"did you mean {{{close[0]}}}?" if close else f"the fields are {', '.join(TEMPLATE_FIELDS)}"
        raise InputError(f"input.pattern {pattern!r}: there is no field {{{field}}}; {hint}")
    if field == "any":
        return TEMPLATE_FIELDS[field]
    if field in groups:
        return f"(?P={field})"
    groups.add(field)
    return f"(?P<{field}>{TEMPLATE_FIELDS[field]})"
