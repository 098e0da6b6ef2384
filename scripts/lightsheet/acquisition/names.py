"""A file name to its fields: what a microscope wrote into the name, read by a preset or a template.

It is imported whenever the Snakefile is parsed, so it imports nothing heavy.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from lightsheet.acquisition.presets import DEPTHS, PRESETS, Form, explain_other_format
from lightsheet.acquisition.templates import read_template
from lightsheet.system import InputError

Value = int | float | str | tuple[int, ...]
Fields = dict[str, Value]

_PROJECTIONS = ("MAX_", "MIP_")


def _number_or_text(text: str) -> int | str:
    return int(text) if re.fullmatch(r"[0-9]+", text) else text


# What a group of a regular expression becomes: the field's name, and its value; the others are whole numbers.
_READERS: dict[str, tuple[str, Callable[[str], Value]]] = {
    "prefix": ("prefix", str),
    "camera": ("camera", str),
    "channel": ("channel", _number_or_text),
    "filter": ("channel", str),
    "emission": ("channel", "Em{}".format),
    "wavelength": ("wavelength_nm", int),
    "view": ("view", _number_or_text),
    "angle": ("view", "ANG{}".format),
    "phase": ("view", "PH{}".format),
    "view_angle": ("view", "Angle{}".format),
    "illumination": ("view", "Illum{}".format),
    "position": ("position", _number_or_text),
    "label": ("position", str),
    "grid": ("position", int),
    "grid_number": ("position", int),
    "column": ("x", int),
    "row": ("y", int),
    "iter": ("iter", lambda text: tuple(map(int, text.split("_")))),
    "z_step_nm": ("z_step_um", lambda text: int(text) / 1000),
    "z_step_um": ("z_step_um", lambda text: float(text.replace("p", "."))),
}


def parse_name(name: str, pattern: str = "lattice") -> Fields:
    """Read the fields that a file name carries.

    Parameters
    ----------
    name : str
        The file's path relative to the input folder, with "/": its name alone where `depth` of the pattern is 0.
    pattern : str
        A preset (see `presets`), or a template: ``"CH{channel}_{timepoint}.tif"``, with the fields prefix,
        camera, channel, view, position, wavelength (nm), timepoint, plane, part, x, y, z (tile), milliseconds
        (since the first timepoint) and any (ignored text). A field that occurs twice must have the same text;
        ``{any}`` need not. No field reaches across a "/".

    Returns
    -------
    dict
        Only the fields that are there: prefix, camera ("CamA"), channel (int, or str where it is no number),
        view (likewise: detection side, angle, illumination side), position (likewise: of the stage, without a
        place in a grid, or the grid's number), wavelength_nm, stack, iter (one or two int), timepoint_suffix (of
        ``_0000t``), timepoint, plane (the file is this one plane), part (the file continues an earlier one; 0,
        the first, stands in no name), milliseconds, milliseconds_absolute, x, y, z (tile), z_step_um.

    Raises
    ------
    InputError
        If the name does not fit: where the reading stopped, and what was expected there, or which other format
        than TIFF it is; or if the pattern is neither a preset nor a template.
    """
    forms = compile_pattern(pattern)
    if pattern in PRESETS and name.startswith(_PROJECTIONS):
        raise InputError(f"{name}: looks derived, it begins with {name[:4]!r}; only the camera's own files are read")
    for regex in _compile(pattern):
        if match := regex.match(name):
            return _read_fields(match)
    raise InputError(explain_other_format(name) or _explain(name, pattern, forms))


def count_folders(pattern: str) -> int:
    """Tell how many folders lie between the input folder and the files whose names fit a pattern.

    Parameters
    ----------
    pattern : str
        A preset or a template, as for `parse_name`.

    Returns
    -------
    int
        0 for files in the folder itself; a template's number of "/".

    Raises
    ------
    InputError
        As `compile_pattern`.
    """
    compile_pattern(pattern)
    return DEPTHS.get(pattern, 0) if pattern in PRESETS else pattern.count("/")


def suggest_preset(names: Sequence[str]) -> str | None:
    """Find the preset that reads most of these names.

    Parameters
    ----------
    names : sequence of str
        As for `parse_name`.

    Returns
    -------
    str or None
        Of several that read equally many, the most particular; None where no preset reads any.
    """
    counts = {preset: count_readable(names, preset) for preset in PRESETS}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None


def count_readable(names: Sequence[str], preset: str) -> int:
    """Count the names, as for `parse_name`, that a preset reads."""
    return sum(not name.startswith(_PROJECTIONS) and any(r.match(name) for r in _compile(preset)) for name in names)


def name_channel(fields: Fields) -> str:
    """Name a channel by all of view, camera, channel number and wavelength that its files' names carry.

    Parameters
    ----------
    fields : dict
        From `parse_name`.

    Returns
    -------
    str
        Such as ``CamA_ch1_560nm``, ``view1_ch0``, ``GFP``; ``ch0`` where the name carries none of them.
        Fit for a folder: letters, digits, "." (not first) and "-", with "_" between the parts.
    """
    view, camera, channel = fields.get("view"), fields.get("camera"), fields.get("channel")
    parts = [
        # Bare numbers would be hard to tell apart, and YAML would read such a key as a number.
        f"view{view}" if isinstance(view, int) else view,
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
    return (read_template(pattern),)


@lru_cache
def _compile(pattern: str) -> tuple[re.Pattern[str], ...]:
    return tuple(_regex(form) for form in compile_pattern(pattern))


def _regex(parts: Form) -> re.Pattern[str]:
    return re.compile("".join(part.regex for part in parts), re.ASCII | re.DOTALL)


def _read_fields(match: re.Match[str]) -> Fields:
    fields: Fields = {}
    for group, text in match.groupdict().items():
        if text is not None:
            field, read = _READERS.get(group, (group, int))
            # Angle and side of illumination, say, are one view.
            fields[field] = f"{fields[field]}_{read(text)}" if field in fields else read(text)
    return fields


def _explain(name: str, pattern: str, forms: tuple[Form, ...]) -> str:
    """Say where the reading of a name stopped, in the form that came furthest."""
    count, form = max(((_count_fitting(form, name), form) for form in forms), key=lambda found: found[0])
    match = _regex(form[:count]).match(name)
    end = match.end() if match else 0
    rest, expected = name[end:], form[count].expected
    if pattern in PRESETS and count == len(form) - 1 and (ending := re.search(form[count].regex, rest)):
        return f"{name}: looks derived or renamed, {rest[: ending.start()]!r} follows the camera's own name"
    if pattern not in PRESETS:
        expected = repr(expected) if expected else "the end of the name"
    where = f"after {name[:end]!r} at {rest!r}" if end else "at its beginning"
    return f"{name}: does not fit the pattern {pattern!r}: reading stopped {where}, expected {expected}"


def _count_fitting(form: Form, name: str) -> int:
    return next(count for count in range(len(form) - 1, -1, -1) if _regex(form[:count]).match(name))
